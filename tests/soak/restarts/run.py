"""Restarts from a seed to a verdict: work is sent all the time, and processes end and begin."""

import asyncio
import itertools
import random
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from shared.sqs.sender import Message, SqsSender
from tests.soak.fleet import Fleet
from tests.soak.restarts.judging import Evidence, Life, Verdict, judge
from tests.soak.restarts.workers import APP, BATCH, LINES, QUEUES, RECEIVES
from tests.soak.schedule import Job, Kind
from tests.soak.services import Services, served
from tests.sqs_server.running import SqsServer, sqs_server
from tests.waiting import until

CONSUMERS = 3
AT_ONCE = 2
"""Processes that may be on their way down or up together: one is always left."""
KILLED = 0.15
"""Part of the restarts that are kill -9, the others SIGTERM."""
VISIBILITY = 10
"""Seconds; what a killed process held comes back this late."""
LONGEST_CALM = 1.0
"""Seconds from one restart to the next of those at once, at most: a process lives for a few seconds."""
RATE = 8.0
"""Messages a second of each queue."""
GROUPS = 6
LONG = dict.fromkeys(QUEUES, 0.02) | {BATCH: 0.005}
"""Part of the messages whose work is long. A batch takes as long as its longest, and processes that live for three seconds may cut a
long one again and again.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarted:
    """Restarts that are over; `calm` in seconds until every queue was empty."""

    seed: int
    restarts: int
    seconds: float
    calm: float
    fleet: Fleet
    verdict: Verdict


@dataclass(slots=True)
class Load:
    """What was sent, and whether more is to come."""

    dice: random.Random
    jobs: set[str] = field(default_factory=set)
    is_over: bool = False

    async def send(self, queue: str, send: SqsSender) -> None:
        """Send to one queue until told that it is over."""
        for number in itertools.count():
            if self.is_over:
                return
            await asyncio.sleep(self.dice.expovariate(RATE))
            group = f"g{self.dice.randrange(GROUPS)}" if queue == LINES else None
            job = Job(f"{queue}-{number}", Kind.PLAIN, round(self._seconds(LONG[queue]), 3), group)
            await send([Message(body=job.body, group=group)])
            self.jobs.add(job.key)

    def _seconds(self, long: float) -> float:
        """Mostly short work; some may take longer than a process that is told to end has left, two seconds."""
        dice = self.dice
        return dice.uniform(1.5, 2.5) if dice.random() < long else dice.uniform(0.0, 0.4)


async def restarts(seed: int, *, count: int, logs: Path, patience: float = 60.0) -> Restarted:
    """Restart processes `count` times under load. `logs` is a folder for their lines; `patience` in seconds is granted
    to the work that is left.
    """
    dice, ends, began = random.Random(seed), list[Life](), time.monotonic()
    with sqs_server() as server:
        urls = dict(_queues(server))
        async with served() as services, server.open(attempts=4) as client:
            fleet = Fleet(APP, _environment(server, urls, services), size=CONSUMERS, logs=logs)
            try:
                await fleet.start()
                load = Load(dice)
                await _under_load(load, client, urls, _all_restarts(fleet, dice, count, ends))
                calm_from = time.monotonic()
                with suppress(AssertionError):  # the verdict says what is left
                    await until(lambda: not _waiting(server), seconds=patience)
                calm = time.monotonic() - calm_from
                await fleet.leave()
            finally:
                fleet.kill()
            verdict = judge(await asyncio.to_thread(_evidence, server, load, fleet, ends, logs))
    return Restarted(seed=seed, restarts=count, seconds=calm_from - began, calm=calm, fleet=fleet, verdict=verdict)


async def _under_load(load: Load, client: Any, urls: dict[str, str], doing: Any) -> None:
    async with asyncio.TaskGroup() as group:
        for queue in QUEUES:
            group.create_task(load.send(queue, SqsSender(client, name=queue, url=urls[queue])))
        await doing
        load.is_over = True


async def _all_restarts(fleet: Fleet, dice: random.Random, count: int, ends: list[Life]) -> None:
    numbers = iter(range(count))

    async def some() -> None:
        for _ in numbers:
            await asyncio.sleep(dice.uniform(0.0, LONGEST_CALM))
            life = await fleet.restart(dice.randrange(CONSUMERS), kill=dice.random() < KILLED)
            ends.append(life)

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))


def _queues(server: SqsServer) -> Iterator[tuple[str, str]]:
    for name in QUEUES:
        fifo = {"ContentBasedDeduplication": "true"} if name == LINES else {}
        url, dead = server.make_pair(_full(name), receives=RECEIVES, VisibilityTimeout=VISIBILITY, **fifo)
        yield name, url
        yield f"{name}-dlq", dead


def _full(name: str, mark: str = "") -> str:
    return f"{name}{mark}.fifo" if name == LINES else f"{name}{mark}"


def _environment(server: SqsServer, urls: dict[str, str], services: Services) -> dict[str, str]:
    return {
        **server.environment,
        **services.environment,
        **{f"{name.upper()}_QUEUE_URL": urls[name] for name in QUEUES},
        **{f"{name.upper()}_DLQ_URL": urls[f"{name}-dlq"] for name in QUEUES},
        "HEALTH_PORT": "0",
        "POLL_WAIT_SECONDS": "2",
        "VISIBILITY_SECONDS": str(VISIBILITY),
        "DRAIN_SECONDS": "3",
    }


def _waiting(server: SqsServer, mark: str = "") -> int:
    queues = server.control.stats()["queues"]
    states = ("visible", "in_flight", "delayed")
    return sum(queues[_full(name, mark)][state] for name in QUEUES for state in states)


def _evidence(server: SqsServer, load: Load, fleet: Fleet, ends: list[Life], logs: Path) -> Evidence:
    return Evidence(
        jobs=load.jobs,
        lines=server.control.ledger(),
        letters=_waiting(server, "-dlq"),
        waiting=_waiting(server),
        ends=ends,
        tally=fleet.tally,
        cut={log.stem for log in logs.glob("*.jsonl") if _cut_work(log)},
    )


def _cut_work(log: Path) -> bool:
    lines = [orjson.loads(line) for line in log.read_text().splitlines() if '"drained"' in line]
    return any(line["cut"] for line in lines)
