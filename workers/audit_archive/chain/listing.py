"""An object as a digest is going to list it."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from workers.audit_archive.chain.digest import Entry, Listed
from workers.audit_archive.rules import marker, named_at
from workers.audit_archive.store.archive import fence
from workers.audit_archive.store.bucket import Bucket, Stored
from workers.audit_archive.store.objects import Content, Summary, read_content, summary
from workers.audit_archive.store.seal import Seals

log = structlog.get_logger()

PATIENCE = timedelta(minutes=15)
"""So long after it was named an object may still come; then its name is fenced."""


async def look_at(bucket: Bucket, key: str, at: datetime, seals: Seals | None) -> Listed | None:
    """None where the object is still to come, or was not written by a worker: then its marker goes as well."""
    found, named = await bucket.read(key), named_at(key)
    if found is None:
        if named is not None and at - named < PATIENCE:
            return None
        await fence(bucket, key)
        found = await bucket.read(key)
    listed = await _read(key, found, seals)
    if listed is None:  # what one answer lacks, the object may have: asked once more before it is left out for good
        listed = await _read(key, await bucket.read(key), seals)
    if listed is None:
        log.error("audit_object_foreign", object=key)
        await bucket.delete([marker(key)])  # no digest will list it, and without a marker verification names it
    return listed


async def _read(key: str, found: Stored | None, seals: Seals | None) -> Listed | None:
    """None where this is not what a worker wrote."""
    stated = summary(found.metadata) if found else None
    content = await read_content(found.body, rows=stated.rows) if found and stated else None
    if found is None or stated is None or content is None:
        return None
    if seals is not None and content.leaves:
        await seals.know(stated.seal)
    if not _is_ours(key, stated, content, seals):
        return None
    entry = Entry(
        key=key,
        sha256=content.sha256,
        rows=stated.rows,
        bytes=len(found.body),
        oldest_event_time=stated.oldest,
        newest_event_time=stated.newest,
    )
    return Listed(entry, content.leaves)


def _is_ours(key: str, stated: Summary, content: Content, seals: Seals | None) -> bool:
    """True where the content is what was stated and a worker sealed it. A fence needs no seal: it holds no rows."""
    if content.sha256 != stated.sha256:
        return False
    return seals is None or not content.leaves or seals.fits(stated.seal, key, content.sha256)
