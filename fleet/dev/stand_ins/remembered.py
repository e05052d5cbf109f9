"""What a stand-in remembers of what it was sent: the newest records, within a number of them and of bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    import aiohttp

Record = TypeVar("Record")

LARGEST_BODY = 2 * 1024 * 1024
"""Bytes of one request to any stand-in: twice what a message of SQS may have."""

OWN_SIZE = 1024
"""Bytes that a record costs beside its text."""


@dataclass(slots=True)
class Remembered(Generic[Record]):
    """The newest records. Text is kept as it came, for an object made of it may take fifty times as much."""

    most: int = 10_000
    most_bytes: int = 32 * 1024 * 1024
    _records: deque[tuple[Record, int]] = field(default_factory=deque)
    _bytes: int = 0

    def add(self, record: Record, size: int) -> None:
        """Remember it, and forget the oldest where it is too much. `size` in bytes of its text."""
        self._records.append((record, size + OWN_SIZE))
        self._bytes += size + OWN_SIZE
        while len(self._records) > self.most or self._bytes > self.most_bytes:
            _, freed = self._records.popleft()
            self._bytes -= freed

    def __iter__(self) -> Iterator[Record]:
        return (record for record, _ in self._records)

    def __len__(self) -> int:
        return len(self._records)


async def received(http: aiohttp.ClientSession, url: str) -> list[Mapping[str, Any]]:
    """What the stand-in at this address tells of itself, the oldest first."""
    async with http.get(f"{url}/received") as answer:
        found: list[Mapping[str, Any]] = (await answer.json())["received"]
        return found
