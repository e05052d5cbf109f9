"""One outage from its beginning to its verdict: work is sent before, during and after it."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import orjson
from aiohttp import ClientSession
from botocore.exceptions import BotoCoreError, ClientError

from shared.message import pointer
from shared.message.delivery import Attribute
from shared.road.failure.breakers import LONGEST_PROBE
from shared.sqs.sender import Message, NotSent, SqsSender
from tests.soak.fleet import Fleet
from tests.soak.outages.workers import APP, JOBS, RECEIVES, SQS
from tests.soak.schedule import Job, Kind
from tests.soak.services import BODIES, Services, served
from tests.sqs_server.checker import CONSUMING, check
from tests.sqs_server.running import SqsServer, sqs_server
from tests.waiting import until

BUCKET = "bodies"
WAITING = 200
"""Messages that are in the queue when the outage begins."""
RATE = 4.0
"""Messages a second before, during and after it."""
RED_WITHIN = 20.0
"""Seconds after its beginning: until then enough calls have failed, whatever their retries."""
GREEN_WITHIN = LONGEST_PROBE + 15.0
"""Seconds after its end: the last probe may have been just before it."""
SLOWEST = 8.0
"""Messages a second, at least, that are then worked off: each costs two reports to a server on the same busy cores."""
LOOKS_EVERY = 0.5


@dataclass(slots=True)
class Met:
    """An outage that is over, in seconds since it began or ended; `faults` is empty where all is well."""

    dependency: str
    seconds: float
    red_after: float = 0.0
    green_after: float = 0.0
    worked_off_after: float = 0.0
    backlog: int = 0
    most_receipts: int = 0
    sent: int = 0
    faults: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Load:
    """What was sent. Of a worker that needs S3 each body is there, and its message points to it."""

    send: SqsSender
    objects: dict[str, bytes] | None
    jobs: set[str] = field(default_factory=set)
    is_over: bool = False
    _numbers: "count[int]" = field(default_factory=count)

    async def some(self, messages: int) -> None:
        """Return when they are accepted."""
        jobs = [Job(f"{JOBS}-{next(self._numbers)}", Kind.PLAIN, 0.02) for _ in range(messages)]
        while not self.is_over:
            with suppress(NotSent, ClientError, BotoCoreError):
                await self.send([self._message(each) for each in jobs])
                self.jobs |= {each.key for each in jobs}
                return
            await asyncio.sleep(LOOKS_EVERY)

    async def steadily(self) -> None:
        """Send until it is over."""
        while not self.is_over:
            await self.some(1)
            await asyncio.sleep(1 / RATE)

    def _message(self, job: Job) -> Message:
        if self.objects is None:
            return Message(body=job.body)
        content = job.body.encode()
        key = pointer.key_of(content, prefix="")
        self.objects[key] = content
        stored = pointer.Pointer(BUCKET, key, len(content))
        attributes: dict[str, Attribute] = {pointer.MARK: stored.mark}
        return Message(body=stored.body, attributes=attributes)


async def outage(dependency: str, *, seconds: float, logs: Path) -> Met:
    """Let one dependency be down for so long. `logs` is a folder for the process's lines."""
    met = Met(dependency, seconds)
    with sqs_server() as server:
        url, dead = server.make_pair(JOBS, receives=RECEIVES, VisibilityTimeout=30)
        async with served() as services, server.open(attempts=1) as client, ClientSession() as session:
            environment = _environment(server, services, dependency, url, dead)
            fleet = Fleet(APP, environment, size=1, logs=logs)
            load = Load(SqsSender(client, name=JOBS, url=url), services.objects if dependency == BODIES else None)
            try:
                await fleet.start()
                port = await until(lambda: _port(logs), seconds=30.0, what="a port for health")
                await _story(met, load, server, services, lambda path: _status(session, port, path))
                await fleet.leave()
            finally:
                fleet.kill()
            await asyncio.to_thread(_judge, met, load, server)
            met.faults += [f"hung: {fleet.tally.hung}"] if fleet.tally.hung else []
    return met


