"""The sessions table and its stand-in, at the same tests: each step of the rules is one conditional update."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.outcome import Reject
from tests.aws import Aws
from tests.workers.upload_notification.fakes import (
    NOON,
    Row,
    finished,
    removed,
    row,
    session,
    uploaded,
)
from tests.workers.upload_notification.tables import InDynamoDb, Table
from workers.upload_notification.event import Change, UploadFinished, instant
from workers.upload_notification.ports import Accepted, Refused
from workers.upload_notification.rules import (
    LEASE,
    Arrange,
    Expire,
    File,
    Move,
    Note,
    TakeOver,
    Withdraw,
    Write,
    judge,
    mark,
)
from workers.upload_notification.store.updates import image

PAST = int(NOON.timestamp()) - 1
NEWER_ELSEWHERE = finished("01", name="other.jpg", at=60)
OLDER_ELSEWHERE = finished("ff", name="other.jpg", at=-60)


def other(upload: UploadFinished, *, announced: bool = False) -> File:
    at = instant(upload.occurred_at)
    return File(upload.key, upload.order, upload.size, upload.etag, upload.version, at, announced)


ROWS: list[Row | None] = [
    None,
    *(row(status=status) for status in ("AWAITING_SCAN", "SCANNED", "UPLOADING", "COMPLETE", "REJECTED", "EXPIRED")),
    row(expiresAt=PAST),
    row(status="COMPLETE", expiresAt=PAST),
    {"sessionId": "s1", "status": "AWAITING_SCAN"},
    *(uploaded(finished(sequencer)) for sequencer in ("04", "05", "06")),
    *(uploaded(finished(), status=status) for status in ("SCANNING", "COMPLETE", "REJECTED", "EXPIRED")),
    *(uploaded(finished(), announced=False, lease=lease) for lease in (-1, 0, 1, 30)),
    uploaded(finished(), announced=False, status="COMPLETE"),
    uploaded(finished(), announced=False, expiresAt=PAST),
    uploaded(finished(), announced=False, lease=30, expiresAt=PAST),
    uploaded(finished(), announced=False, lease=-1, expiresAt=PAST),
    uploaded(finished(), announced=False, announcedTo="bus", expiresAt=PAST),
    uploaded(finished(), announced=False, announcedTo="bus", expiresAt=PAST, status="SCANNING"),
    uploaded(NEWER_ELSEWHERE, announced=False, announcedTo="bus", expiresAt=PAST),
    uploaded(NEWER_ELSEWHERE),
    uploaded(OLDER_ELSEWHERE),
    uploaded(NEWER_ELSEWHERE) | {mark(finished().key): finished("05").order},
    uploaded(finished("01", name="0.jpg")),
    uploaded(finished("01", name="z.jpg")),
    row() | {mark(finished().key): finished("06").order},
    row() | {mark(finished().key, "v1"): removed("06").order},
    uploaded(finished("04", version="v1")),
    uploaded(finished("05", version="v1")),
    uploaded(finished("04", version="v2")),
    uploaded(finished("05", version="v2")) | {mark(finished().key, "v1"): removed("06").order},
    {name: value for name, value in uploaded(finished("04")).items() if name != "versionId"},
    uploaded(NEWER_ELSEWHERE, otherFiles=[image(other(finished("04")))]) | {mark(finished().key): finished("04").order},
    uploaded(finished("04"), otherFiles=[image(other(OLDER_ELSEWHERE))]),
    uploaded(finished("04"), otherFiles=[image(other(OLDER_ELSEWHERE))], status="COMPLETE"),
]
CHANGES: list[Change] = [
    *(finished("05"), removed("05"), removed("06")),
    *(finished("05", version="v1"), removed("06", version="v1")),
]


def steps(change: Change, asked: object) -> list[Write]:
    """Every step that may be asked for on account of a change, right or wrong."""
    arrangement = [asked] if isinstance(asked, Arrange) else []
    if isinstance(change, type(finished())):
        return [Move(change), TakeOver(change), Expire(change.session_id), *arrangement]
    return [Withdraw(change), Note(change), Expire(change.session_id), *arrangement]  # type: ignore[arg-type]  # it is a removal


@pytest.mark.slow
@pytest.mark.parametrize(
    "change", CHANGES, ids=["upload", "removal of the same order", "removal", "version", "removal of a version"]
)
async def test_a_step_is_accepted_for_exactly_those_rows_for_which_the_rules_ask_for_it(
    table: Table, change: Change
) -> None:
    for place, found in enumerate(ROWS):
        asked = judge(change, session(found) if found else None, now=NOON)
        for step in steps(change, asked):
            if found:
                await table.put(found)
            answer = await table.store.write(step, now=NOON)
            assert isinstance(answer, Accepted) == (step == asked), f"row {place}: {step}"
            if isinstance(answer, Refused):
                assert answer.session == (session(found) if found else None), f"row {place}: {step}"
                assert await table.get("s1") == found


async def test_a_move_writes_the_upload_and_takes_the_lease(table: Table) -> None:
    await table.put(uploaded(finished("04"), tenantId="acme", wsConnectionId="browser"))

    answer = await table.store.write(Move(finished("05", size=9)), now=NOON)

    until = int(NOON.timestamp()) + LEASE
    expected = uploaded(finished("05", size=9), announced=False, lease=LEASE, tenantId="acme", wsConnectionId="browser")
    assert await table.get("s1") == expected
    assert answer == Accepted(session(expected))
    assert expected["announceUntil"] == until


async def test_the_announcement_is_marked_and_ends_the_lease(table: Table) -> None:
    await table.put(uploaded(finished(), announced=False, lease=30))
    await table.store.announced(finished(), None)
    assert await table.get("s1") == uploaded(finished())


async def test_a_checksum_is_of_its_file_alone(table: Table) -> None:
    await table.put(uploaded(finished("05"), announced=False, lease=30))
    await table.store.announced(finished("05"), None, checksum="abc=")
    assert await table.get("s1") == uploaded(finished("05"), checksumSha256="abc=")
    await table.store.write(Move(finished("06")), now=NOON)
    assert "checksumSha256" not in (await table.get("s1") or {})


async def test_an_announcement_that_came_too_late_marks_nothing(table: Table) -> None:
    for found in (uploaded(finished("06"), announced=False, lease=30), uploaded(NEWER_ELSEWHERE), row()):
        await table.put(found)
        await table.store.announced(finished("05"), None)
        assert await table.get("s1") == found


@pytest.mark.parametrize(("now", "is_marked"), [("told", True), ("", True), (None, True), ("newer", False)])
async def test_an_announcement_is_marked_where_the_browser_has_no_other_connection_than_the_one_that_was_told(
    table: Table, now: str | None, *, is_marked: bool
) -> None:
    held = uploaded(finished(), announced=False, lease=30) | ({} if now is None else {"wsConnectionId": now})
    await table.put(held)
    answer = await table.store.announced(finished(), None, connection="told")
    assert answer == (None if is_marked else session(held))
    assert ("announcedSequencer" in (await table.get("s1") or {})) == is_marked


@pytest.mark.parametrize(("now", "known"), [("told", "browser+bus"), ("newer", "bus")])
async def test_a_lease_that_is_given_back_says_of_no_connection_but_the_one_that_was_told_that_it_was(
    table: Table, now: str, known: str
) -> None:
    held = uploaded(finished(), announced=False, lease=30, wsConnectionId=now)
    await table.put(held)
    told = session({**held, "wsConnectionId": "told", "announcedAs": "COMPLETE"})
    await table.store.release(told, informed=frozenset({"browser", "bus"}), busy_since=None)
    expected = uploaded(finished(), announced=False, wsConnectionId=now, announcedTo=known, announcedAs="COMPLETE")
    assert await table.get("s1") == expected
    await table.store.announced(finished(), None, connection=now)
    assert await table.get("s1") == uploaded(finished(), wsConnectionId=now), "nothing is left of it"


async def test_a_take_over_takes_the_lease_once(table: Table) -> None:
    await table.put(uploaded(finished(), announced=False, lease=-1))

    answers = await asyncio.gather(*(table.store.write(TakeOver(finished()), now=NOON) for _ in range(4)))

    assert sum(isinstance(answer, Accepted) for answer in answers) == 1
    assert await table.get("s1") == uploaded(finished(), announced=False, lease=LEASE)


async def test_of_several_moves_at_once_one_is_accepted(table: Table) -> None:
    await table.put(row())
    answers = await asyncio.gather(*(table.store.write(Move(finished()), now=NOON) for _ in range(5)))
    assert sum(isinstance(answer, Accepted) for answer in answers) == 1


async def test_a_lease_is_given_back_only_by_its_holder(table: Table) -> None:
    held = uploaded(finished(), announced=False, lease=30)
    await table.put(held)

    await table.store.release(
        session(uploaded(finished(), announced=False, lease=29)), informed=frozenset(), busy_since=None
    )
    assert await table.get("s1") == held
    await table.store.release(session(held), informed=frozenset(), busy_since=None)
    assert await table.get("s1") == uploaded(finished(), announced=False)


async def test_a_lease_of_which_nobody_knows_whom_it_told_lapses(table: Table) -> None:
    held = uploaded(finished(), announced=False, lease=30, expiresAt=PAST)
    await table.put(held)
    await table.store.release(replace(session(held), is_left=True), informed=frozenset(), busy_since=None)
    assert await table.get("s1") == held | {"announceUntil": 1}
    assert isinstance(await table.store.write(Expire("s1"), now=NOON), Refused)
    assert isinstance(await table.store.write(TakeOver(finished()), now=NOON), Accepted)


async def test_an_unfinished_announcement_remembers_who_was_told_until_it_is_finished(table: Table) -> None:
    held = uploaded(finished(), announced=False, lease=30)
    await table.put(held)
    await table.store.release(session(held), informed=frozenset({"bus", "browser"}), busy_since=NOON.timestamp() + 0.7)

    answer = await table.store.write(TakeOver(finished()), now=NOON)
    assert isinstance(answer, Accepted)
    assert sorted(answer.session.informed) == ["browser", "bus"]
    assert answer.session.busy_since == NOON.timestamp()
    await table.store.announced(finished(), None)
    assert await table.get("s1") == uploaded(finished())


async def test_a_withdrawal_leaves_nothing_of_the_upload_but_its_sequencer(table: Table) -> None:
    await table.put(uploaded(finished("05"), lease=3, wsConnectionId="browser"))
    await table.store.write(Withdraw(removed("06")), now=NOON)
    assert await table.get("s1") == row(wsConnectionId="browser") | {mark(removed().key): removed("06").order}


async def test_an_expired_session_says_so(table: Table) -> None:
    await table.put(row(expiresAt=PAST))
    await table.store.write(Expire("s1"), now=NOON + timedelta(seconds=0.9))
    assert await table.get("s1") == row(status="EXPIRED", expiresAt=PAST)


async def test_exactly_the_gone_connection_is_forgotten(table: Table) -> None:
    await table.put(row(wsConnectionId="old"))
    assert await table.store.disconnect("s1", "older") == "old"
    assert await table.store.disconnect("s1", "old") == ""
    assert await table.store.disconnect("s1", "old") == ""
    assert await table.get("s1") == row()


async def test_a_session_that_vanished_has_no_connection(table: Table) -> None:
    assert await table.store.disconnect("s1", "old") == ""
    assert await table.get("s1") is None


async def test_a_row_with_an_unreadable_expiry_is_refused_for_good(aws: Aws) -> None:
    async with aws.open("dynamodb") as client:
        table = InDynamoDb(client, aws.table_like("sessions"))
        await table.put(row(expiresAt="tomorrow"))
        with pytest.raises(Reject, match="expiresAt is not a number"):
            await table.store.write(Move(finished()), now=NOON)


async def test_of_several_files_the_newest_is_the_current_one_and_the_row_keeps_the_others(table: Table) -> None:
    a, b, c = finished("01", name="a"), finished("01", name="b", at=1), finished("01", name="c", at=2)
    expected = uploaded(c, announced=False, lease=LEASE, otherFiles=[image(other(b)), image(other(a))])
    await table.put(row())
    for upload in (b, c, a):
        step = judge(upload, session(await table.get("s1") or {}), now=NOON)
        assert isinstance(step, Move | Arrange)
        assert isinstance(await table.store.write(step, now=NOON), Accepted)
    assert await table.get("s1") == expected | {mark(each.key): each.order for each in (a, b)}

    await table.store.announced(c, None)
    for removal in (removed("02", name="c"), removed("02", name="a"), removed("02", name="b")):
        step = judge(removal, session(await table.get("s1") or {}), now=NOON)
        assert isinstance(step, Withdraw | Arrange)
        assert isinstance(await table.store.write(step, now=NOON), Accepted)
    assert await table.get("s1") == row(**{mark(each.key): removed("02").order for each in (a, b, c)})


async def test_of_two_arrangements_of_the_same_row_one_is_refused(table: Table) -> None:
    found = uploaded(finished("01", name="a"))
    await table.put(found)
    steps = [judge(finished("01", name=name, at=1), session(found), now=NOON) for name in ("b", "c")]
    answers = [await table.store.write(step, now=NOON) for step in steps if isinstance(step, Arrange)]
    assert [type(answer) for answer in answers] == [Accepted, Refused]
