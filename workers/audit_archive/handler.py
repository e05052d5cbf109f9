"""A batch from the audit queue: its rows are archived, with a gap for each that cannot be, and then a digest is made if one is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, assert_never

import structlog

from shared import Delivery, KeyReused, Later, Reject, StreamRecord, code_of
from workers.audit_archive.event import AuditEvent, DigestDue, RowChanged, RowsPointedTo
from workers.audit_archive.gap import Gap, Refused, decode_or_gap, gap_of, gap_of_span, gap_row, read_back_row
from workers.audit_archive.hiding import Hiding, NoSubjectKey
from workers.audit_archive.rules import Hide, Row, audit_row, fingerprint, identity
from workers.audit_archive.store.stream import NotReached, Reader, message, number_of

log = structlog.get_logger()

DIGEST_SECONDS = 20.0
"""A digest may take this long; beyond it the rows of the batch would wait for it in vain."""


READ_BACK_SECONDS = 15.0
"""All pointers of a batch may take this long: the rows beside them must be settled in time. What was read stays archived."""


class Digests(Protocol):
    """The chain of digests, as the handler sees it."""

    def is_due(self) -> bool: ...
    async def lengthen(self, *, asked: bool) -> object: ...


Keep = Callable[[Collection[Row]], Awaitable[Mapping[str, Exception | None]]]


class RowOf(Protocol):
    """The row of a record, once its personal data are hidden."""

    def __call__(self, record: StreamRecord, /, *, hide: Hide) -> Row: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """How rows are made, and where they are kept."""

    hiding: Hiding
    keep: Keep
    row: RowOf


async def handle_batch(
    events: Sequence[AuditEvent | Refused],
    *,
    hiding: Hiding,
    keep: Keep,
    stream: Reader,
    digests: Digests,
    row: RowOf = audit_row,
) -> list[Exception | None]:
    """One result for each event, in order. An event that comes twice in the batch is archived once and done twice; another
    one under the same identity is KeyReused. What is refused for good fails only when its gap is kept. A pointer is done when
    all that its stream still has is archived, and the rest is a gap.
    """
    keeping = Keeping(hiding=hiding, keep=keep, row=row)
    results = await _archive(events, keeping)
    until = asyncio.get_running_loop().time() + READ_BACK_SECONDS
    for place, event in enumerate(events):
        if isinstance(event, RowsPointedTo):
            try:
                async with asyncio.timeout_at(until):
                    results[place] = await _read_back(event, stream, keeping)
            except TimeoutError:
                results[place] = Later("what it points to is not read to its end", after=5.0)
    asked = any(isinstance(event, DigestDue) for event in events)
    digest_failure = await _lengthen(digests, asked=asked) if asked or digests.is_due() else None
    return [
        digest_failure if isinstance(event, DigestDue) else result
        for event, result in zip(events, results, strict=True)
    ]


async def _archive(events: Sequence[AuditEvent | Refused], keeping: Keeping) -> list[Exception | None]:
    """The rows of records, and the gaps of what was refused; other events are None."""
    records: dict[str, StreamRecord] = {}
    names = [identity(event.record) if isinstance(event, RowChanged) else "" for event in events]
    for name, event in zip(names, events, strict=True):
        if isinstance(event, RowChanged):
            records.setdefault(name, event.record)
    rows, outcomes, strange = await _rows(records, keeping)
    if rows:
        outcomes |= await keeping.keep(rows)
    results = [_result(event, name, records, outcomes) for name, event in zip(names, events, strict=True)]
    lacking = [_gap(event, result, strange) for event, result in zip(events, results, strict=True)]
    return await _with_gaps(results, lacking, keeping) if any(lacking) else results


async def _rows(
    records: Mapping[str, StreamRecord], keeping: Keeping
) -> tuple[list[Row], dict[str, Exception | None], set[str]]:
    """The rows, why a record has none, and which of those are strange: of them no row can ever be made."""
    hide = await keeping.hiding([(each.table, (each.keys, each.old, each.new)) for each in records.values()])
    rows, outcomes, strange = list[Row](), dict[str, Exception | None](), set[str]()
    for name, record in records.items():
        try:
            rows.append(keeping.row(record, hide=hide))
        except NoSubjectKey as error:
            outcomes[name] = _cause(error)
        except Exception as error:  # noqa: BLE001  # one strange item must not take the others of its batch with it
            outcomes[name] = error
            strange.add(name)
    if found := sum(each.found for each in rows):
        log.info("audit_personal_data_found", count=found)  # names to add to AUDIT_PERSONAL_FIELDS, perhaps
    return rows, outcomes, strange


async def _with_gaps(
    results: Sequence[Exception | None], lacking: Sequence[Gap | None], keeping: Keeping
) -> list[Exception | None]:
    """Keep the gaps; one that could not be kept is its event's failure, in place of the refusal."""
    hide = await keeping.hiding([(gap.table, (*gap.told, gap.keys)) for gap in lacking if gap is not None])
    made = [None if gap is None else _gap_row(gap, hide) for gap in lacking]
    rows = {each.identity: each for each in made if isinstance(each, Row)}
    kept = await keeping.keep([*rows.values()])
    log.warning("audit_gap_kept", count=sum(each is None for each in kept.values()))
    return [
        (kept[row.identity] or result) if isinstance(row, Row) else row or result
        for result, row in zip(results, made, strict=True)
    ]


