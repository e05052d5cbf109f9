"""The published black-box cases of uploads, U1 to U27: the input is the body in SQS, and each goes through both doors."""

from typing import Any
from urllib.parse import quote_plus

import orjson
import pytest
from structlog.testing import capture_logs

from shared.message.s3_events import padded_sequencer
from tests.virtual_time import clock, virtual
from tests.workers.upload_notification.content.samples import GIF, JPEG, PNG, WEBP, brand
from tests.workers.upload_notification.doors import BUCKET, DOORS, VISIBILITY, Door, Doors, ScriptedConnections
from tests.workers.upload_notification.fakes import FakeSessions, Row, row
from tests.workers.upload_notification.world import World, gone

pytestmark = [pytest.mark.parametrize("door", DOORS)]

KEY = "session-uploads/s1/a.jpg"
MAXIMUM_RECEIVES = 100
"""Of the queue `uploads`, after which SQS moves a message, at the latest."""


def classic(
    sequencer: str = "05",
    *,
    key: str = KEY,
    encoded: str = "",
    name: str = "ObjectCreated:Put",
    size: int = 7,
    etag: str = "e-tag",
) -> str:
    """A notification of S3; the key as S3 encodes it, or as `encoded` is."""
    what: dict[str, Any] = {"key": encoded or quote_plus(key), "sequencer": sequencer}
    what |= {} if name.startswith("ObjectRemoved") else {"size": size, "eTag": etag}
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventName": name,
        "eventTime": "2026-11-21T12:00:00.000Z",
        "s3": {"bucket": {"name": BUCKET}, "object": what},
    }
    return orjson.dumps({"Records": [record]}).decode()


def from_eventbridge(key: str) -> str:
    about = {"bucket": {"name": BUCKET}, "object": {"key": key, "size": 7, "etag": "e-tag", "sequencer": "05"}}
    event = {"version": "0", "id": "1", "source": "aws.s3", "detail-type": "Object Created", "detail": about}
    return orjson.dumps(event | {"time": "2026-11-21T12:00:00Z"}).decode()


def waiting(**attributes: Any) -> Row:
    return row(wsConnectionId="browser", **attributes)


def took(door: Door, world: World, *bodies: str, workers: int = 1, within: float = 3_600.0) -> Doors:
    """Each body after the one before it was taken."""

    async def story() -> Doors:
        doors = Doors(door, world, workers=workers)
        for body in bodies:
            await doors.take(body, within=within)
        return doors

    return virtual(story())


def is_acked(doors: Doors) -> bool:
    return not doors.queue.left and not doors.queue.letters


def test_u1_the_test_event_of_s3_is_acked_and_counted(door: Door) -> None:
    told = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-11-21T12:00:00.000Z", "Bucket": BUCKET}
    world = World(FakeSessions())
    with capture_logs() as lines:
        doors = took(door, world, orjson.dumps(told | {"RequestId": "r", "HostId": "h"}).decode())
    assert is_acked(doors)
    assert world.counts == {"test_event": 1}
    assert not [line for line in lines if line["log_level"] in {"error", "critical"}]


def test_u2_a_key_of_a_notification_is_decoded_once(door: Door) -> None:
    world = World(FakeSessions(waiting()))
    assert is_acked(took(door, world, classic(encoded="session-uploads%2Fs1%2Fa+b%2Bc+%C3%BC.jpg")))
    found = world.store.rows["s1"]
    assert (found["status"], found["uploadKey"]) == ("UPLOADED", "session-uploads/s1/a b+c ü.jpg")


def test_u3_a_key_of_eventbridge_is_used_as_it_is(door: Door) -> None:
    world = World(FakeSessions(waiting()))
    assert is_acked(took(door, world, from_eventbridge("session-uploads/s1/a+b c%20d.jpg")))
    assert world.store.rows["s1"]["uploadKey"] == "session-uploads/s1/a+b c%20d.jpg"


