"""Where an archive is searched and compacted: the bucket, or a folder with a copy of it."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from workers.audit_archive.source import Source
from workers.audit_archive.store.bucket import S3Bucket

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client


class Place(Source, Protocol):
    """Keys are those of the bucket, whatever the place. `root` is the folder where they are files; None for a bucket."""

    root: Path | None

    async def folders(self, prefix: str) -> list[str]:
        """Every name up to the next slash behind the prefix, with it: `table=a/`. Sorted."""
        ...

    async def put_new(self, key: str, body: bytes, metadata: Mapping[str, str]) -> bool:
        """Write an object where there is none, whole or not at all; False where there is one."""
        ...


class InFolder:
    """A copy of the bucket below `root`. It is read at once, without threads: to start those costs more than a disk does."""

    def __init__(self, root: Path) -> None:
        self.root: Path | None = root.resolve()
        self._root = self.root

    async def keys(self, prefix: str) -> list[str]:
        return self._keys(prefix)

    async def folders(self, prefix: str) -> list[str]:
        folder, _, name = prefix.rpartition("/")
        found = (self._root / folder).glob(f"{name}*/") if (self._root / folder).is_dir() else ()
        return sorted(f"{path.relative_to(self._root).as_posix()}/" for path in found if path.is_dir())

    async def get(self, key: str) -> bytes | None:
        try:
            return (self._root / key).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    async def put_new(self, key: str, body: bytes, metadata: Mapping[str, str]) -> bool:  # noqa: ARG002 - files have none
        return await asyncio.to_thread(self._put_new, self._root / key, body)

    def _keys(self, prefix: str) -> list[str]:
        """Walks the prefix's folder alone: a month of hours is some thousand files, and os.walk takes twice the time."""
        folders, found = [str(self._root / prefix.rpartition("/")[0])], list[str]()
        skipped = len(f"{self._root}/")
        while folders:
            with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folders.pop()) as entries:
                for entry in entries:
                    (folders if entry.is_dir(follow_symlinks=False) else found).append(entry.path)
        return sorted(key for each in found if (key := each[skipped:]).startswith(prefix))

    def _put_new(self, path: Path, body: bytes) -> bool:
        """Written beside, then linked: a kill leaves a hidden file that no reader takes for an object."""
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.parent / f".{path.name}.{uuid.uuid4().hex}"
        try:
            with beside.open("xb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            path.hardlink_to(beside)
        except FileExistsError:
            return False
        finally:
            beside.unlink(missing_ok=True)
        return True


class InBucket(S3Bucket):
    """The bucket itself."""

    def __init__(self, client: S3Client, *, name: str) -> None:
        super().__init__(client, name=name)
        self.root: Path | None = None

    async def folders(self, prefix: str) -> list[str]:
        found: list[str] = []
        pages = self._client.get_paginator("list_objects_v2")
        async for page in pages.paginate(Bucket=self._name, Prefix=prefix, Delimiter="/"):
            found += [each["Prefix"] for each in page.get("CommonPrefixes", [])]
        return sorted(found)
