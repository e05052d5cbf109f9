"""A ledger and a write-once bucket in memory, and a clock; what reaches them may be slowed, lost or cut by a test."""

import gzip
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

import orjson

from shared.message.envelope import Image, StreamRecord
from workers.audit_archive.event import Span
from workers.audit_archive.hiding import Told
from workers.audit_archive.redaction.keys import HashKey
from workers.audit_archive.redaction.personal import Names
from workers.audit_archive.redaction.redact import Redactor
from workers.audit_archive.rules import Hide, Row, audit_row
from workers.audit_archive.store.archive import Archive
from workers.audit_archive.store.bucket import Found, Stored
from workers.audit_archive.store.claims import Item, PagedClaims
from workers.audit_archive.store.objects import summary
from workers.audit_archive.store.seal import Seals

Result = TypeVar("Result")

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
KEY = HashKey("k1", b"0123456789abcdef0123456789abcdef")
REDACTOR = Redactor(KEY, Names())
SEALS = Seals([KEY])


def hide_with(redactor: Redactor) -> Hide:
    """Without any subject."""

    def hide(images: Sequence[Image | None], table: str, *, told: Sequence[Any] = ()) -> tuple[list[Image | None], int]:
        done = [None if image is None else redactor.image(image, table) for image in images]
        return [each and each[0] for each in done], sum(each[1] for each in done if each)

    return hide


HIDE = hide_with(REDACTOR)


async def hiding(rows: Sequence[Told]) -> Hide:
    """Every row is hidden with the one key."""
    return HIDE


class Wire(Protocol):
    """The way of one call to a store and back: decides whether and when `effect` happens, and what its caller hears.

    `call` is the method's name, `key` what it is about.
    """

    def __call__(self, call: str, key: str, effect: Callable[[], Result]) -> Awaitable[Result]: ...


async def at_once(call: str, key: str, effect: Callable[[], Result]) -> Result:
    return effect()


@dataclass
class Clock:
    at: datetime = NOON

    def __call__(self) -> datetime:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@dataclass
class FakeItems:
    """The ledger's items of claims; one is full with three. `over(wire)` is the same ledger, seen over another wire."""

    held: dict[str, tuple[dict[str, bytes], str]] = field(default_factory=dict)
    wire: Wire = at_once
    full: int = 3

    def over(self, wire: Wire) -> "FakeItems":
        return replace(self, wire=wire)

    async def add(self, place: str, entries: Mapping[str, bytes], *, folder: str, expires: int) -> Item | None:
        return await self.wire("add", place, lambda: self._add(place, entries, folder))

    async def swap(
        self, place: str, entries: Mapping[str, bytes], formers: Mapping[str, bytes], *, folder: str, expires: int
    ) -> Item | None:
        return await self.wire("swap", place, lambda: self._swap(place, entries, formers, folder))

    def _add(self, place: str, entries: Mapping[str, bytes], folder: str) -> Item | None:
        item = self._item(place)
        if item.is_full or entries.keys() & item.entries.keys():
            return item
        self.held[place] = ({**item.entries, **entries}, folder)
        return None

    def _swap(self, place: str, entries: Mapping[str, bytes], formers: Mapping[str, bytes], folder: str) -> Item | None:
        item = self._item(place)
        if any(item.entries.get(name) != former for name, former in formers.items()):
            return item
        self.held[place] = ({**item.entries, **entries}, folder)
        return None

    def _item(self, place: str) -> Item:
        entries, folder = self.held.get(place, ({}, ""))
        return Item(entries, folder, len(entries) >= self.full)