@pytest.mark.parametrize(
    ("first", "second", "wins"),
    [
        ("0055AED6DCD90281E5", "0055AED6DCD90281E4", "0055AED6DCD90281E5"),
        ("617f0837b476e463", "62", "62"),
    ],
    ids=["u6", "u7"],
)
def test_u6_u7_the_greater_sequencer_wins_padded_and_folded(door: Door, first: str, second: str, wins: str) -> None:
    world = World(FakeSessions(waiting()))
    assert is_acked(took(door, world, classic(first), classic(second)))
    assert world.store.rows["s1"]["sequencer"] == padded_sequencer(wins)
    assert world.counts["stale"] == (wins == first)


def test_u9_a_removal_before_its_creation_ends_without_a_file_and_a_message(door: Door) -> None:
    world = World(FakeSessions(waiting()))
    assert is_acked(took(door, world, classic("06", name="ObjectRemoved:Delete"), classic("05")))
    found = world.store.rows["s1"]
    assert (found["status"], "uploadKey" in found) == ("AWAITING_SCAN", False)
    assert (world.messages, world.events) == ([], [])


def test_u10_five_copies_at_four_workers_are_one_change_and_one_message(door: Door) -> None:
    async def story() -> Doors:
        doors = Doors(door, world, workers=4)
        await doors.take(*[classic()] * 5)
        return doors

    world = World(FakeSessions(waiting()))
    assert is_acked(virtual(story()))
    assert (world.store.moves, len(world.messages), len(world.events)) == (1, 1, 1)


@pytest.mark.parametrize("now", ["old", "new"])
def test_u11_a_gone_connection_costs_one_call_and_a_newer_one_stays(door: Door, now: str) -> None:
    world = World(FakeSessions(waiting(allowedTypes=["image/*"])), content=JPEG)

    def answers(connection: str) -> Any:
        if connection == "browser" and now == "new":
            world.store.rows["s1"]["wsConnectionId"] = "newer"
        return gone("browser")(connection)

    world.answers = answers
    assert is_acked(took(door, world, classic()))
    found = world.store.rows["s1"]
    assert (found["status"], found.get("wsConnectionId")) == ("COMPLETE", "newer" if now == "new" else None)
    assert [connection for connection, _ in world.posts] == ["browser"] + (["newer"] if now == "new" else [])


def test_u13_a_throttled_post_is_one_message_within_the_visibility_timeout(door: Door) -> None:
    api = ScriptedConnections(429, 429, 200)

    async def story() -> float:
        began = clock()
        assert is_acked(await _taken(Doors(door, world), classic()))
        return clock() - began

    world = World(FakeSessions(waiting()), api=api.gateway())
    assert 1.0 <= virtual(story()) < VISIBILITY, "it backed off, and not for long"
    assert (api.calls, len(api.posts)) == (3, 1)


def test_u15_a_forbidden_post_is_tried_to_the_end_and_its_session_stays_untold(door: Door) -> None:
    api = ScriptedConnections(403)

    async def story() -> Doors:
        doors = Doors(door, world)
        (message,) = doors.queue.put(classic())
        message.receipts = MAXIMUM_RECEIVES - 2
        await doors.take(within=1_000)
        assert (doors.queue.letters, doors.queue.left) == ([], [message]), "it is tried again"
        await doors.take(within=4 * 3_600)
        return doors

    world = World(FakeSessions(waiting()), api=api.gateway())
    doors = virtual(story())
    [letter] = doors.queue.letters
    assert orjson.loads(letter.attributes["fleet-failure"].text or "")["error_type"] == "WebSocketForbidden"
    assert world.counts["websocket_forbidden"] == api.calls >= 2
    found = world.store.rows["s1"]
    assert (found["wsConnectionId"], "announcedSequencer" in found, world.events) == ("browser", False, [])


