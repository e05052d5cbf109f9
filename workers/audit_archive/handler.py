"""A batch from the audit queue: its rows are archived, with a gap for each that cannot be, and then a digest is made if one is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Protocol, assert_never

import structlog

from shared import KeyReused, StreamRecord
from workers.audit_archive.event import AuditEvent, DigestDue, RowChanged
from workers.audit_archive.gap import Gap, Refused, gap_of
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
    events: Sequence[AuditEvent | Refused],
    *,
    row: Callable[[StreamRecord], Row],
    gap: Callable[[Gap], Row],
    keep: Keep,
    digests: Digests,
) -> list[Exception | None]:
    """One result for each event, in order. An event that comes twice in the batch is archived once and done twice; another
    one under the same identity is KeyReused. What is refused for good fails only when its gap is kept.
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
    strange = frozenset(outcomes)
    if rows:
        outcomes |= await keep(rows)
    results = [_result(event, records, outcomes) for event in events]
    lacking = ((place, _gap(event, results[place], strange)) for place, event in enumerate(events))
    gaps = {place: gap(found) for place, found in lacking if found is not None}
    if gaps:
        kept = await keep([*{each.identity: each for each in gaps.values()}.values()])
        log.warning("audit_gap_kept", count=sum(each is None for each in kept.values()))
        results = [
            kept[gaps[place].identity] or result if place in gaps else result for place, result in enumerate(results)
        ]
    asked = any(isinstance(event, DigestDue) for event in events)
    digest_failure = await _lengthen(digests, asked=asked) if asked or digests.is_due() else None
    return [
        digest_failure if isinstance(event, DigestDue) else result
        for event, result in zip(events, results, strict=True)
    ]


def _gap(event: AuditEvent | Refused, result: Exception | None, strange: Collection[str]) -> Gap | None:
    """What will be missing if nothing else comes of the event."""
    match event, result:
        case Refused(gap), _:
            return gap
        case RowChanged(record), KeyReused():
            return gap_of(record, "another payload came under its identity", can_be_filled=False)
        case RowChanged(record), Exception() if identity(record) in strange:
            return gap_of(record, f"no row could be made of it: {type(result).__name__}")
        case _:
            return None


def _result(
    event: AuditEvent | Refused, records: Mapping[str, StreamRecord], outcomes: Mapping[str, Exception | None]
) -> Exception | None:
    match event:
        case RowChanged(record):
            first = records[identity(record)]
            if first is not record and fingerprint(first) != fingerprint(record):
                return KeyReused("two events of one identity and different payloads came together")
            return outcomes[identity(record)]
        case Refused(error=error):
            return error
        case DigestDue():
            return None
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
