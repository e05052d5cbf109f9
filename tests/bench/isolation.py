"""What endpoints that hang cost the others: deliveries to many endpoints of which some never answer.

The worker's own handler, bulkhead and sender; a queue, a table and a customer on this machine. `python -m tests.bench.isolation`
measures with and without the hanging ones, in real time over loopback; a test does the same in virtual time.
"""

import asyncio
import heapq
import itertools
import json
import logging
import random
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from aiohttp.abc import AbstractResolver, ResolveResult

from shared import Message
from tests.bench.referee import ROOT, cores
from tests.fakes import delivery
from tests.workers.webhook_delivery.egress.servers import Script, Server, response, serving
from tests.workers.webhook_delivery.fakes import FakeStore, endpoint, job
from workers.webhook_delivery.egress.bulkhead import Bulkhead
from workers.webhook_delivery.egress.sender import open_sender
from workers.webhook_delivery.event import delivery_job
from workers.webhook_delivery.handler import deliver
from workers.webhook_delivery.ports import Ports, Post
from workers.webhook_delivery.rules import STANDARD_WEBHOOKS, Reply

PLACES, LEASE, HANDLING, TIMEOUT, AWS_SECONDS = 50, 35.0, 0.1, 15.0, 0.005
"""As app.py has them; how long a healthy endpoint takes to answer, and each call of AWS."""
EPOCH = datetime(2026, 11, 21, tzinfo=UTC)


@dataclass(frozen=True)
class Load:
    """`rate` deliveries a second in all to `endpoints`, of which the first `hanging` never answer."""

    endpoints: int = 200
    hanging: int = 0
    rate: float = 20.0
    seconds: float = 120.0
    share: float | None = None
    seed: int = 1

    def picks(self, dice: random.Random) -> int:
        """The next delivery's endpoint; `share` of all go to the hanging ones, else as many as each other gets."""
        if self.share is not None and self.hanging:
            within = (0, self.hanging) if dice.random() < self.share else (self.hanging, self.endpoints)
            return dice.randrange(*within)
        return dice.randrange(self.endpoints)


@dataclass
class Waits:
    """Seconds from a job's arrival in its queue to the endpoint's answer, of the healthy endpoints; and what was posted."""

    healthy: list[float] = field(default_factory=list)
    hanging_posts: int = 0

    def quantile(self, part: float) -> float:
        return sorted(self.healthy)[int(part * (len(self.healthy) - 1))]


class Queue:
    """Hands messages out when they are due, to as many at once as there are places."""

    def __init__(self, work: Callable[[str], Awaitable[None]]) -> None:
        self._work = work
        self._due: list[tuple[float, int, str]] = []
        self._numbers = itertools.count()
        self._some = asyncio.Event()
        self._places = asyncio.Semaphore(PLACES)
        self._running: set[asyncio.Task[None]] = set()

    async def send(self, messages: Sequence[Message]) -> None:
        await asyncio.sleep(AWS_SECONDS)
        for each in messages:
            self.put(each.body, each.delay)

    def put(self, body: str, after: float = 0.0) -> None:
        heapq.heappush(self._due, (asyncio.get_running_loop().time() + after, next(self._numbers), body))
        self._some.set()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._places.acquire()
            while not self._due or self._due[0][0] > loop.time():
                self._some.clear()
                until = self._due[0][0] if self._due else None
                try:
                    async with asyncio.timeout_at(until):
                        await self._some.wait()
                except TimeoutError:
                    continue
            _, _, body = heapq.heappop(self._due)
            task = asyncio.create_task(self._one(body))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _one(self, body: str) -> None:
        try:
            await self._work(body)
        finally:
            self._places.release()


class SlowStore(FakeStore):
    """The table, as far away as AWS is."""

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in {"endpoint", "claim", "record", "settle", "attempt"}:
            return found

        async def later(*arguments: Any, **named: Any) -> Any:
            await asyncio.sleep(AWS_SECONDS)
            return await found(*arguments, **named)

        return later


