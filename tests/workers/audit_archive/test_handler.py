"""A batch of the audit queue: who is sent what, and when a digest is made."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from shared.message.envelope import StreamRecord
from shared.outcome import Later
from shared.road.once import KeyReused
from tests.workers.audit_archive.fakes import NO_STREAM, NOON, event_of, hiding, record
from workers.audit_archive.event import AuditEvent, DigestDue, RowChanged
from workers.audit_archive.handler import handle_batch
from workers.audit_archive.rules import Hide, Row, audit_row

TICK = DigestDue(NOON)


@dataclass
class FakeDigests:
    due: bool = False
    failure: Exception | None = None
    made: list[bool] = field(default_factory=list)

    def is_due(self) -> bool:
        return self.due

    async def lengthen(self, *, asked: bool) -> object:
        self.made.append(asked)
        if self.failure:
            raise self.failure
        return None


@dataclass
class FakeKeep:
    failures: Mapping[str, Exception] = field(default_factory=dict)
    batches: list[list[str]] = field(default_factory=list)

    async def __call__(self, rows: Collection[Row]) -> Mapping[str, Exception | None]:
        self.batches.append([event_of(row.identity) for row in rows])
        return {row.identity: self.failures.get(event_of(row.identity)) for row in rows}


def changed(*event_ids: str) -> list[AuditEvent]:
    return [RowChanged(record(event_id)) for event_id in event_ids]


async def test_each_message_gets_the_answer_of_its_event() -> None:
    later = Later("busy", after=5)
    keep, digests = FakeKeep({"e2": later}), FakeDigests()
    results = await handle_batch(
        changed("e1", "e2", "e1", "e2", "e3"), hiding=hiding, keep=keep, stream=NO_STREAM, digests=digests
    )
    assert results == [None, later, None, later, None]
    assert keep.batches == [["e1", "e2", "e3"]]
    assert digests.made == []


async def test_two_payloads_of_one_identity_in_a_batch_are_one_row_and_one_rejection() -> None:
    keep = FakeKeep()
    events = [RowChanged(record()), RowChanged(record(new={"status": {"S": "OTHER"}})), RowChanged(record())]
    first, other, again = await handle_batch(events, hiding=hiding, keep=keep, stream=NO_STREAM, digests=FakeDigests())
    assert (first, type(other), again) == (None, KeyReused, None)
    assert (keep.batches[0], len(keep.batches[1])) == (["e1"], 1)  # the other one's gap


async def test_a_tick_asks_for_a_digest_after_the_rows_are_archived() -> None:
    keep, digests = FakeKeep(), FakeDigests()
    results = await handle_batch(
        [TICK, *changed("e1"), TICK], hiding=hiding, keep=keep, stream=NO_STREAM, digests=digests
    )
    assert results == [None, None, None]
    assert digests.made == [True]


async def test_a_batch_of_ticks_alone_archives_nothing() -> None:
    keep, digests = FakeKeep(), FakeDigests()
    assert await handle_batch([TICK], hiding=hiding, keep=keep, stream=NO_STREAM, digests=digests) == [None]
    assert keep.batches == []


async def test_without_a_tick_a_digest_is_made_when_the_process_has_not_tried_for_long() -> None:
    digests = FakeDigests(due=True)
    await handle_batch(changed("e1"), hiding=hiding, keep=FakeKeep(), stream=NO_STREAM, digests=digests)
    assert digests.made == [False]


async def test_a_digest_that_fails_is_the_ticks_failure_and_no_rows() -> None:
    fault = ConnectionError("no bucket")
    digests = FakeDigests(failure=fault)
    assert await handle_batch(
        [*changed("e1"), TICK], hiding=hiding, keep=FakeKeep(), stream=NO_STREAM, digests=digests
    ) == [
        None,
        fault,
    ]


async def test_an_unasked_digest_that_fails_is_nobodys_failure() -> None:
    digests = FakeDigests(due=True, failure=ConnectionError("no bucket"))
    assert await handle_batch(changed("e1"), hiding=hiding, keep=FakeKeep(), stream=NO_STREAM, digests=digests) == [
        None
    ]


async def test_a_record_that_makes_no_row_fails_alone() -> None:
    def choosy(given: StreamRecord, /, *, hide: Hide) -> Row:
        if given.event_id == "strange":
            raise RecursionError(given.event_id)
        return audit_row(given, hide=hide)

    keep = FakeKeep()
    results = await handle_batch(
        changed("e1", "strange", "e2"), row=choosy, hiding=hiding, keep=keep, stream=NO_STREAM, digests=FakeDigests()
    )
    assert [type(result) for result in results] == [type(None), RecursionError, type(None)]
    assert (keep.batches[0], len(keep.batches[1])) == (["e1", "e2"], 1)  # its gap
