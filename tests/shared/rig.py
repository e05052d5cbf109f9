"""A poller over the fake queue, in virtual time: what the container's door does, seen from outside."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from shared.container.intake import Pace
from shared.container.poller import Poller
from shared.message.delivery import Delivery
from shared.road.pipeline import Pipeline
from shared.settlement.deletes import Deletes
from shared.settlement.leases import Leases
from shared.worker import Batch, BatchResult, Worker
from tests.fakes import FakeQueue
from tests.virtual_time import clock


def body_of(delivery: Delivery) -> str:
    return delivery.body


class Rig:
    """One queue, one worker, one poller. `started` and `ended` list bodies in the order of events."""

    def __init__(
        self,
        work: Callable[[str], Awaitable[None]] | None = None,
        *,
        batch: Callable[[Sequence[str]], Awaitable[BatchResult]] | None = None,
        limits: Batch | None = None,
        decode: Callable[[Delivery], str] = body_of,
        concurrency: int = 10,
        timeout: float = 3_600.0,
        pace: Pace | None = None,
        queue: FakeQueue | None = None,
        deletes_dice: Callable[[], float] = lambda: 0.5,
        **options: Any,
    ) -> None:
        self.queue = queue or FakeQueue(clock, fifo=options.get("fifo", False))
        self.pace = pace or Pace()
        self.started: list[str] = []
        self.ended: list[str] = []
        self.running = Counter[str]()
        self.most_running = 0
        self.stop = asyncio.Event()
        self._work = work
        handling: dict[str, Any] = (
            {"handle": self._handle} if batch is None else {"handle_batch": batch, "batch": limits or Batch()}
        )
        self.worker: Worker[str] = Worker(
            name="sample",
            queue="uploads",
            decode=decode,
            concurrency=concurrency,
            timeout=timeout,
            **handling,
            **options,
        )
        self.leases = Leases(
            self.queue, visibility=self.pace.visibility, clock=clock, longest=self.worker.longest_lease
        )
        self.deletes = Deletes(self.queue, self.leases, dice=deletes_dice)
        self.poller = Poller(
            Pipeline(worker=self.worker, hide=self._hide, bury=self.queue.bury, dice=lambda: 0.5),
            self.queue,
            self.leases,
            self.deletes,
            pace=self.pace,
            clock=clock,
            dice=lambda: 0.5,
        )
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self.poller.run(self.stop))

    async def runs_for(self, seconds: float) -> None:
        """Let virtual time pass."""
        if self._task is None:
            self.start()
        await asyncio.sleep(seconds)

    async def drains(self) -> float:
        """Ask it to stop; how many seconds it took."""
        assert self._task is not None
        asked_at = clock()
        self.stop.set()
        await self._task
        return clock() - asked_at

    async def dies(self) -> None:
        """End it as kill -9 would: no drain, nothing settled."""
        assert self._task is not None
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _handle(self, body: str) -> None:
        assert self._work is not None
        self.started.append(body)
        self.running[body] += 1
        self.most_running = max(self.most_running, self.running.total())
        try:
            await self._work(body)
            self.ended.append(body)
        finally:
            self.running[body] -= 1

    async def _hide(self, delivery: Delivery, seconds: float) -> None:
        await self.leases.give_back([delivery], seconds=seconds)


async def at_once(_body: str) -> None:
    """Work that takes no time."""


def taking(seconds: float) -> Callable[[str], Awaitable[None]]:
    async def work(_body: str) -> None:
        await asyncio.sleep(seconds)

    return work
