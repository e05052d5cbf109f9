"""A poller over the fake queue, in virtual time: what the container's door does, seen from outside."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from shared.consumer import Clocks, Pace, Stores, join
from shared.container.poller import Poller
from shared.limits import Budget
from shared.message.delivery import Delivery
from shared.road.failure.apart import Apart
from shared.road.failure.breakers import Breakers
from shared.road.ledger import Ledger
from shared.worker import BatchResult, Fifo, Together
from tests.fakes import FakeQueue
from tests.made import make_worker
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
        limits: Together[Any] | None = None,
        pace: Pace | None = None,
        queue: FakeQueue | None = None,
        dice: Callable[[], float] = lambda: 0.5,
        ledger: Ledger | None = None,
        breakers: Breakers | None = None,
        budget: Budget | None = None,
        apart: Apart | None = None,
        **options: Any,
    ) -> None:
        self.queue = queue or FakeQueue(clock, fifo=options.get("order") == Fifo())
        self.pace = pace or Pace()
        self.started: list[str] = []
        self.ended: list[str] = []
        self.running = Counter[str]()
        self.most_running = 0
        self.stop = asyncio.Event()
        self._work = work
        self.worker = make_worker(
            self._handle, handle_batch=batch, batch=limits, **{"decode": body_of, "timeout": 3_600.0, **options}
        )
        stores = Stores(
            self.queue,
            ledger,
            breakers=breakers or Breakers(clock=clock, dice=dice),
            apart=apart or Apart(),
        )
        clocks = Clocks(monotonic=clock, lease=clock, wall=clock, dice=dice)
        self.consumer = join(self.worker, stores, pace=self.pace, clocks=clocks, budget=budget or Budget())
        self.leases, self.deletes = self.consumer.leases, self.consumer.deletes
        self.poller = Poller(self.consumer)
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
            task.cancel("killed")
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


async def at_once(_body: str) -> None:
    """Work that takes no time."""


def taking(seconds: float) -> Callable[[str], Awaitable[None]]:
    async def work(_body: str) -> None:
        await asyncio.sleep(seconds)

    return work
