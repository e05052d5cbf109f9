"""A small world around the handler: queue, clock, table, endpoints and bus, where days pass in milliseconds."""

import heapq
import itertools
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from shared.outcome import Later
from shared.sqs.sender import Message
from tests.fakes import delivery
from tests.workers.webhook_delivery.fakes import Clock, FakeBus, FakePost, FakeStore
from workers.webhook_delivery.egress.bulkhead import Bulkhead
from workers.webhook_delivery.event import DeliveryJob, delivery_job
from workers.webhook_delivery.handler import deliver
from workers.webhook_delivery.ports import Ports
from workers.webhook_delivery.rules import STANDARD_WEBHOOKS, Schedule

LEASE = 35.0
VISIBILITY = 180.0
MOST_RECEIPTS = 5


class Crash(BaseException):
    """The process is gone: no `except Exception` of what it did is reached."""


@dataclass
class World:
    """`crash_after` numbers calls of ports: the process dies right after each of those; `crashes` says where it did."""

    schedule: Schedule = STANDARD_WEBHOOKS
    dice: Callable[[], float] = lambda: 0.0
    crash_after: Collection[int] = ()
    clock: Clock = field(default_factory=Clock)
    store: FakeStore = field(default_factory=FakeStore)
    bulkhead: Bulkhead = field(default_factory=lambda: Bulkhead(50))
    bus: FakeBus = field(default_factory=FakeBus)
    sent: list[Message] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    crashes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.post = FakePost(self.clock)
        self._queue: list[tuple[float, int, str, int]] = []
        self._numbers = itertools.count()
        self._nonces = map("n-{}".format, itertools.count(1))

    async def send(self, messages: Any) -> None:
        for message in messages:
            assert 0 <= message.delay <= 900, "SQS delays for 900 s at most"
            self.sent.append(message)
            self.put(message.body, delay=message.delay)

    def put(self, body: str, *, delay: float = 0.0, receipts: int = 0) -> None:
        heapq.heappush(self._queue, (self.clock().timestamp() + delay, next(self._numbers), body, receipts))

    async def deliver(self, job: DeliveryJob) -> None:
        await deliver(
            job,
            ports=Ports(
                store=_Mortal(self.store, self._after),
                post=self._mortal("post", self.post),
                bulkhead=self.bulkhead,
                send=self._mortal("send", self.send),
                put_event=self._mortal("put_event", self.bus),
                now=self.clock,
                dice=self.dice,
                nonce=lambda: next(self._nonces),
            ),
            schedule=self.schedule,
            lease=LEASE,
        )

    async def run(self) -> None:
        """Hand out messages when they are due until none is left; one that fails comes back as SQS would have it."""
        while self._queue:
            due, _, body, receipts = heapq.heappop(self._queue)
            self.clock.move(max(0.0, due - self.clock().timestamp()))
            assert receipts < MOST_RECEIPTS, "the message went to the dead-letter queue"
            try:
                await self.deliver(delivery_job(delivery(body, queue="webhook-deliveries")))
            except Later as later:
                self.put(body, delay=later.after, receipts=receipts + 1)
            except Crash:
                self.put(body, delay=VISIBILITY, receipts=receipts + 1)

    def _after(self, name: str) -> None:
        self.calls.append(name)
        if len(self.calls) in self.crash_after:
            self.crashes.append(name)
            raise Crash

    def _mortal(self, name: str, port: Callable[..., Awaitable[Any]]) -> Any:
        async def call(*arguments: Any, **named: Any) -> Any:
            answer = await port(*arguments, **named)
            self._after(name)
            return answer

        return call


class _Mortal:
    """The store, of which each call may be the process's last."""

    def __init__(self, store: FakeStore, after: Callable[[str], None]) -> None:
        self._store = store
        self._after = after

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        async def call(*arguments: Any, **named: Any) -> Any:
            answer = await method(*arguments, **named)
            self._after(name)
            return answer

        return call
