"""One soak from its seed to its verdict: storm, calm, leave, judge."""

import asyncio
import contextlib
import random
import time
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from tests.soak.consumer import APP
from tests.soak.fleet import DRAIN, Fleet, Tally
from tests.soak.producers import Sent, produce
from tests.soak.schedule import LINES, ONCE, STABILITY, WORK, Restart, Schedule, schedule
from tests.soak.services import Services, served
from tests.soak.table import Table
from tests.soak.verdict import QUEUES, Evidence, Verdict, judge
from tests.soak.weather import brew
from tests.sqs_server.running import SqsServer, sqs_server
from tests.waiting import until

LEDGER = "ledger.jsonl"
VISIBILITY = 5
"""Seconds of a lease, the least that a consumer accepts: what a killed one held comes back this late."""
RESTARTS_PER_SECOND = 1.8
MOST_RECEIVES = 1_000
"""Above what kills and lost answers can use up: a message that SQS moves by itself has no reason with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Soaked:
    """A soak that is over. `seconds` of the storm, and of the calm after it until every queue was empty."""

    seed: int
    seconds: float
    calm: float
    jobs: int
    sent: Sent
    tally: Tally
    verdict: Verdict


async def soak(seed: int, *, seconds: float, logs: Path, patience: float = 300.0) -> Soaked:
    """Run one. `logs` is a folder for the consumers' lines and the ledger; `patience` in seconds is granted to the calm."""
    plan = schedule(seed, seconds=seconds, restarts_per_second=RESTARTS_PER_SECOND)
    with sqs_server() as server:
        urls = dict(_queues(server))
        async with served() as services, server.open(attempts=4) as client:
            fleet = Fleet(APP, _environment(server, urls, services), size=len(STABILITY), logs=logs)
            try:
                await fleet.start()
                sent = Sent()
                await asyncio.to_thread(brew, server.control, random.Random(seed).randrange(2**32))
                await _storm(plan, fleet, produce(plan, client, urls, sent))
                faults = await asyncio.to_thread(server.control.faults)
                await asyncio.to_thread(server.control.heal)
                calm = await _calm(server, patience)
                await fleet.leave()
            finally:
                fleet.kill()
            evidence = await asyncio.to_thread(_evidence, server, faults, fleet.tally, services.table, logs)
    verdict = judge(plan.jobs, evidence)
    return Soaked(
        seed=seed, seconds=seconds, calm=calm, jobs=len(plan.jobs), sent=sent, tally=fleet.tally, verdict=verdict
    )


def _queues(server: SqsServer) -> Iterator[tuple[str, str]]:
    """By logical name. The names on the server are the logical ones; a FIFO queue's ends as it must."""
    for name in QUEUES:
        fifo = {"ContentBasedDeduplication": "true"} if name == LINES else {}
        full = f"{name}.fifo" if name == LINES else name
        url, dead = server.make_pair(full, receives=MOST_RECEIVES, VisibilityTimeout=VISIBILITY, **fifo)
        yield name, url
        yield f"{name}-dlq", dead


def _environment(server: SqsServer, urls: dict[str, str], services: Services) -> dict[str, str]:
    return {
        **server.environment,
        **services.environment,
        **{f"{name.upper()}_QUEUE_URL": urls[name] for name in QUEUES},
        **{f"{name.upper()}_DLQ_URL": urls[f"{name}-dlq"] for name in QUEUES},
        "HEALTH_PORT": "0",
        "POLL_WAIT_SECONDS": "1",
        "VISIBILITY_SECONDS": str(VISIBILITY),
        "DRAIN_SECONDS": str(DRAIN),
    }


async def _storm(plan: Schedule, fleet: Fleet, production: Coroutine[None, None, None]) -> None:
    started = time.monotonic()
    async with asyncio.TaskGroup() as group:
        group.create_task(production)
        for each in plan.restarts:
            group.create_task(_restart(each, fleet, started))


async def _restart(each: Restart, fleet: Fleet, started: float) -> None:
    await asyncio.sleep(max(0.0, started + each.at - time.monotonic()))
    await fleet.restart(each.consumer, kill=each.kill)


async def _calm(server: SqsServer, patience: float) -> float:
    """Wait until nothing is left to do; how long that took."""
    started = time.monotonic()
    with contextlib.suppress(AssertionError):  # the verdict names what is left
        await until(lambda: _is_empty(server), seconds=patience)
    return time.monotonic() - started


def _names(*, dead: bool) -> list[str]:
    mark = "-dlq" if dead else ""
    return [f"{WORK}{mark}", f"{ONCE}{mark}", f"{LINES}{mark}.fifo"]


def _is_empty(server: SqsServer) -> bool:
    queues = server.control.stats()["queues"]
    return not any(queues[name][state] for name in _names(dead=False) for state in ("visible", "in_flight", "delayed"))


def _evidence(server: SqsServer, faults: list[dict[str, object]], tally: Tally, table: Table, logs: Path) -> Evidence:
    control = server.control
    lines = control.ledger()
    (logs / LEDGER).write_bytes(b"\n".join(orjson.dumps(line) for line in lines))
    return Evidence(
        lines=lines,
        letters=[each for name in _names(dead=True) for each in control.messages(name)],
        waiting=[each for name in _names(dead=False) for each in control.messages(name)],
        completed=table.completed,
        alone=table.alone,
        tally=tally,
        faults=faults,
    )
