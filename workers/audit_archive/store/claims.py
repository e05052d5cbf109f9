"""Which object an event is going to: the events of a page stand in one item of the ledger table, changed only by condition."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from typing import Protocol

from workers.audit_archive.rules import named_at, object_key, token_of
from workers.audit_archive.store.full import FullItems

LEASE = 60.0
"""Seconds a claim asks for peace: longer than a batch may take, so that only the dead are fenced."""

KEPT_SECONDS = 45 * 86_400
"""How long a claim is remembered: longer than the queue (7 days), the dead-letter queue (14), the queue again after a
replay (7) and the dead-letter queue once more (14) can keep a message together."""

AT_ONCE = 100
"""Events that are claimed in one call: DynamoDB takes 4 KB of condition, of which each needs 30 bytes."""

FULL = 250
"""Events after which an item takes no further one, and the page goes on in the next: each write of an item costs a unit per KB of it."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The event is written into `object` and nowhere else; its owner asks for peace until `until` (epoch seconds).

    `content` are six bytes that remember the event's content (see seal.py); `place` is the key of the item where the claim stands.
    """

    object: str
    until: float
    content: bytes = bytes(6)
    place: str = ""


class Claims(Protocol):
    """Whatever a call raises leaves the effect on all that it is about unknown."""

    async def put(self, wanted: Mapping[str, Claim], *, page: str) -> Mapping[str, Claim]:
        """Claim, of the events of one page, those that have no claim. What stands there now, for each identity."""
        ...

    async def replace(
        self, wanted: Mapping[str, Claim], *, instead_of: Mapping[str, Claim], place: str
    ) -> Mapping[str, Claim]:
        """Take events over whose claims still stand as read, all at one place. What stands there now, for each identity."""
        ...


@dataclass(frozen=True, slots=True)
class Item:
    """What is at a place: an entry for each event under its short name, all in one folder of the archive."""

    entries: Mapping[str, bytes]
    folder: str
    is_full: bool


class Items(Protocol):
    """Each call is one atomic, strongly consistent operation."""

    async def add(self, place: str, entries: Mapping[str, bytes], *, folder: str, expires: int) -> Item | None:
        """Write entries where none of them is there and the item is not full, and answer None; else the item as it stands."""
        ...

    async def swap(
        self, place: str, entries: Mapping[str, bytes], formers: Mapping[str, bytes], *, folder: str, expires: int
    ) -> Item | None:
        """Write entries where each former one stands, and answer None; else the item as it stands."""
        ...


class PagedClaims:
    """Claims by page. A page is a chain of items: one that is full gains no entry any more, so what is not in it can only be behind
    it, and no event finds a place in two of them. Lists of events go in parts of `at_once`.
    """

    def __init__(self, items: Items, *, at_once: int = AT_ONCE) -> None:
        self._items = items
        self._at_once = at_once
        self._full = FullItems()

    async def put(self, wanted: Mapping[str, Claim], *, page: str) -> Mapping[str, Claim]:
        numbers: dict[int, dict[str, Claim]] = {}
        for name, claim in wanted.items():
            numbers.setdefault(self._full.first(page, _short(name)), {})[name] = claim
        standing: dict[str, Claim] = {}
        for number, some in numbers.items():
            standing |= await self._put(some, page, number)
        return standing

    async def _put(self, wanted: Mapping[str, Claim], page: str, number: int) -> Mapping[str, Claim]:
        """From the item of this number on."""
        left, standing = {**wanted}, dict[str, Claim]()
        while left:
            place = f"audit-page#{page}#{number}"
            part = dict(islice(left.items(), self._at_once))
            item = await self._items.add(place, _entries(part), folder=_folder(part), expires=_expiry(part))
            found = (
                _found(item, left, place) if item else {name: replace(each, place=place) for name, each in part.items()}
            )
            standing |= found
            left = {name: each for name, each in left.items() if name not in found}
            if item and item.is_full:
                self._full.learn(page, number, item.entries)
                number += 1
            elif not found:
                raise LookupError("claims were refused, and nothing stands in their way")
        return standing

    async def replace(
        self, wanted: Mapping[str, Claim], *, instead_of: Mapping[str, Claim], place: str
    ) -> Mapping[str, Claim]:
        left, standing = {**wanted}, dict[str, Claim]()
        while left:
            part = dict(islice(left.items(), self._at_once))
            formers = _entries({name: instead_of[name] for name in part})
            item = await self._items.swap(place, _entries(part), formers, folder=_folder(part), expires=_expiry(part))
            if item is None:
                found = {name: replace(each, place=place) for name, each in part.items()}
            else:
                stand = _found(item, part, place)
                found = {name: each for name, each in stand.items() if each.object != instead_of[name].object}
            if not found:
                raise LookupError("claims could have been taken over and were not")
            standing |= found
            left = {name: each for name, each in left.items() if name not in found}
        return standing


def _found(item: Item, wanted: Mapping[str, Claim], place: str) -> dict[str, Claim]:
    short = {name: _short(name) for name in wanted}
    return {
        name: _claim(item.entries[short[name]], item.folder, place) for name in wanted if short[name] in item.entries
    }


def _entries(claims: Mapping[str, Claim]) -> dict[str, bytes]:
    """Twelve letters and twenty bytes for each event: when its object was named, that name's token, and what is remembered of its content."""
    return {_short(name): _entry(claim) for name, claim in claims.items()}


@lru_cache(maxsize=4096)
def _short(identity: str) -> str:
    """Of the events of one page, of which there are some thousand, no two have the same in any likely time."""
    return base64.urlsafe_b64encode(hashlib.sha256(identity.encode()).digest()[:9]).decode()


def _entry(claim: Claim) -> bytes:
    return _milliseconds(claim.object).to_bytes(6, "big") + bytes.fromhex(token_of(claim.object)) + claim.content


@lru_cache(maxsize=64)
def _milliseconds(key: str) -> int:
    """When an object was named; all claims of a batch name a few."""
    at = named_at(key)
    if at is None:
        raise ValueError("an object's name that is none of ours")
    return round(at.timestamp() * 1000)


def _claim(entry: bytes, folder: str, place: str) -> Claim:
    at = datetime.fromtimestamp(int.from_bytes(entry[:6], "big") / 1000, UTC)
    key = object_key(folder, at=at, token=entry[6:14].hex())
    return Claim(key, at.timestamp() + LEASE, entry[14:], place)


def _folder(claims: Mapping[str, Claim]) -> str:
    return next(iter(claims.values())).object.rpartition("/")[0]


def _expiry(claims: Mapping[str, Claim]) -> int:
    return int(max(claim.until for claim in claims.values())) + KEPT_SECONDS
