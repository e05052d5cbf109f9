"""What the audit archive says of a message; nothing is written."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from fleet.story.moment import Ids, Moment, archived
from shared import Clients, Settings, read_settings
from workers.audit_archive.store.bucket import S3Bucket

HOUR = timedelta(hours=1)


class ArchiveSettings(Settings):
    """Where the archive is."""

    audit_bucket_name: str


async def rows(environment: Mapping[str, str], ids: Ids, *, hours: int) -> tuple[list[Moment], int]:
    """Rows of the last `hours`, and how many objects were read for them."""
    now = datetime.now(UTC)
    wanted = {(now - HOUR * back).strftime("/year=%Y/month=%m/day=%d/hour=%H/") for back in range(hours + 1)}
    found: list[Moment] = []
    name = read_settings(ArchiveSettings, environment).audit_bucket_name
    async with Clients(environment) as clients:
        bucket = S3Bucket(await clients.open("s3"), name=name)
        keys = [key for key in await bucket.keys("table=") if any(each in key for each in wanted)]
        for key in keys:
            body = await bucket.get(key)
            if body is not None:
                found += archived(gzip.decompress(body).splitlines(), ids)
    return found, len(keys)