async def _story(
    met: Met, load: Load, server: SqsServer, services: Services, status: Callable[[str], Awaitable[int]]
) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(load.steadily())
        await until(lambda: _is(status, "readyz", 200), seconds=30.0, what="readiness")
        await load.some(WAITING)
        _break(met.dependency, server, services)
        await _during(met, status)
        met.backlog = _left(server)
        _mend(met.dependency, server, services)
        ended = time.monotonic()
        await until(lambda: _is(status, "readyz", 200), seconds=GREEN_WITHIN, what="readiness again")
        met.green_after = time.monotonic() - ended
        load.is_over = True
    with suppress(AssertionError):  # the verdict says what is left
        await until(lambda: not _left(server), seconds=GREEN_WITHIN + met.backlog / SLOWEST)
    met.worked_off_after = time.monotonic() - ended


async def _during(met: Met, status: Callable[[str], Awaitable[int]]) -> None:
    """Until the outage is over: red soon and to the end, and alive all the time."""
    began = time.monotonic()
    while (now := time.monotonic() - began) < met.seconds:
        ready, live = await status("readyz"), await status("livez")
        if ready == 503 and not met.red_after:
            met.red_after = now
        if ready != 503 and (met.red_after or now > RED_WITHIN):
            met.faults.append(f"/readyz said {ready} after {now:.1f} s of the outage")
        if live != 200:
            met.faults.append(f"/livez said {live} after {now:.1f} s of the outage")
        await asyncio.sleep(LOOKS_EVERY)


def _break(dependency: str, server: SqsServer, services: Services) -> None:
    if dependency == SQS:
        server.control.fault("unavailable", *CONSUMING)  # all that a consumer asks; senders get through
    else:
        services.down.add(dependency)


def _mend(dependency: str, server: SqsServer, services: Services) -> None:
    server.control.heal()
    services.down.discard(dependency)


def _judge(met: Met, load: Load, server: SqsServer) -> None:
    lines = server.control.ledger()
    findings = check(lines, tolerance=0.25, handled=(JOBS,))
    done = {line["key"] for line in lines if line["kind"] == "effect" and line["phase"] == "ended"}
    receipts = Counter(line["message_id"] for line in lines if line["kind"] in {"receive", "duplicate"})
    met.sent, met.most_receipts = len(load.jobs), max(receipts.values(), default=0)
    letters, left, undone = _count(server, f"{JOBS}-dlq"), _left(server), load.jobs - done
    met.faults += [f"{name}: {times}" for name, times in findings.faults.items()]
    met.faults += [f"dead letters: {letters}"] if letters or findings.redriven else []
    met.faults += [f"still in the queue: {left}"] if left else []
    met.faults += [f"never done: {len(undone)}"] if undone else []


def _left(server: SqsServer) -> int:
    return _count(server, JOBS)


def _count(server: SqsServer, queue: str) -> int:
    found = server.control.stats()["queues"][queue]
    return int(sum(found[state] for state in ("visible", "in_flight", "delayed")))


def _environment(server: SqsServer, services: Services, needs: str, url: str, dead: str) -> dict[str, str]:
    return {
        **server.environment,
        **services.environment,
        f"{JOBS.upper()}_QUEUE_URL": url,
        f"{JOBS.upper()}_DLQ_URL": dead,
        "CLAIM_CHECK_BUCKET_NAME": BUCKET,
        "NEEDS": needs,
        "HEALTH_PORT": "0",
        "POLL_WAIT_SECONDS": "2",
        "VISIBILITY_SECONDS": "30",
        "DRAIN_SECONDS": "5",
    }


def _port(logs: Path) -> int:
    for log in logs.glob("*.jsonl"):
        for line in log.read_text().splitlines():
            if "worker_started" in line:
                return int(orjson.loads(line)["health_port"])
    return 0


async def _status(session: ClientSession, port: int, path: str) -> int:
    async with session.get(f"http://127.0.0.1:{port}/{path}") as answer:
        return answer.status


async def _is(status: Callable[[str], Awaitable[int]], path: str, wanted: int) -> Any:
    return await status(path) == wanted
