"""What cannot be archived leaves a gap that names it, before its message is buried; what comes later after all fills it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from shared.message.envelope import StreamRecord
from shared.outcome import Later, Reject
from shared.road.once import KeyReused
from tests.fakes import delivery
from tests.workers.audit_archive.fakes import NO_STREAM, World, hiding, record
from workers.audit_archive.chain.chain import Chain, Maker
from workers.audit_archive.chain.gaps import lying
from workers.audit_archive.chain.report import Unseen
from workers.audit_archive.chain.verify import verify
from workers.audit_archive.event import AuditEvent, RowChanged
from workers.audit_archive.gap import Refused, decode_or_gap, gap_row
from workers.audit_archive.handler import handle_batch
from workers.audit_archive.rules import Hide, Row, audit_row

BODY: dict[str, Any] = orjson.loads((Path(__file__).parents[2] / "events" / "stream-insert.json").read_bytes())
STRANGE = "strange"


def read(body: object, **changes: Any) -> AuditEvent | Refused:
    return decode_or_gap(replace(delivery(orjson.dumps(body).decode()), **changes))


def broken(**change: Any) -> dict[str, Any]:
    return BODY | {"dynamodb": BODY["dynamodb"] | change}


def row(given: StreamRecord, /, *, hide: Hide) -> Row:
    if given.event_id == STRANGE:
        raise RecursionError("of anna@example.com")
    return audit_row(given, hide=hide)


async def handled(world: World, *events: AuditEvent | Refused) -> list[Exception | None]:
    results = await handle_batch(
        events,
        row=row,
        hiding=hiding,
        keep=world.worker().keep,
        stream=NO_STREAM,
        digests=Chain(maker=Maker(bucket=world.bucket, now=world.clock), every=timedelta(0)),
    )
    world.clock.advance(60)
    return results


def gaps(world: World) -> Sequence[dict[str, Any]]:
    return [line for line in world.lines() if line["activity"] == "gap"]


def test_a_record_that_is_refused_names_what_of_it_can_be_read() -> None:
    refused = read(broken(NewImage={"email": {"X": "anna@example.com"}}))
    assert isinstance(refused, Refused)
    gap = refused.gap
    assert (gap.table, gap.event_id, gap.keys) == ("fleet-sessions-dev", BODY["eventID"], BODY["dynamodb"]["Keys"])
    assert (gap.reason, gap.sequence_number) == (refused.error.why, BODY["dynamodb"]["SequenceNumber"])
    assert "anna" not in gap.reason
    nameless = read({"dynamodb": {"Keys": "x", "ApproximateCreationDateTime": True}}, sent_at=86_400.0)
    assert isinstance(nameless, Refused)
    assert (nameless.gap.table, nameless.gap.account, nameless.gap.event_id, nameless.gap.keys) == ("", "", "", None)
    assert nameless.gap.at == datetime(1970, 1, 2, tzinfo=UTC)
    assert nameless.error.why.startswith("event_id: must be a text; ")
    assert isinstance(read(broken(Keys={"a": 1}, ApproximateCreationDateTime=1e300)), Refused)


def test_what_is_no_record_at_all_is_nobodys_gap() -> None:
    nothing: tuple[object, ...] = ([], {}, {"source": "aws.s3"}, {"dynamodb": 1})
    for body in nothing:
        with pytest.raises(Reject):
            read(body)
    with pytest.raises(ValidationError):
        read({"source": "scheduler", "time": "noon"})


async def test_a_gap_is_archived_once_without_personal_data_and_then_its_message_is_refused() -> None:
    world = World()
    refused = read(broken(Keys={"email": {"S": "anna@example.com"}}, NewImage=None))
    for _ in range(3):
        first, good, again = await handled(world, refused, RowChanged(record("good")), refused)
        assert (type(first), good, type(again)) == (Reject, None, Reject)
    (line,) = gaps(world)
    assert line["keys"]["email"]["S"].startswith("hmac:k1:")
    assert line["reason"].startswith("INSERT without its image")
    assert len(world.lines()) == 2


async def test_a_message_whose_gap_could_not_be_kept_is_not_given_up() -> None:
    world = World()

    async def keep(rows: object) -> dict[str, Exception | None]:
        return {each.identity: Later("no bucket", after=5) for each in rows}  # type: ignore[attr-defined]  # rows

    chain = Chain(maker=Maker(bucket=world.bucket, now=world.clock), every=timedelta(hours=9))
    refused = read(broken(Keys={}))
    results = await handle_batch(
        [refused],
        row=row,
        hiding=hiding,
        keep=keep,
        stream=NO_STREAM,
        digests=chain,
    )
    assert [type(result) for result in results] == [Later]


async def test_a_second_payload_and_a_record_that_makes_no_row_leave_gaps() -> None:
    world = World()
    await handled(world, RowChanged(record("e1")))
    other = RowChanged(record("e1", new={"status": {"S": "FORGED"}}))
    results = await handled(world, other, RowChanged(record(STRANGE)))
    assert [type(result) for result in results] == [KeyReused, RecursionError]
    assert sorted(line["reason"] for line in gaps(world)) == [
        "another payload came under its identity",
        "no row could be made of it: RecursionError",
    ]
    await handled(world)
    found = await verify(world.bucket)
    assert found.unseen == Unseen(open_gaps=2)  # the first payload's row does not fill the second one's gap


async def test_what_came_is_not_told_by_its_gap_to_who_guesses_it() -> None:
    world = World()
    refused = read(broken(NewImage=None))
    assert isinstance(refused, Refused)
    await handled(world, refused)
    (line,) = gaps(world)
    assert line["fingerprint"].startswith("hmac:k1:")
    assert refused.gap.fingerprint not in str(line)
    hide = await hiding([])
    names = {gap_row(refused.gap, hide=hide).identity, gap_row(replace(refused.gap, told=()), hide=hide).page}
    assert len(names) == 1
    assert refused.gap.fingerprint not in names.pop()


async def test_a_gap_whose_record_lies_in_a_dead_letter_queue_is_told_from_a_loss() -> None:
    world = World()
    lost = broken(NewImage=None) | {"eventID": "lost-1"}
    letters = [orjson.dumps(each).decode() for each in (broken(NewImage=None), BODY | {"eventID": "buried-1"}, BODY)]
    await handled(world, read(broken(NewImage=None)), read(lost), RowChanged(record("e1")))
    found = await verify(world.bucket, lying=[*filter(None, (lying(each, "audit-dlq") for each in letters))])
    assert found.unseen == Unseen(open_gaps=2, lying_gaps=1, dead_letters=1)
    told = sorted(f"{note.kind} {note.detail}" for note in found.notes if note.kind in {"gap", "dead letter"})
    assert told[0].startswith("dead letter ")
    assert told[0].endswith("fleet-sessions-dev buried-1 is not archived")
    assert [each.rpartition("; ")[2] for each in told[1:]] == [
        "lies in audit-dlq",
        "in no dead-letter queue that was read",
    ]
    await handled(world, read(BODY), read(BODY | {"eventID": "buried-1"}))
    found = await verify(world.bucket, lying=[*filter(None, (lying(each, "audit-dlq") for each in letters))])
    assert found.unseen == Unseen(open_gaps=1, filled_gaps=1, lying_gaps=0)


def test_a_letter_that_names_no_record_is_no_missing_one() -> None:
    assert [lying(body, "audit-dlq") for body in ("", "[]", '{"dynamodb":{}}', '{"source":"scheduler"}')] == [None] * 4


async def test_verification_tells_open_gaps_and_a_replay_fills_them() -> None:
    world = World()
    await handled(world, read(broken(NewImage=None)), read({"dynamodb": {}}))
    found = await verify(world.bucket)
    assert (found.ok, found.unseen) == (True, Unseen(open_gaps=2))
    told = sorted(note.detail for note in found.notes if note.kind == "gap")
    assert told[1].startswith("of an unknown table without an event id of 1970-01-01T00:00:00Z: event_id")
    assert f"fleet-sessions-dev {BODY['eventID']} of 2026-" in told[0]
    assert await handled(world, read(BODY)) == [None]
    found = await verify(world.bucket)
    assert (found.findings, found.unseen) == ((), Unseen(open_gaps=1, filled_gaps=1))


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", 253402300799])
async def test_a_record_of_the_ends_of_the_calendar_leaves_a_gap_and_harms_no_other(at: object) -> None:
    world = World()
    odd = read(broken(ApproximateCreationDateTime=at, SequenceNumber="77"), sent_at=1795262400.0)
    results = await handled(world, RowChanged(record("e1")), odd)
    assert results[0] is None
    if at != 253402300799:  # which is read as milliseconds
        assert isinstance(results[1], Reject)
        assert [line["reason"] for line in gaps(world)] == [
            "the record's ApproximateCreationDateTime is no time of a change"
        ]
    assert (await verify(world.bucket)).ok


async def test_a_broken_record_of_the_last_hour_of_all_has_its_gap_at_the_time_it_was_sent() -> None:
    world = World()
    await handled(
        world, read(broken(ApproximateCreationDateTime=253402300799, SequenceNumber="x"), sent_at=1795262400.0)
    )
    assert [line["event_time"] for line in gaps(world)] == ["2026-11-21T12:00:00Z"]
