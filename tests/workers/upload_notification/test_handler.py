"""What becomes of session, browser and bus when a message is handled."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from shared.bus import BusEntry
from shared.outcome import Contended, Later, Reject
from shared.road.once import KeyReused
from shared.telemetry.logging import customer
from tests.workers.upload_notification.fakes import NOON, FakeSessions, finished, removed, row, session, uploaded
from tests.workers.upload_notification.world import World
from workers.upload_notification.event import Ignored, UploadEvents
from workers.upload_notification.ports import Accepted, Refused
from workers.upload_notification.rules import Write, mark
from workers.upload_notification.scans import ScanWrite

PAST = int(NOON.timestamp()) - 1
WAITING = row(wsConnectionId="browser", tenantId="acme")


async def test_an_upload_moves_its_session_and_is_told_once_to_bus_and_browser() -> None:
    world = World(FakeSessions(dict(WAITING)))

    with capture_logs() as lines:
        await world.handle(finished("0A", size=1024))
    [settled] = [each for each in lines if each["event"] == "upload_settled"]
    assert settled["tenant"] == customer("acme")

    order = finished("0A").order
    assert world.store.rows["s1"] == WAITING | {
        "status": "UPLOADED",
        "uploadKey": "session-uploads/s1/a.jpg",
        "size": 1024,
        "etag": "e-tag",
        "versionId": "",
        "sequencer": order,
        "uploadedAt": "2026-11-21T12:00:00.000Z",
        "announcedSequencer": order,
        mark("session-uploads/s1/a.jpg"): order,
    }
    (message,) = world.messages
    assert (message["type"], message["sessionId"], message["status"]) == ("upload.completed", "s1", "UPLOADED")
    (event,) = world.events
    assert (event["id"], event["tenantId"], event["size"]) == (finished("0A").id, "acme", 1024)


async def test_the_same_message_again_changes_and_tells_nothing() -> None:
    world = World(FakeSessions(dict(WAITING)))
    for _ in range(5):
        await world.handle(finished())

    assert (world.store.moves, len(world.messages), len(world.events)) == (1, 1, 1)
    assert world.counts == {"announced": 1, "duplicate": 4}


async def test_without_a_connection_the_state_is_saved_and_nothing_posted() -> None:
    world = World(FakeSessions(row()))
    await world.handle(finished())

    assert world.store.rows["s1"]["status"] == "UPLOADED"
    assert (world.posts, len(world.events)) == ([], 1)


async def test_an_expired_session_is_marked_and_nobody_told() -> None:
    world = World(FakeSessions(row(expiresAt=PAST, wsConnectionId="browser")))
    await world.handle(finished())

    assert world.store.rows["s1"]["status"] == "EXPIRED"
    assert (world.posts, world.events) == ([], [])


async def test_an_upload_of_an_unknown_session_is_counted_and_done() -> None:
    world = World(FakeSessions())
    with capture_logs() as lines:
        await world.handle(finished())

    assert world.counts == {"orphaned": 1}
    assert world.store.rows == {}
    (drop,) = [each for each in lines if each["event"] == "event_dropped"]
    assert (drop["reason"], drop["session_id"], drop["upload_id"]) == ("orphaned", "s1", finished().id)


async def test_what_is_none_of_ours_costs_no_call() -> None:
    world = World(FakeSessions(row()))
    await world.handle(event=UploadEvents(ignored=(Ignored("test_event"), Ignored("path_not_plain"))))

    assert world.store.calls == 0
    assert world.counts == {"test_event": 1, "path_not_plain": 1}


@pytest.mark.parametrize("other", [{"size": 8}, {"etag": "another"}])
async def test_another_file_under_a_used_key_and_order_is_rejected_and_told_to_nobody(other: dict[str, Any]) -> None:
    world = World(FakeSessions(dict(WAITING)))
    await world.handle(finished())
    before = dict(world.store.rows["s1"])
    with pytest.raises(KeyReused):
        await world.handle(replace(finished(), **other))
    assert world.store.rows["s1"] == before
    assert (len(world.events), world.counts["key_reused"]) == (1, 1)


async def test_a_repetition_that_does_not_tell_the_etag_is_a_repetition() -> None:
    world = World(FakeSessions(dict(WAITING)))
    await world.handle(finished())
    await world.handle(replace(finished(), etag=""))
    assert world.counts == {"announced": 1, "duplicate": 1}


async def test_an_upload_for_which_no_browser_waits_is_counted() -> None:
    world = World(FakeSessions(row()))
    await world.handle(finished())
    assert world.counts == {"announced": 1, "nobody_waits": 1}


async def test_the_removal_of_the_upload_takes_the_session_back() -> None:
    world = World(FakeSessions(dict(WAITING)))
    await world.handle(finished("05"), removed("06"))

    assert world.store.rows["s1"] == WAITING | {mark(removed().key): removed("06").order}


async def test_an_upload_that_comes_after_its_removal_is_told_to_nobody() -> None:
    world = World(FakeSessions(dict(WAITING)))
    await world.handle(removed("06"), finished("05"))

    assert world.store.rows["s1"] == WAITING | {mark(removed().key): removed("06").order}
    assert (world.posts, world.events) == ([], [])


async def test_a_duplicate_waits_while_another_worker_announces() -> None:
    world = World(FakeSessions(uploaded(finished(), announced=False, lease=5)))

    with pytest.raises(Later) as objection:
        await world.handle(finished())
    assert objection.value.after == 5


async def test_a_dead_workers_announcement_is_taken_over() -> None:
    world = World(FakeSessions(uploaded(finished(), announced=False, lease=-1, wsConnectionId="browser")))
    await world.handle(finished())

    assert (len(world.messages), len(world.events)) == (1, 1)
    assert world.store.moves == 0


class Crowded(FakeSessions):
    """A row that somebody else changes each time, just before the write."""

    async def write(self, step: Write | ScanWrite, *, now: datetime) -> Accepted | Refused:
        return Refused(session(self.rows["s1"]))


async def test_a_row_that_others_keep_changing_is_tried_later() -> None:
    with pytest.raises(Contended, match="keep changing"):
        await World(Crowded(row())).handle(finished())


async def test_good_records_are_handled_before_the_message_is_kept_for_its_bad_one() -> None:
    world = World(FakeSessions(row("s1"), row("s2")))
    message = UploadEvents(
        (finished(session_id="s1"), finished(session_id="s2")), unreadable=("record 2: key: missing",)
    )

    with pytest.raises(Reject, match="1 unreadable among S3 records; record 2: key: missing"):
        await world.handle(event=message)

    assert [found["status"] for found in world.store.rows.values()] == ["UPLOADED", "UPLOADED"]


async def test_a_message_kept_for_its_bad_record_changes_nothing_when_replayed() -> None:
    world = World(FakeSessions(row()))
    message = UploadEvents((finished(),), unreadable=("record 2: key: missing",))
    for _ in range(2):
        with pytest.raises(Reject):
            await world.handle(event=message)

    assert (world.store.moves, len(world.events)) == (1, 1)


class BusDown(Exception):
    pass


class WithoutBus(World):
    async def put_event(self, entry: BusEntry) -> None:
        if '"sessionId":"s1"' in entry.detail:
            raise BusDown
        await super().put_event(entry)


async def test_a_change_that_fails_does_not_hold_up_the_others_and_is_tried_again() -> None:
    world = WithoutBus(
        FakeSessions(row("s1"), row("s2"), uploaded(finished(session_id="s3"), announced=False, lease=9))
    )
    message = UploadEvents(
        tuple(finished(session_id=f"s{n}") for n in (3, 1, 2)), unreadable=("record 3: key: missing",)
    )

    with pytest.raises(
        BusDown
    ):  # neither the patience of s3 nor the end because of record 3: s1 can still be announced
        await world.handle(event=message)

    assert [event["sessionId"] for event in world.events] == ["s2"]
    assert "announceUntil" not in world.store.rows["s1"]
