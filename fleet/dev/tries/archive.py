"""The audit archive: a row is changed, and its change is found there."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import orjson

from fleet.dev.tries.ground import Tried
from shared import Clients
from workers.upload_notification.client import Opening, open_sessions


async def archive(tried: Tried) -> AsyncIterator[str]:
    """Of a session that is opened for it. Raises NoEffect."""
    async with open_sessions(tried.environment) as sessions, Clients(tried.environment) as clients:
        search = _Search(await clients.open("s3"), tried.environment["AUDIT_BUCKET_NAME"])
        await search.pass_over()
        opened = await sessions.open(Opening("try"))
        yield f"a row is written: session {opened.session_id}"
        key = await tried.until(
            lambda: search.find(lambda record: record["keys"].get("sessionId") == {"S": opened.session_id}),
            what="its record",
            worker="audit-archive",
        )
        yield f"its record is in {key}"
        yield f"find it with `fleet archive find --env-file {tried.file} --id {opened.session_id}`"


class _Search:
    """Of this hour's objects, each looked at once."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._seen: set[str] = set()
        self._since = datetime.now(UTC)

    async def pass_over(self) -> None:
        """What is there already."""
        self._seen |= {key async for key in self._keys()}

    async def find(self, is_it: Callable[[Any], bool]) -> str | None:
        """The key of a new object with such a record."""
        for key in [key async for key in self._keys() if key not in self._seen]:
            body = await (await self._s3.get_object(Bucket=self._bucket, Key=key))["Body"].read()
            self._seen.add(key)
            if any(is_it(orjson.loads(line)) for line in gzip.decompress(body).splitlines()):
                return key
        return None

    async def _keys(self) -> AsyncIterator[str]:
        async for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix="table="):
            for each in page.get("Contents", []):
                yield each["Key"]
