"""A dead-letter queue, its source queue and an idempotent consumer in memory, and a process that can die at any call."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from fleet.dead_letters.model.letter import DeadLetter, sha256
from fleet.dead_letters.model.plan.outgoing import Parcel
from fleet.dead_letters.model.plan.plan import Place, Plan, Planned
from fleet.dead_letters.replay.journal import Journal, folded
from fleet.dead_letters.replay.post import Posted
from shared.message.delivery import Attribute
from shared.message.identity import ATTRIBUTE, idempotency_key
from shared.sqs.batches import BATCH

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
DLQ = "arn:aws:sqs:us-east-1:000000000000:webhooks-dlq"
SOURCE = "arn:aws:sqs:us-east-1:000000000000:webhooks"


class Killed(BaseException):
    """The process is gone: nothing it wanted to do any more happens."""


@dataclass
class Fuse:
    """Kills the process at call `at` (0: never). Every call has two points: before its effect and after it."""

    at: int = 0
    burnt: int = 0

    def burn(self) -> None:
        self.burnt += 1
        if self.at and self.burnt >= self.at:
            raise Killed


@dataclass
class Stored:
    id: str
    body: str
    attributes: Mapping[str, Attribute]
    sent_at: float
    hidden_until: float = 0.0
    handle: str = ""
    receives: int = 0
    group: str = ""


@dataclass
class World:
    """What outlives a process: queues, effects, the journal's bytes and the clock."""

    now: float = 1_800_000_000.0
    dead: dict[str, Stored] = field(default_factory=dict)
    source: list[Parcel] = field(default_factory=list)
    effects: set[str] = field(default_factory=set)
    sends: dict[str, int] = field(default_factory=dict)
    journal: bytes = b""
    refuse: Callable[[str, str], bool] = lambda _call, _id: False
    _handles: Any = field(default_factory=itertools.count)

    def put(self, *bodies: str, attributes: Mapping[str, Attribute] | None = None) -> list[str]:
        names = [f"m-{len(self.dead) + place}" for place in range(len(bodies))]
        for name, body in zip(names, bodies, strict=True):
            self.dead[name] = Stored(name, body, attributes or {ATTRIBUTE: envelope()}, self.now)
        return names

    async def sleep(self, seconds: float) -> None:
        self.now += seconds

    def consume(self) -> None:
        """What the worker does: one effect for one key, however often and under whatever id the message comes."""
        self.effects |= {idempotency_key(parcel.body, parcel.attributes) for parcel in self.source}
        self.source.clear()

    def plan(self, destination: str = SOURCE, **options: Any) -> Plan:
        letters = tuple(
            Planned(
                each.id,
                sha256(each.body),
                idempotency_key(each.body, each.attributes),
                "sqs",
                destination,
                self.now + 86_400,
            )
            for each in self.dead.values()
        )
        place = Place("webhooks-dlq", DLQ, "http://127.0.0.1:1")
        return Plan("plan-1", self.now, "somebody", place, letters, **options)

    def reopened(self, fuse: Fuse) -> Journal:
        def write(line: bytes) -> None:
            fuse.burn()
            if fuse.at and fuse.burnt + 1 >= fuse.at:
                self.journal += line[: len(line) // 2]  # the kill cuts the line
            fuse.burn()
            self.journal += line

        if self.journal:
            self.journal += b'{"run":2}\n' if self.journal.endswith(b"\n") else b'\n{"run":2}\n'
        return Journal(write, now=lambda: self.now, progress=folded(self.journal))


@dataclass
class FakeBox:
    """A standard queue: visibility, receipt handles that go stale, entries that may be refused."""

    world: World
    fuse: Fuse = field(default_factory=Fuse)
    received: int = 0

    async def receive(self, *, visibility: int, wait: int) -> list[DeadLetter]:
        self.fuse.burn()
        self.world.now += 0.001
        seen = [each for each in self.world.dead.values() if each.hidden_until <= self.world.now][:BATCH]
        for each in seen:
            each.handle = f"h-{next(self.world._handles)}"
            each.hidden_until = self.world.now + visibility
            each.receives += 1
        self.received += len(seen)
        self.fuse.burn()
        return [
            DeadLetter(
                each.id,
                each.body,
                each.attributes,
                each.sent_at,
                each.receives,
                group=each.group,
                receipt_handle=each.handle,
            )
            for each in seen
        ]

    async def show(self, letters: Sequence[DeadLetter], *, after: int = 0) -> set[str]:
        assert letters, "SQS answers an empty batch with an error"
        self.fuse.burn()
        refused = {each.id for each in letters if not self._is_stale(each) and self.world.refuse("show", each.id)}
        for each in letters:
            if each.id not in refused and not self._is_stale(each):
                self.world.dead[each.id].hidden_until = self.world.now + after
        self.fuse.burn()
        return refused

    async def delete(self, letters: Sequence[DeadLetter]) -> set[str]:
        assert letters, "SQS answers an empty batch with an error"
        self.fuse.burn()
        refused = {each.id for each in letters if self._is_stale(each) or self.world.refuse("delete", each.id)}
        for each in letters:
            if each.id not in refused:
                del self.world.dead[each.id]
        self.fuse.burn()
        return refused

    async def count(self) -> tuple[int, int]:
        self.fuse.burn()
        visible = sum(each.hidden_until <= self.world.now for each in self.world.dead.values())
        return visible, len(self.world.dead) - visible

    def _is_stale(self, letter: DeadLetter) -> bool:
        stored = self.world.dead.get(letter.id)
        return stored is None or stored.handle != letter.receipt_handle or stored.hidden_until <= self.world.now


@dataclass
class FakePost:
    world: World
    fuse: Fuse = field(default_factory=Fuse)
    times: list[float] = field(default_factory=list)

    async def __call__(self, destination: str, parcels: Sequence[Parcel]) -> Posted:
        assert 1 <= len(parcels) <= BATCH
        self.fuse.burn()
        failed = {place: "InternalError" for place, each in enumerate(parcels) if self.world.refuse("send", each.id)}
        for place, each in enumerate(parcels):
            if place not in failed:
                self.world.source.append(each)
                self.world.sends[each.id] = self.world.sends.get(each.id, 0) + 1
                self.times.append(self.world.now)
        self.fuse.burn()
        return Posted(failed)


def envelope(error_type: str = "ConnectTimeout", worker: str = "webhook-delivery", **fields: object) -> Attribute:
    """A failure envelope as the fleet writes it."""
    result = {
        "version": 1,
        "worker": worker,
        "source_queue": "webhooks",
        "error_type": error_type,
        "message": "the endpoint did not answer",
        "fingerprint": sha256(f"{worker}|{error_type}")[:16],
        "stack": ["workers.sample:handle:1"],
        "attempts": 3,
        "first_failure": "2026-11-20T08:59:00+00:00",
        "last_failure": "2026-11-20T09:00:00+00:00",
        "original_message_id": "original",
        "trace_id": "",
        **fields,
    }
    return Attribute("String", orjson.dumps(result).decode())


def letter(body: str = "{}", **fields: Any) -> DeadLetter:
    attributes = {
        name: Attribute("String", value) if isinstance(value, str) else value
        for name, value in fields.pop("attributes", {}).items()
    }
    return DeadLetter(**{"id": "m-1", "body": body, "attributes": attributes, "sent_at": 1_800_000_000.0, **fields})
