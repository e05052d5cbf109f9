"""The messages of a run, and the worker that handles them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from shared.message.delivery import Delivery
from shared.outcome import Later, Reject
from shared.worker import BatchResult, Each, FairShares, Fifo, Limits, Once, Together, Worker
from tests.simulation.history import History, Run
from tests.simulation.world.time import PROCESS

POISON = ("refused", "failing", "malformed", "killer")
"""Kinds that end in the dead-letter queue: the handler says never, always fails, cannot even be asked, or ends its process."""
WORKERS = ("plain", "keyed", "waiting", "batch", "fifo", "fair")
FAIR_SHARE = 2
"""Messages of one group that a worker of the kind `fair` may run at once."""
PATIENCE = 40.0
"""Seconds for which a message of the kind `later` wants to be left alone."""


@dataclass(frozen=True, slots=True)
class Job:
    """A message as its handler gets it: `seconds` of work, of one receipt."""

    label: str
    kind: str
    key: str
    seconds: float
    receipt: int


def body_of(label: str, kind: str, key: str, seconds: float) -> str:
    if kind == "malformed":
        return f"<{label}>"
    return orjson.dumps({"label": label, "kind": kind, "key": key, "seconds": seconds}).decode()


def decode(delivery: Delivery) -> Job:
    said = orjson.loads(delivery.body)
    receipt = int(delivery.receipt_handle.split("+", 2)[1], 16)
    return Job(said["label"], said["kind"], said["key"], said["seconds"], receipt)


class Handlers:
    """What handlers do, written to the history. `call` is a dependency that some kinds need, `kill` ends their process."""

    def __init__(self, history: History, call: Callable[[], Awaitable[Any]], kill: Callable[[], object]) -> None:
        self._history = history
        self._call = call
        self._kill = kill

    async def handle(self, job: Job) -> None:
        await self._one(job)

    async def _one(self, job: Job, *, done: str = "finished") -> Run:
        process = PROCESS.get()
        assert process is not None
        run = self._history.starts(process, job.label, job.receipt)
        how = "was cut"
        try:
            await self._work(job, first=len(run.story.runs) == 1)
            how = done
        except Later:
            how = "asked for patience" if done == "finished" else done
            raise
        except Exception as error:
            how = f"failed with {type(error).__name__}"
            raise
        finally:
            self._history.ends(run, how)
        return run

    async def _work(self, job: Job, *, first: bool) -> None:
        await asyncio.sleep(job.seconds)
        match job.kind:
            case "calls":
                await self._call()
            case "killer":
                self._kill()
                await asyncio.Event().wait()
            case "later" if first:
                raise Later("not yet", after=PATIENCE)
            case "flaky" if first:
                raise RuntimeError
            case "refused":
                raise Reject("never")
            case "failing":
                raise RuntimeError

    async def handle_batch(self, jobs: Sequence[Job]) -> BatchResult:
        """Nothing of a batch is finished before all of it has ended: a batch that is cut answers nothing."""
        ended = await asyncio.gather(
            *(self._one(job, done="waits for its batch") for job in jobs), return_exceptions=True
        )
        for run in ended:
            if isinstance(run, Run):
                run.how = "finished"
        return [each if isinstance(each, Exception) else None for each in ended]


def worker_of(kind: str, handlers: Handlers, *, concurrency: int, timeout: float) -> Worker[Job]:
    """One of WORKERS."""
    limits = Limits(timeout=timeout, concurrency=concurrency)
    return Worker(name="simulated", queue="simulated", decode=decode, do=_do(kind, handlers), limits=limits)


def _do(kind: str, handlers: Handlers) -> Each[Job] | Together[Job]:
    match kind:
        case "keyed":
            return Each(handlers.handle, once=Once(lambda job: job.key, fingerprint=lambda job: job.key))
        case "waiting":
            return Each(
                handlers.handle, once=Once(lambda job: job.key, fingerprint=lambda job: job.key, duplicates="wait")
            )
        case "batch":
            return Together(handlers.handle_batch, count=10, seconds=2.0)
        case "fifo":
            return Each(handlers.handle, order=Fifo())
        case "fair":
            return Each(handlers.handle, order=FairShares(FAIR_SHARE))
        case _:
            return Each(handlers.handle)
