"""What a delivery needs of the world around it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol
from uuid import uuid4

from shared import BusEntry, Send
from workers.webhook_delivery.egress.bulkhead import Bulkhead
from workers.webhook_delivery.event import DeliveryJob
from workers.webhook_delivery.life import DISABLE_AFTER, Change, Owed
from workers.webhook_delivery.rules import Attempt, Claim, Claimed, Endpoint, Reply, Result

MOST_TOLD: Final = 1_000
"""Events of endpoints' lives that are remembered as told."""


class Store(Protocol):
    """The table of endpoints, attempts and deliveries; `lease` in seconds. See store/table.py for what each promises."""

    async def endpoint(self, tenant_id: str, endpoint_id: str) -> Endpoint | None: ...
    async def attempt(self, job: DeliveryJob) -> Attempt | None: ...
    async def claim(
        self, job: DeliveryJob, *, now: datetime, lease: float, take_over: bool = True, reserved: bool = False
    ) -> Claim: ...
    async def is_overtaken(self, job: DeliveryJob) -> bool: ...
    async def record(self, job: DeliveryJob, claimed: Claimed, result: Result, *, endpoint: Endpoint) -> bool: ...
    async def announce(self, job: DeliveryJob, *, now: datetime, seconds: float) -> bool: ...
    async def settle(self, job: DeliveryJob) -> None: ...
    async def cancel(self, job: DeliveryJob, *, now: datetime) -> bool: ...
    async def live(self, endpoint: Endpoint, change: Change) -> bool: ...
    async def forget_owed(self, endpoint: Endpoint) -> None: ...


class Post(Protocol):
    """One POST. A customer's failure is a Reply; only a fault of this machine raises."""

    async def __call__(self, url: str, *, headers: Mapping[str, str], body: bytes) -> Reply: ...


@dataclass(slots=True)
class Told:
    """What this process tells, and has told, of what endpoints owe: of many deliveries that read one row at the same time, one tells it."""

    under_way: set[Owed] = field(default_factory=set)
    done: OrderedDict[Owed, None] = field(default_factory=OrderedDict)

    def note(self, told: Owed) -> None:
        self.done[told] = None
        if len(self.done) > MOST_TOLD:
            self.done.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Ports:
    """Joined in app.py. `put_event` raises where the bus did not take the event; `dice` is uniform in [0, 1);
    `disable_after` in seconds; `nonce` answers another text each time.
    """

    store: Store
    post: Post
    bulkhead: Bulkhead
    send: Send
    put_event: Callable[[BusEntry], Awaitable[object]]
    now: Callable[[], datetime]
    dice: Callable[[], float]
    disable_after: float = DISABLE_AFTER
    nonce: Callable[[], str] = field(default=lambda: uuid4().hex[:12])
    told: Told = field(default_factory=Told)
