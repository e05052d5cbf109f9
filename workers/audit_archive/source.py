"""Where an archive is read from: the bucket, or a copy of it on a disk."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Protocol


class InColdStorage(Exception):
    """The object is there, but must be restored from Glacier before it can be read."""


class Source(Protocol):
    """What verification needs; the bucket adapter has it too. Keys are those of the bucket, whatever the place."""

    async def keys(self, prefix: str) -> list[str]:
        """Every key with this prefix, sorted."""
        ...

    async def get(self, key: str) -> bytes | None:
        """An object's bytes, None where there is none. Raises InColdStorage."""
        ...


class Directory:
    """A copy of the bucket below a folder.

    Made while workers write, a copy can only be judged if it was made in this order: `table=`, then `pending/`, then
    `digests/`; each names what came before it. The order does not matter when nobody writes.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    async def keys(self, prefix: str) -> list[str]:
        return await asyncio.to_thread(self._keys, prefix)

    async def get(self, key: str) -> bytes | None:
        path = self._root / key
        try:
            return await asyncio.to_thread(path.read_bytes)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def _keys(self, prefix: str) -> list[str]:
        keys = (path.relative_to(self._root).as_posix() for path in self._root.rglob("*") if path.is_file())
        return sorted(key for key in keys if key.startswith(prefix))