def test_u16_a_session_past_its_end_expires_and_nobody_is_told(door: Door) -> None:
    world = World(FakeSessions(waiting() | {"expiresAt": 1_700_000_000}))
    assert is_acked(took(door, world, classic()))
    assert (world.store.rows["s1"]["status"], world.messages, world.events) == ("EXPIRED", [], [])


def test_u17_an_upload_of_an_unknown_session_is_counted_and_acked(door: Door) -> None:
    world = World(FakeSessions())
    assert is_acked(took(door, world, classic()))
    assert world.counts == {"orphaned": 1}


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("elsewhere/s1/a.jpg", "outside_prefix"),
        ("session-uploads/s1/../s2/a.jpg", "path_not_plain"),
        ("session-uploads/../s1/a.jpg", "path_not_plain"),
        ("session-uploads//a.jpg", "no_session_id"),
        ("session-uploads/a.jpg", "no_name"),
    ],
)
def test_u18_a_key_that_is_none_of_ours_is_ignored_with_the_reason_and_no_call(door: Door, key: str, why: str) -> None:
    world = World(FakeSessions(waiting(allowedTypes=["image/*"])))
    assert is_acked(took(door, world, classic(key=key)))
    assert (world.counts, world.heads, world.store.calls) == ({why: 1}, [], 0)


def test_u19_an_empty_file_is_rejected_and_its_browser_told(door: Door) -> None:
    world = World(FakeSessions(waiting()))
    assert is_acked(took(door, world, classic(size=0)))
    assert [(each["type"], each["reason"]) for each in world.messages] == [("upload.rejected", "empty")]
    assert (world.store.rows["s1"]["status"], world.store.rows["s1"]["reason"]) == ("REJECTED", "empty")


SCRIPTED_SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
MZ = b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0"
HTML = b"<!doctype html><html><body>hello"


@pytest.mark.parametrize(
    "content",
    [HTML, SCRIPTED_SVG, MZ, GIF.replace(b"89a", b"89a/*") + b"*/=1"],
    ids=["html", "svg", "mz", "polyglot"],
)
def test_u20_content_that_is_not_what_the_name_says_is_rejected(door: Door, content: bytes) -> None:
    world = World(FakeSessions(waiting(allowedTypes=["image/*", "image/svg+xml"])), content=content)
    assert is_acked(took(door, world, classic(size=len(content))))
    assert [each["reason"] for each in world.messages] == ["content_mismatch"]
    assert len(world.heads) == 1


@pytest.mark.parametrize(
    ("content", "kind"),
    [(brand(b"avif", b"mif1"), "image/avif"), (brand(b"heic", b"mif1"), "image/heic"), (WEBP, "image/webp")],
    ids=["avif", "heic", "webp"],
)
def test_u21_modern_pictures_are_accepted_with_the_right_type(door: Door, content: bytes, kind: str) -> None:
    world = World(FakeSessions(waiting(allowedTypes=["image/*"])), content=content)
    assert is_acked(took(door, world, classic(size=len(content))))
    assert [(each["status"], each["contentType"]) for each in world.messages] == [("COMPLETE", kind)]


def test_u24_the_etag_of_a_multipart_upload_is_told_as_it_is(door: Door) -> None:
    etag = "9b2cf535f27731c974343645a3985328-7"
    world = World(FakeSessions(waiting()))
    assert is_acked(took(door, world, classic(name="ObjectCreated:CompleteMultipartUpload", etag=etag)))
    assert (world.store.rows["s1"]["status"], world.messages[0]["etag"]) == ("UPLOADED", etag)


def test_u27_without_a_connection_a_later_look_shows_the_verdict(door: Door) -> None:
    world = World(FakeSessions(row(allowedTypes=["image/png"])), content=PNG)
    assert is_acked(took(door, world, classic()))
    assert (world.posts, world.store.rows["s1"]["status"]) == ([], "COMPLETE")


async def _taken(doors: Doors, body: str) -> Doors:
    await doors.take(body)
    return doors