@dataclass
class FakeBucket:
    """An S3 bucket with `If-None-Match: *`; `over(wire)` is the same bucket, seen over another wire."""

    objects: dict[str, tuple[bytes, Mapping[str, str]]] = field(default_factory=dict)
    wire: Wire = at_once

    def over(self, wire: Wire) -> "FakeBucket":
        return replace(self, wire=wire)

    async def put_new(self, key: str, body: bytes, metadata: Mapping[str, str]) -> bool:
        return await self.wire("put_new", key, lambda: self._put_new(key, body, metadata))

    async def put_marker(self, key: str) -> None:
        await self.wire("put_marker", key, lambda: self.objects.__setitem__(key, (b"", {})))

    async def head(self, key: str) -> Found | None:
        return await self.wire("head", key, lambda: self._head(key))

    async def read(self, key: str) -> Stored | None:
        return await self.wire("get", key, lambda: Stored(*self.objects[key]) if key in self.objects else None)

    async def get(self, key: str) -> bytes | None:
        return await self.wire("get", key, lambda: self.objects[key][0] if key in self.objects else None)

    async def keys(self, prefix: str, *, after: str = "") -> list[str]:
        return await self.wire(
            "keys", prefix, lambda: sorted(key for key in self.objects if key.startswith(prefix) and key > after)
        )

    async def delete(self, keys: Sequence[str]) -> None:
        await self.wire("delete", "", lambda: [self.objects.pop(key, None) for key in keys])

    def _put_new(self, key: str, body: bytes, metadata: Mapping[str, str]) -> bool:
        if key in self.objects:
            return False
        self.objects[key] = (body, metadata)
        return True

    def _head(self, key: str) -> Found | None:
        if key not in self.objects:
            return None
        body, metadata = self.objects[key]
        return Found(len(body), metadata)


@dataclass
class World:
    """One ledger, one bucket, one clock, and as many workers as a test wants."""

    items: FakeItems = field(default_factory=FakeItems)
    bucket: FakeBucket = field(default_factory=FakeBucket)
    clock: Clock = field(default_factory=Clock)
    tokens: "itertools.count[int]" = field(default_factory=itertools.count)

    def worker(self, wire: Wire = at_once) -> Archive:
        return Archive(
            claims=self.claims(wire), bucket=self.bucket.over(wire), now=self.clock, token=self.token, seals=SEALS
        )

    def claims(self, wire: Wire = at_once) -> PagedClaims:
        """Two events a call."""
        return PagedClaims(self.items.over(wire), at_once=2)

    def token(self) -> str:
        return f"{next(self.tokens):016x}"

    def archived(self) -> list[str]:
        """The event ids in the archive, as often as they are there."""
        return [line["event_id"] for line in self.lines()]

    def lines(self) -> list[dict[str, Any]]:
        return [orjson.loads(line) for key in self.data_objects() for line in contents(self.bucket, key).splitlines()]

    def data_objects(self) -> list[str]:
        """The objects that hold rows, without the fences."""
        return [
            key for key in self.table_objects() if not (said := summary(self.bucket.objects[key][1])) or not said.fence
        ]

    def table_objects(self) -> list[str]:
        return sorted(key for key in self.bucket.objects if key.startswith("table="))

    def pending(self) -> list[str]:
        return sorted(key for key in self.bucket.objects if key.startswith("pending/"))

    def digests(self) -> list[dict[str, Any]]:
        return [orjson.loads(self.bucket.objects[key][0]) for key in sorted(self.bucket.objects) if "digests/" in key]

    def listed(self) -> list[str]:
        """The objects that digests name, as often as they do."""
        return sorted(entry["key"] for digest in self.digests() for entry in digest["objects"])


def contents(bucket: FakeBucket, key: str) -> bytes:
    return gzip.decompress(bucket.objects[key][0])


def record(event_id: str = "e1", name: str = "INSERT", **fields: Any) -> StreamRecord:
    """A stream record with what a test does not care about filled in."""
    image = {"sessionId": {"S": "s-1"}, "status": {"S": "UPLOADED"}}
    plain: dict[str, Any] = {
        "account": "111122223333",
        "region": "eu-central-1",
        "event_id": event_id,
        "event_name": name,
        "table": "fleet-sessions-dev",
        "keys": {"sessionId": {"S": "s-1"}},
        "old": None if name == "INSERT" else image,
        "new": None if name == "REMOVE" else image,
        "sequence_number": "100000000000000000001",
        "created_at": NOON,
    }
    return StreamRecord.model_validate(plain | fields)


def event_of(identity: str) -> str:
    """The event id in an identity of `record`."""
    return identity.rpartition("#")[2]


def row(event_id: str = "e1", name: str = "INSERT", **fields: Any) -> Row:
    return audit_row(record(event_id, name, **fields), hide=HIDE)


@dataclass
class FakeStream:
    """Pages of records that the stream still has; `failure` comes behind them."""

    pages: Sequence[Sequence[Mapping[str, Any]]] = ()
    failure: Exception | None = None

    async def read(self, span: Span) -> AsyncIterator[Sequence[Mapping[str, Any]]]:
        for page in self.pages:
            yield page
        if self.failure is not None:
            raise self.failure


NO_STREAM = FakeStream(failure=AssertionError("nothing pointed to a stream"))