async def measure(
    load: Load, post: Post, *, now: Callable[[], datetime], port: int = 443, isolated: bool = True
) -> Waits:
    """Run one load; without `isolated` every delivery gets a place at once."""
    dice, waits, store = random.Random(load.seed), Waits(), SlowStore()
    arrived: dict[str, float] = {}
    loop = asyncio.get_running_loop()
    for number in range(load.endpoints):
        kind = "dead" if number < load.hanging else "well"
        store.add(endpoint(f"{kind}-{number}", url=f"http://{kind}-{number}.example:{port}/"))

    async def timed(url: str, **named: Any) -> Any:
        reply = await post(url, **named)
        event_id = named["headers"]["webhook-id"]
        if "well" in url:
            waits.healthy.append(loop.time() - arrived.pop(event_id))
        else:
            waits.hanging_posts += 1
        return reply

    bulkhead = Bulkhead(PLACES if isolated else 10**9)
    if not isolated:
        bulkhead.enter = lambda *_, **__: 0.0  # type: ignore[method-assign]  # what it was before
        bulkhead.leave = lambda *_, **__: None  # type: ignore[method-assign]
    queue = Queue(
        lambda body: deliver(delivery_job(delivery(body)), ports=ports, schedule=STANDARD_WEBHOOKS, lease=LEASE)
    )
    ports = Ports(store, timed, bulkhead, queue.send, put_event=lambda _: asyncio.sleep(0), now=now, dice=dice.random)
    worker = asyncio.create_task(queue.run())
    ends = loop.time() + load.seconds
    for number in itertools.count():
        await asyncio.sleep(dice.expovariate(load.rate))
        if loop.time() > ends:
            break
        picked = load.picks(dice)
        kind = "dead" if picked < load.hanging else "well"
        if kind == "well":
            arrived[f"msg_{number}"] = loop.time()
        queue.put(job(endpoint_id=f"{kind}-{picked}", event_id=f"msg_{number}", not_before=EPOCH).body())
    await asyncio.sleep(1.0)
    worker.cancel()
    waits.healthy += [loop.time() - came for came in arrived.values()]  # those that still wait
    return waits


class Names(AbstractResolver):
    """Every name is this machine; a dead one has name servers that never answer, where `silent`."""

    def __init__(self, *, silent: bool) -> None:
        self._silent = silent

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if self._silent and host.startswith("dead"):
            await asyncio.Event().wait()
        return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        """Nothing is open."""


def customer(server: Server) -> Script:
    """Answers after a while; a dead endpoint does not."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = await server.request(reader)
            await asyncio.sleep(3600.0 if request.headers["host"].startswith("dead") else HANDLING)
            writer.write(response(200))

    return play


async def over_loopback(load: Load, *, silent_names: bool = False, isolated: bool = True) -> Waits:
    async with (
        serving(customer) as server,
        open_sender(
            allow_loopback=True, seconds=TIMEOUT, connections=PLACES, resolver=Names(silent=silent_names)
        ) as post,
    ):
        return await measure(load, post, now=lambda: datetime.now(UTC), port=server.port, isolated=isolated)


async def simulated(
    load: Load, *, isolated: bool = True, dead_seconds: float = TIMEOUT, error: str = "timeout"
) -> Waits:
    """In the time of the running loop, which may be a virtual one."""
    loop = asyncio.get_running_loop()

    async def post(url: str, **_named: Any) -> Reply:
        await asyncio.sleep(dead_seconds if "dead" in url else HANDLING)
        return Reply(0, error) if "dead" in url else Reply(200)

    return await measure(load, post, now=lambda: EPOCH + timedelta(seconds=loop.time()), isolated=isolated)


CASES: dict[str, tuple[Load, dict[str, bool]]] = {
    "20 of 200 endpoints hang, no bulkhead": (Load(hanging=20), {"isolated": False}),
    "20 of 200 endpoints hang": (Load(hanging=20), {}),
    "the name servers of 20 of 200 never answer": (Load(hanging=20), {"silent_names": True}),
    "1 of 100 endpoints hangs and has half of the traffic": (Load(endpoints=100, hanging=1, share=0.5), {}),
}


async def cases(seconds: float) -> list[dict[str, Any]]:
    """A row for each load beside the same one without endpoints that hang, all at the same time: what disturbs the machine disturbs all."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    loads = [(replace(load, seconds=seconds), options) for load, options in CASES.values()]
    alone = asyncio.gather(*(over_loopback(replace(load, hanging=0)) for load, _ in loads))
    beside = asyncio.gather(*(over_loopback(load, **options) for load, options in loads))
    both = zip(CASES, await alone, await beside, strict=True)
    return [
        {
            "case": name,
            "without_ms": without.quantile(0.99) * 1000,
            "with_ms": with_them.quantile(0.99) * 1000,
            "healthy": len(with_them.healthy),
            "hung": with_them.hanging_posts,
        }
        for name, without, with_them in both
    ]


def take(*, seconds: float) -> list[dict[str, Any]]:
    """The rows, from a process of its own."""
    command = ["taskset", "-c", cores()[1], sys.executable, "-m", "tests.bench.isolation", str(seconds)]
    done = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, timeout=seconds + 120)
    return [json.loads(line) for line in done.stdout.splitlines()]


HEADS = ("healthy endpoints beside those that hang", "p99 without them", "p99 beside them", "times")


def lines(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str, str]]:
    """The rows of a table."""
    return [
        (
            each["case"],
            f"{each['without_ms']:,.0f} ms",
            f"{each['with_ms']:,.0f} ms",
            f"{each['with_ms'] / each['without_ms']:.2f} x",
        )
        for each in rows
    ]


def main() -> None:
    for each in asyncio.run(cases(float(sys.argv[1]) if len(sys.argv) > 1 else 120.0)):
        sys.stdout.write(json.dumps(each) + "\n")


if __name__ == "__main__":
    main()