def _gap_row(gap: Gap, hide: Hide) -> Row | Exception:
    try:
        return gap_row(gap, hide=hide)
    except NoSubjectKey as error:
        return _cause(error)


def _cause(error: NoSubjectKey) -> Exception:
    """What hindered it is judged as what it is: an outage, say, and no fault of the record."""
    return error.__cause__ if isinstance(error.__cause__, Exception) else error


async def _read_back(event: RowsPointedTo, stream: Reader, keeping: Keeping) -> Exception | None:
    """Archive what the stream still has of these rows, and a gap for what it has no longer."""
    span, oldest, failure = event.span, 0, None
    try:
        async for page in stream.read(span):
            oldest = oldest or number_of(page[0])
            bodies = [Delivery("audit", "", "", message(each, span.stream)) for each in page]
            results = await _archive([decode_or_gap(each) for each in bodies], keeping)
            failure = failure or next((each for each in results if each and not isinstance(each, Reject)), None)
    except NotReached:
        return Later("the stream did not come to the end of what was pointed to", after=60.0)
    except Exception as error:  # noqa: BLE001  # a stream that cannot be read is the pointer's failure, and no row's
        return error
    if failure is None and oldest:
        row = read_back_row(replace(span, first=str(oldest)), event.at)
        failure = (await keeping.keep([row]))[row.identity]
    if failure is None and oldest != int(span.first):
        rest = replace(span, last=str(oldest - 1)) if oldest else span
        (failure,) = await _with_gaps([None], [gap_of_span(rest, event.at)], keeping)
    log.info("audit_stream_read_back", shard=span.shard, is_whole=oldest == int(span.first))
    return failure


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
    event: AuditEvent | Refused,
    name: str,
    records: Mapping[str, StreamRecord],
    outcomes: Mapping[str, Exception | None],
) -> Exception | None:
    match event:
        case RowChanged(record):
            first = records[name]
            if first is not record and fingerprint(first) != fingerprint(record):
                return KeyReused("two events of one identity and different payloads came together")
            return outcomes[name]
        case Refused(error=error):
            return error
        case DigestDue() | RowsPointedTo():
            return None
        case other:
            assert_never(other)


async def _lengthen(digests: Digests, *, asked: bool) -> Exception | None:
    """Try; a failure is the tick's, if one asked, and never that of rows that are archived."""
    try:
        async with asyncio.timeout(DIGEST_SECONDS):
            await digests.lengthen(asked=asked)
    except Exception as error:  # noqa: BLE001  # whatever it is, the rows are archived and their messages may leave
        log.warning("audit_digest_failed", error_type=code_of(error))
        return error
    return None
