"""A batch from the audit queue: its rows are archived, and then a digest is made if one is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Protocol, assert_never

import structlog

from shared import KeyReused, StreamRecord
from workers.audit_archive.event import AuditEvent, DigestDue, RowChanged
from workers.audit_archive.rules import Row, fingerprint, identity

log = structlog.get_logger()

DIGEST_SECONDS = 20.0
"""A digest may take this long; beyond it the rows of the batch would wait for it in vain."""


class Digests(Protocol):
    """The chain of digests, as the handler sees it."""

    def is_due(self) -> bool: ...
    async def lengthen(self, *, asked: bool) -> object: ...


Keep = Callable[[Collection[Row]], Awaitable[Mapping[str, Exception | None]]]


async def handle_batch(
    events: Sequence[AuditEvent], *, row: Callable[[StreamRecord], Row], keep: Keep, digests: Digests
) -> list[Exception | None]:
    """One result for each event, in order. An event that comes twice in the batch is archived once and done twice; another
    one under the same identity is KeyReused.
    """
    records: dict[str, StreamRecord] = {}
    for event in events:
        if isinstance(event, RowChanged):
            records.setdefault(identity(event.record), event.record)
    outcomes: dict[str, Exception | None] = {}
    rows = []
    for name, record in records.items():
        try:
            rows.append(row(record))
        except Exception as error:  # noqa: BLE001  # one strange item must not take the others of its batch with it
            outcomes[name] = error
    if found := sum(each.found for each in rows):
        log.info("audit_personal_data_found", count=found)  # names to add to AUDIT_PERSONAL_FIELDS, perhaps
    if rows:
        outcomes |= await keep(rows)
    asked = any(isinstance(event, DigestDue) for event in events)
    digest_failure = await _lengthen(digests, asked=asked) if asked or digests.is_due() else None
    return [_result(event, records, outcomes, digest_failure) for event in events]


def _result(
    event: AuditEvent,
    records: Mapping[str, StreamRecord],
    outcomes: Mapping[str, Exception | None],
    digest_failure: Exception | None,
) -> Exception | None:
    match event:
        case RowChanged(record):
            first = records[identity(record)]
            if first is not record and fingerprint(first) != fingerprint(record):
                return KeyReused("two events of one identity and different payloads came together")
            return outcomes[identity(record)]
        case DigestDue():
            return digest_failure
        case other:
            assert_never(other)


async def _lengthen(digests: Digests, *, asked: bool) -> Exception | None:
    """Try; a failure is the tick's, if one asked, and never that of rows that are archived."""
    try:
        async with asyncio.timeout(DIGEST_SECONDS):
            await digests.lengthen(asked=asked)
    except Exception as error:  # noqa: BLE001  # whatever it is, the rows are archived and their messages may leave
        log.warning("audit_digest_failed", error_type=type(error).__name__)
        return error
    return None
