"""One key for each subject, in a table of their own: erased there, a person's hashes in the archive lead to nobody any more.

An item is `{name, wrapped}`, or, once erased, `{name, erasedAt}`: a tombstone, which no new key replaces. Its name is an
HMAC of the subject with a key of AUDIT_HASH_KEYS, so the table names nobody; the subject's secret is an HMAC of `wrapped`
with the same key, so that neither the table nor AUDIT_HASH_KEYS alone gives it away.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from shared import Later
from workers.audit_archive.redaction.keys import HashKey
from workers.audit_archive.store.archive import each

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

CACHE_SECONDS = 60.0
"""How long a process goes on with a key that it has read: so soon an erasure is known everywhere."""

CACHED = 10_000
"""Subjects that a process remembers."""

PUTS_AT_ONCE = 16
READ_AT_ONCE = 100  # BatchGetItem takes no more
READS = 4

NAME = re.compile(r"[A-Za-z0-9_-]{1,32}:[0-9a-f]{64}")
"""How a subject is called in the table, and in the evidence of an erasure."""

_NAME = b"audit archive: name of a subject\0"
_KEY = b"audit archive: key of a subject\0"
_TAG = b"audit archive: tag of a subject\0"


@dataclass(frozen=True, slots=True)
class Held:
    """What stands at a name: a wrapped key, or when it was erased (ISO 8601)."""

    wrapped: bytes = field(default=b"", repr=False)
    erased_at: str = ""


class SubjectTable(Protocol):
    """Each call is strongly consistent."""

    async def read(self, names: Sequence[str]) -> Mapping[str, Held]: ...

    async def put_new(self, name: str, wrapped: bytes) -> bool:
        """Write a key where nothing stands; False where something does."""
        ...

    async def erase(self, name: str, at: str) -> Held | None:
        """Put a tombstone in the place of whatever stood there, and say what that was."""
        ...


@dataclass(frozen=True, slots=True)
class Known:
    """What the table knows of a subject: keys to search with, and when it was erased, or ""."""

    keys: tuple[HashKey, ...] = ()
    erased_at: str = ""


@dataclass(slots=True)
class SubjectKeys:
    """`keys` are those of AUDIT_HASH_KEYS, the first makes new subjects; `now` is the wall clock, for a frozen process has no other."""

    table: SubjectTable
    keys: Sequence[HashKey]
    now: Callable[[], datetime]
    most: int = CACHED
    _cache: dict[str, tuple[float, HashKey]] = field(default_factory=dict, repr=False)

    async def of(self, values: Collection[str]) -> dict[str, HashKey | Exception]:
        """The key of each subject, made where there is none; of an erased one, a key that nobody keeps."""
        now = self.now().timestamp()
        found: dict[str, HashKey | Exception] = {
            value: kept[1] for value in values if (kept := self._cache.get(value)) and kept[0] > now
        }
        lacking = sorted(set(values) - found.keys())
        if not lacking:
            return found
        try:
            held = await self.table.read([name for value in lacking for name in self.names(value)])
        except Exception as error:  # noqa: BLE001  # whatever it is, it is every such row's failure, and not their batch's
            return found | dict.fromkeys(lacking, error)
        made = await each(lacking, lambda value: self._key(value, held), at_once=PUTS_AT_ONCE)
        self._remember(now, {value: key for value, key in zip(lacking, made, strict=True) if isinstance(key, HashKey)})
        return found | dict(zip(lacking, made, strict=True))

    async def known(self, value: str) -> Known:
        """For a search: nothing is made."""
        names = self.names(value)
        held = await self.table.read([*names])
        erased = sorted(each.erased_at for each in held.values() if each.erased_at)
        if erased:
            return Known(erased_at=erased[0])
        return Known(tuple(_opened(names[name], each) for name, each in held.items()))

    async def standing(self, names: Collection[str]) -> tuple[int, int]:
        """How many keys stand at these names, and how many tombstones."""
        held = (await self.table.read([*names])).values()
        return sum(bool(each.wrapped) for each in held), sum(bool(each.erased_at) for each in held)

    async def erase(self, names: Collection[str]) -> int:
        """Put a tombstone at each of the names, also where no key is, but for older ones: how many keys are gone. Other
        processes know it after CACHE_SECONDS.
        """
        at = self.now().isoformat(timespec="seconds")
        kept = await self.table.read([*names])
        alive = [name for name in names if not kept.get(name, Held()).erased_at]
        return sum(bool(gone and gone.wrapped) for gone in [await self.table.erase(name, at) for name in alive])

    def names(self, value: str) -> dict[str, HashKey]:
        """Under which the subject may stand, by the key that gives the name; the current one first."""
        return {f"{key.id}:{hmac.digest(key.secret, _NAME + value.encode(), 'sha256').hex()}": key for key in self.keys}

    async def _key(self, value: str, held: Mapping[str, Held]) -> HashKey:
        names = self.names(value)
        there = [(key, held[name]) for name, key in names.items() if name in held]
        if not there:
            name, key = next(iter(names.items()))
            wrapped = secrets.token_bytes(32)
            if await self.table.put_new(name, wrapped):
                return _opened(key, Held(wrapped))
            there = [(key, one) for one in (await self.table.read([name])).values()]  # another worker was faster
            if not there:
                raise Later("a subject's key stood there and does no longer", after=1.0)
        if any(one.erased_at for _, one in there):
            return HashKey("s:erased", secrets.token_bytes(32))
        return _opened(*there[0])

    def _remember(self, now: float, found: Mapping[str, HashKey]) -> None:
        if len(self._cache) + len(found) > self.most:
            self._cache = {value: kept for value, kept in self._cache.items() if kept[0] > now}
        while self._cache and len(self._cache) + len(found) > self.most:
            del self._cache[next(iter(self._cache))]
        for value, key in found.items():
            self._cache.pop(value, None)
            self._cache[value] = (now + CACHE_SECONDS, key)


def _opened(key: HashKey, held: Held) -> HashKey:
    secret = hmac.digest(key.secret, _KEY + held.wrapped, "sha256")
    return HashKey(f"s:{hmac.digest(secret, _TAG, 'sha256')[:8].hex()}", secret)


class DynamoDbSubjects:
    """The table `subject-keys` (hash key `name`)."""

    def __init__(self, client: DynamoDBClient, *, table: str) -> None:
        self._client = client
        self._table = table

    async def read(self, names: Sequence[str]) -> Mapping[str, Held]:
        found: dict[str, Held] = {}
        for start in range(0, len(names), READ_AT_ONCE):
            found |= await self._read([{"name": {"S": name}} for name in names[start : start + READ_AT_ONCE]])
        return found

    async def put_new(self, name: str, wrapped: bytes) -> bool:
        try:
            await self._client.put_item(
                TableName=self._table,
                Item={"name": {"S": name}, "wrapped": {"B": wrapped}},
                ConditionExpression="attribute_not_exists(#name)",
                ExpressionAttributeNames={"#name": "name"},
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    async def erase(self, name: str, at: str) -> Held | None:
        before = await self._client.put_item(
            TableName=self._table, Item={"name": {"S": name}, "erasedAt": {"S": at}}, ReturnValues="ALL_OLD"
        )
        item = before.get("Attributes")
        return _held(item) if item else None

    async def _read(self, keys: list[Any]) -> dict[str, Held]:
        """One call; what DynamoDB had no time for is asked for again at once, a few times. Raises Later where that does not help."""
        found: dict[str, Held] = {}
        for _ in range(READS):
            answer: Any = await self._client.batch_get_item(
                RequestItems={self._table: {"Keys": keys, "ConsistentRead": True}}
            )
            found |= {item["name"]["S"]: _held(item) for item in answer.get("Responses", {}).get(self._table, [])}
            keys = answer.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys", [])
            if not keys:
                return found
        raise Later("the table of subjects' keys is busy", after=5.0)


def _held(item: Any) -> Held:
    """Raises ValueError where the item is neither a key nor a tombstone: no other key may be made beside it."""
    if erased := item.get("erasedAt", {}).get("S"):
        return Held(erased_at=erased)
    if wrapped := item.get("wrapped", {}).get("B"):
        return Held(bytes(wrapped))
    raise ValueError("an item of the subject keys holds neither a key nor the time of its erasure")
