"""What the audit archive says of a message; nothing is written."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta

from fleet.story.moment import Ids, Moment, archived
from workers.audit_archive.store.bucket import S3Bucket

HOUR = timedelta(hours=1)


async def rows(bucket: S3Bucket, ids: Ids, *, hours: int) -> tuple[list[Moment], int]:
    """Rows of the last `hours`, and how many objects were read for them."""
    now = datetime.now(UTC)
    wanted = {(now - HOUR * back).strftime("/year=%Y/month=%m/day=%d/hour=%H/") for back in range(hours + 1)}
    found: list[Moment] = []
    keys = [key for key in await bucket.keys("table=") if any(each in key for each in wanted)]
    for key in keys:
        body = await bucket.get(key)
        if body is not None:
            found += archived(gzip.decompress(body).splitlines(), ids)
    return found, len(keys)
