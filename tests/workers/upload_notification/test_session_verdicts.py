"""What a session allows, read from its row, and the verdict written into it."""

import pytest

from shared.outcome import Reject
from tests.aws import Aws
from tests.workers.upload_notification.fakes import NOON, Row, finished, row, scanned, uploaded
from tests.workers.upload_notification.tables import InDynamoDb, Table
from workers.upload_notification.content.gate import Complete, Gate, Rejected, Verdict
from workers.upload_notification.event import CLEAN, THREATS
from workers.upload_notification.ports import Accepted, Refused
from workers.upload_notification.rules import Expire, Move
from workers.upload_notification.scans import Await, Record, has_threats, scan_mark


@pytest.mark.parametrize(
    ("verdict", "written"),
    [
        (Complete("image/png"), {"status": "COMPLETE", "contentType": "image/png"}),
        (Complete(), {"status": "COMPLETE"}),
        (Rejected("empty"), {"status": "REJECTED", "reason": "empty"}),
        (
            Rejected("content_mismatch", "text/html"),
            {"status": "REJECTED", "contentType": "text/html", "reason": "content_mismatch"},
        ),
    ],
)
async def test_a_verdict_concludes_its_session_unless_another_file_or_somebody_has(
    table: Table, verdict: Verdict, written: Row
) -> None:
    held = uploaded(finished(), announced=False, lease=30, allowedTypes=["image/png"])
    for found in (held | {"status": "COMPLETE"}, uploaded(finished("09")), row()):
        await table.put(found)
        await table.store.announced(finished(), verdict)
        assert await table.get("s1") == found
    await table.put(held)
    await table.store.announced(finished(), verdict)
    assert await table.get("s1") == uploaded(finished(), allowedTypes=["image/png"]) | written


async def test_what_a_session_allows_is_read_from_a_list_or_a_set(table: Table) -> None:
    for types in (["image/png"], {"image/png"}):
        await table.put(row(allowedTypes=types, maxBytes=10, minBytes=0))
        answer = await table.store.write(Expire("s1"), now=NOON)
        assert isinstance(answer, Refused)
        assert answer.session
        assert answer.session.gate == Gate(("image/png",), most=10, least=0)


@pytest.mark.parametrize(
    "gate", [{"allowedTypes": "image/png"}, {"allowedTypes": []}, {"allowedTypes": [7]}, {"maxBytes": "1"}]
)
async def test_a_gate_that_cannot_be_read_does_not_stand_open(aws: Aws, gate: Row) -> None:
    async with aws.open("dynamodb") as client:
        table = InDynamoDb(client, aws.table_like("sessions"))
        await table.put(row(**gate))
        with pytest.raises(Reject, match=f"the session's {next(iter(gate))} is not a"):
            await table.store.write(Move(finished()), now=NOON)


async def test_a_file_waits_for_its_scan_unless_the_result_is_there(table: Table) -> None:
    held = uploaded(finished(), announced=False, lease=30, scanRequired=True)
    result = scan_mark(finished())
    for found in (held | {"status": "COMPLETE"}, uploaded(finished("09")), row(), held | {result: CLEAN}):
        await table.put(found)
        assert isinstance(await table.store.write(Await(finished(), "image/png"), now=NOON), Refused)
        assert await table.get("s1") == found
    await table.put(held)
    assert isinstance(await table.store.write(Await(finished(), "image/png"), now=NOON), Accepted)
    waiting = uploaded(finished(), announced=False, scanRequired=True, status="SCANNING", contentType="image/png")
    assert await table.get("s1") == waiting

    await table.store.write(Move(finished("09")), now=NOON)
    assert "contentType" not in (await table.get("s1") or {}), "it was the former file's"


@pytest.mark.parametrize(
    "found",
    [
        None,
        row(),
        row(scanRequired=False),
        row(scanRequired=True, expiresAt=0),
        row(scanRequired=True, status="EXPIRED"),
        row(scanRequired=True, **{scan_mark(finished()): THREATS}),
    ],
)
async def test_a_result_is_remembered_only_where_it_is_asked_for_and_never_over_threats(
    table: Table, found: Row | None
) -> None:
    if found:
        await table.put(found)
    assert isinstance(await table.store.write(Record(scanned(CLEAN)), now=NOON), Refused)
    assert await table.get("s1") == found
    await table.put(row(scanRequired=True, **{scan_mark(finished()): "FAILED"}))
    answer = await table.store.write(Record(scanned(THREATS)), now=NOON)
    assert isinstance(answer, Accepted)
    assert answer.session.scans == {scan_mark(finished()): THREATS}
    await table.put(row(scanRequired=True, **{scan_mark(finished()): CLEAN}))
    assert isinstance(await table.store.write(Record(scanned("FAILED")), now=NOON), Refused), "it tells nothing"
    assert isinstance(await table.store.write(Record(scanned(THREATS)), now=NOON), Accepted)


async def test_threats_are_remembered_after_the_sessions_time_while_its_file_is_announced(table: Table) -> None:
    for begun in ({"announcedTo": "bus"}, {"announceUntil": 1}):
        await table.put(row(scanRequired=True, expiresAt=0, **{scan_mark(finished()): CLEAN}, **begun))
        assert isinstance(await table.store.write(Record(scanned(THREATS)), now=NOON), Accepted)


async def test_complete_is_not_written_over_threats_that_were_found_meanwhile(table: Table) -> None:
    found = uploaded(finished(), announced=False, status="SCANNING", scanRequired=True) | {
        scan_mark(finished()): THREATS
    }
    await table.put(found)
    refused = await table.store.announced(finished(), Complete("image/png"))
    assert await table.get("s1") == found
    assert refused is not None
    assert has_threats(refused, finished())
    assert await table.store.announced(finished(), Rejected("threats_found")) is None
    assert (await table.get("s1") or {})["status"] == "REJECTED"


async def test_a_scan_that_is_asked_for_by_no_boolean_is_not_taken_for_none(aws: Aws) -> None:
    async with aws.open("dynamodb") as client:
        table = InDynamoDb(client, aws.table_like("sessions"))
        await table.put(row(scanRequired="yes"))
        with pytest.raises(Reject, match="the session's scanRequired is not a boolean"):
            await table.store.write(Move(finished()), now=NOON)
