"""The audit bucket: objects that are written once, and small markers that come and go."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tenacity import retry, retry_if_exception, stop_after_attempt, wait_random_exponential

from workers.audit_archive.source import InColdStorage

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client


@dataclass(frozen=True, slots=True)
class Found:
    """What a look at an object tells: its size in bytes as stored, and its metadata."""

    size: int
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as it is stored, with its metadata."""

    body: bytes
    metadata: Mapping[str, str]


class Bucket(Protocol):
    """Each call is atomic and strongly consistent; whatever it raises leaves its effect unknown."""

    async def put_new(self, key: str, body: bytes, metadata: Mapping[str, str]) -> bool:
        """Write an object where there is none (`If-None-Match: *`); False where there is one."""
        ...

    async def put_marker(self, key: str) -> None: ...
    async def head(self, key: str) -> Found | None: ...
    async def read(self, key: str) -> Stored | None: ...
    async def get(self, key: str) -> bytes | None: ...

    async def keys(self, prefix: str, *, after: str = "") -> list[str]:
        """Every key with this prefix that sorts behind `after`, sorted."""
        ...

    async def delete(self, keys: Sequence[str]) -> None: ...


LARGEST = 128 * 1024 * 1024
"""Bytes of an object that a worker reads: more than it ever writes, and what somebody else put there must not take its memory."""

_MISSING = {"404", "NoSuchKey", "NotFound"}
_DELETES_AT_ONCE = 1000


class TooLarge(Exception):
    """The object has more bytes than any that a worker writes."""


def _code(error: BaseException) -> str:
    """The error code of a botocore ClientError; "" for anything else."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, Mapping) else ""


def _checksum(body: bytes) -> str:
    """Given with the body, so that S3 refuses what arrives otherwise and no client has to hash it again."""
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


_again_on_conflict = retry(
    # S3 answers 409 when a conditional write meets another write of the same key that is still under way.
    retry=retry_if_exception(lambda error: _code(error) == "ConditionalRequestConflict"),
    stop=stop_after_attempt(5),
    wait=wait_random_exponential(multiplier=0.05, max=1.0),
    reraise=True,
)


class S3Bucket:
    """The bucket on S3. Its role needs s3:ListBucket: without it S3 answers 403 for what is missing, and not 404.

    An object of more than `largest` bytes is not read, but raises TooLarge.
    """

    def __init__(self, client: S3Client, *, name: str, largest: int | None = None) -> None:
        self._client = client
        self._name = name
        self._largest = largest

    @_again_on_conflict
    async def put_new(self, key: str, body: bytes, metadata: Mapping[str, str]) -> bool:
        try:
            await self._client.put_object(
                Bucket=self._name,
                Key=key,
                Body=body,
                ContentType="application/gzip" if key.endswith(".gz") else "application/json",
                Metadata=metadata,
                IfNoneMatch="*",
                ChecksumSHA256=await asyncio.to_thread(_checksum, body),
            )
        except self._client.exceptions.ClientError as error:
            if _code(error) in {"PreconditionFailed", "412"}:
                return False
            raise
        return True

    async def put_marker(self, key: str) -> None:
        await self._client.put_object(Bucket=self._name, Key=key, Body=b"", ChecksumSHA256=_checksum(b""))

    async def head(self, key: str) -> Found | None:
        try:
            answer = await self._client.head_object(Bucket=self._name, Key=key)
        except self._client.exceptions.ClientError as error:
            if _code(error) in _MISSING:
                return None
            raise
        return Found(answer["ContentLength"], answer["Metadata"])

    async def get(self, key: str) -> bytes | None:
        found = await self.read(key)
        return None if found is None else found.body

    async def read(self, key: str) -> Stored | None:
        try:
            answer = await self._client.get_object(Bucket=self._name, Key=key)
        except self._client.exceptions.ClientError as error:
            if _code(error) in _MISSING:
                return None
            if _code(error) == "InvalidObjectState":
                raise InColdStorage(key) from error
            raise
        async with answer["Body"] as body:
            if self._largest is not None and answer["ContentLength"] > self._largest:
                body.close()
                raise TooLarge(key)
            return Stored(await body.read(), answer["Metadata"])

    async def keys(self, prefix: str, *, after: str = "") -> list[str]:
        found: list[str] = []
        pages = self._client.get_paginator("list_objects_v2")
        async for page in pages.paginate(Bucket=self._name, Prefix=prefix, StartAfter=after):
            found += [entry["Key"] for entry in page.get("Contents", [])]
        return found

    async def delete(self, keys: Sequence[str]) -> None:
        for first in range(0, len(keys), _DELETES_AT_ONCE):
            some = keys[first : first + _DELETES_AT_ONCE]
            answer = await self._client.delete_objects(
                Bucket=self._name, Delete={"Objects": [{"Key": key} for key in some], "Quiet": True}
            )
            if failed := answer.get("Errors"):
                raise OSError(f"{len(failed)} of {len(some)} objects were not deleted: {failed[0].get('Code')}")
