"""Hand-written stand-ins for the handler's ports; FakeStore sits the same contract tests as the real table."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from shared.bus import BusEntry
from workers.webhook_delivery.event import DeliveryJob, Published
from workers.webhook_delivery.life import Change, gone
from workers.webhook_delivery.rules import (
    Again,
    Attempt,
    Claim,
    Claimed,
    Delivered,
    Endpoint,
    Exhausted,
    Failed,
    Gone,
    Held,
    Page,
    Reply,
    Result,
    Reused,
    Subscription,
    recorded,
)

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLD_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
PRIVATE_KEY = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
PUBLIC_KEY = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="


def endpoint(endpoint_id: str = "endpoint-1", **fields: Any) -> Endpoint:
    plain = Endpoint(
        "tenant-1", endpoint_id, url="https://customer.example/hook?token=t0ken", secrets=(SECRET,), enabled=True
    )
    return replace(plain, **fields)


def job(attempt: int = 1, endpoint_id: str = "endpoint-1", **fields: Any) -> DeliveryJob:
    plain = DeliveryJob(
        eventId="msg_1",
        eventType="upload.completed",
        tenantId="tenant-1",
        endpointId=endpoint_id,
        attempt=attempt,
        payload='{"type":"upload.completed","timestamp":"2026-11-21T12:00:00Z","data":{"é":"☃",  "a":1}}',
        firstAttemptAt=NOON,
        notBefore=NOON,
    )
    return plain.model_copy(update=fields)


class Clock:
    """A wall clock that moves when told."""

    def __init__(self, at: datetime = NOON) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def move(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@dataclass(frozen=True)
class Delivery:
    """The delivery row as the table shows it."""

    status: str
    attempts: int
    last_status: int


Key = tuple[str, str]
Place = tuple[str, str, str]
"""Tenant, event and endpoint of a delivery."""


class FakeStore:
    """The webhooks table in memory: same conditions, same all-or-nothing writes."""

    def __init__(self, *, page: int = 500) -> None:
        self.page = page
        self.endpoints: dict[Key, Endpoint] = {}
        self.event_types: dict[Key, tuple[str, ...]] = {}
        self.attempts: dict[tuple[Place, int], Attempt] = {}
        self.fingerprints: dict[tuple[Place, int], str] = {}
        self.written: dict[tuple[Place, int], tuple[Claimed, Result]] = {}
        self.deliveries: dict[Place, Delivery] = {}
        self.announced: dict[Key, tuple[str, float]] = {}
        self.records: list[tuple[int, int, str | None]] = []
        self.kept: list[str] = []

    def add(self, new: Endpoint, *event_types: str) -> None:
        self.endpoints[new.tenant_id, new.endpoint_id] = new
        self.event_types[new.tenant_id, new.endpoint_id] = event_types or ("*",)

    async def subscriptions(self, tenant_id: str, after: str = "") -> Page:
        found = [
            Subscription(endpoint_id, self.event_types[tenant, endpoint_id], enabled=each.enabled, fault=each.fault)
            for (tenant, endpoint_id), each in sorted(self.endpoints.items())
            if tenant == tenant_id and f"ENDPOINT#{endpoint_id}" > after
        ]
        more = len(found) > self.page
        return Page(tuple(found[: self.page]), f"ENDPOINT#{found[self.page - 1].endpoint_id}" if more else "")

    async def keep(self, event: Published) -> None:
        self.kept.append(event.payload)

    async def endpoint(self, tenant_id: str, endpoint_id: str) -> Endpoint | None:
        return self.endpoints.get((tenant_id, endpoint_id))

    async def attempt(self, job: DeliveryJob) -> Attempt | None:
        return self.attempts.get(_attempt(job))

    async def claim(
        self, job: DeliveryJob, *, now: datetime, lease: float, take_over: bool = True, reserved: bool = False
    ) -> Claim:
        found = self.attempts.get(_attempt(job))
        if self.fingerprints.setdefault(_attempt(job), job.identified()) != job.identified():
            return Reused()
        least, most = (0 if reserved or job.resent else 1), (now.timestamp() if take_over else 0)
        if found is None or (isinstance(found, Held) and least <= found.until <= most):
            until = math.ceil(now.timestamp() + lease)
            self.attempts[_attempt(job)] = Held(until=until)
            return Claimed(until=until)
        return found

    async def is_overtaken(self, job: DeliveryJob) -> bool:
        return any(
            place == _place(job) and number > job.attempt and found != Held(until=0)
            for (place, number), found in self.attempts.items()
        )

    async def record(self, job: DeliveryJob, claimed: Claimed, result: Result, *, endpoint: Endpoint) -> bool:
        reply, verdict = result.reply, result.verdict
        found = self.attempts.get(_attempt(job))
        if self.written.get(_attempt(job)) == (claimed, result) and not (isinstance(found, Failed) and found.settled):
            return True
        if found != Held(until=claimed.until):
            return False
        self.attempts[_attempt(job)] = recorded(verdict, reply, made_by=job.nonce)
        self.written[_attempt(job)] = (claimed, result)
        self.records.append((job.attempt, reply.status, reply.error))
        status = {Delivered: "DELIVERED", Again: "PENDING", Exhausted: "EXHAUSTED", Gone: "CANCELLED"}[type(verdict)]
        self.deliveries[_place(job)] = Delivery(status, job.attempt, reply.status)
        key = (endpoint.tenant_id, endpoint.endpoint_id)
        current = self.endpoints.get(key)
        if isinstance(verdict, Gone) and current is not None and current.enabled and current.url == endpoint.url:
            owed = gone(tenant_id=key[0], endpoint_id=key[1], event_id=job.event_id)
            life = replace(current.life, owed=(*current.life.owed, owed))
            self.endpoints[key] = replace(current, enabled=False, life=life)
        return True

    async def live(self, endpoint: Endpoint, change: Change) -> bool:
        key = (endpoint.tenant_id, endpoint.endpoint_id)
        current = self.endpoints.get(key)
        if current is None or replace(current.life, failed_at=None) != replace(change.before, failed_at=None):
            return False
        self.endpoints[key] = replace(current, life=change.after, enabled=current.enabled and not change.disable)
        return True

    async def forget_owed(self, endpoint: Endpoint) -> None:
        key = (endpoint.tenant_id, endpoint.endpoint_id)
        current = self.endpoints.get(key)
        if current is not None and current.life.owed == endpoint.life.owed:
            self.endpoints[key] = replace(current, life=replace(current.life, owed=()))

    async def announce(self, job: DeliveryJob, *, now: datetime, seconds: float) -> bool:
        event_id, until = self.announced.get((job.tenant_id, job.endpoint_id), ("", 0.0))
        if event_id != job.event_id and now.timestamp() < until:
            return False
        self.announced[job.tenant_id, job.endpoint_id] = (job.event_id, now.timestamp() + seconds)
        return True

    async def settle(self, job: DeliveryJob) -> None:
        found = self.attempts.get(_attempt(job))
        if isinstance(found, Failed):
            self.attempts[_attempt(job)] = replace(found, settled=True)

    async def cancel(self, job: DeliveryJob, *, now: datetime) -> bool:
        found = self.deliveries.get(_place(job), Delivery("PENDING", job.attempt - 1, 0))
        if found.status != "PENDING":
            return False
        self.deliveries[_place(job)] = replace(found, status="CANCELLED")
        return True

    def delivery(self, job: DeliveryJob) -> Delivery | None:
        return self.deliveries.get(_place(job))


@dataclass(frozen=True)
class Posted:
    """One POST as the endpoint saw it, and when."""

    at: datetime
    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class FakePost:
    """Endpoints that answer with the next of `replies` and stay with the last; a POST takes `seconds`."""

    clock: Clock
    replies: Sequence[Reply] = (Reply(200),)
    seconds: float = 0.0
    during: Callable[[], None] = lambda: None
    posted: list[Posted] = field(default_factory=list)

    async def __call__(self, url: str, *, headers: Mapping[str, str], body: bytes) -> Reply:
        self.posted.append(Posted(self.clock(), url, dict(headers), body))
        self.during()
        self.clock.move(self.seconds)
        return self.replies[min(len(self.posted), len(self.replies)) - 1]


@dataclass
class FakeBus:
    """Keeps the events that were put."""

    entries: list[BusEntry] = field(default_factory=list)

    @property
    def events(self) -> list[tuple[str, dict[str, Any]]]:
        return [(entry.detail_type, orjson.loads(entry.detail)) for entry in self.entries]

    async def __call__(self, entry: BusEntry) -> None:
        self.entries.append(entry)


def _place(job: DeliveryJob) -> Place:
    return job.tenant_id, job.event_id, job.endpoint_id


def _attempt(job: DeliveryJob) -> tuple[Place, int]:
    return _place(job), job.attempt
