"""What becomes of a session that says what it allows."""

from typing import Any

import pytest

from tests.workers.upload_notification.content.samples import JPEG, PNG
from tests.workers.upload_notification.fakes import FakeSessions, finished, removed, row, uploaded
from tests.workers.upload_notification.world import World, scripted
from workers.upload_notification.conclusion import WebSocketForbidden
from workers.upload_notification.event import UploadFinished
from workers.upload_notification.ports import Absent, Forbidden, Head, Posted

PICTURES = row(wsConnectionId="browser", allowedTypes=["image/jpeg"], maxBytes=1000, minBytes=10)


async def judged(content: bytes | Absent, **fields: Any) -> World:
    world = World(FakeSessions(dict(PICTURES)), content=content)
    size = len(content) if isinstance(content, bytes) else 70
    await world.handle(finished(**{"size": size} | fields))
    return world


async def test_a_file_that_is_what_its_session_allows_completes_it_with_two_writes_and_one_look() -> None:
    world = await judged(JPEG)

    found = world.store.rows["s1"]
    assert (found["status"], found["contentType"], "reason" in found) == ("COMPLETE", "image/jpeg", False)
    assert found["announcedSequencer"] == finished().order
    told = ("upload.completed", "COMPLETE", "image/jpeg")
    assert [(each["type"], each["status"], each["contentType"]) for each in world.messages] == [told]
    assert [(each["status"], each["contentType"]) for each in world.events] == [("COMPLETE", "image/jpeg")]
    assert (world.store.calls, len(world.heads), world.counts) == (2, 1, {"complete": 1})


SHA = "uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek="


@pytest.mark.parametrize("attributes", [{}, {"allowedTypes": ["image/jpeg"]}])
async def test_a_checksum_that_s3_has_is_told_to_both_and_kept(attributes: dict[str, Any]) -> None:
    world = World(FakeSessions(row(wsConnectionId="browser", **attributes)), content=JPEG, checksum=SHA)
    await world.handle(finished())
    assert [each["checksumSha256"] for each in (*world.messages, *world.events)] == [SHA, SHA]
    assert (world.store.rows["s1"]["checksumSha256"], len(world.asked), world.store.calls) == (SHA, 1, 2)


async def test_of_a_rejected_file_no_checksum_is_asked() -> None:
    world = World(FakeSessions(dict(PICTURES)), content=PNG, checksum=SHA)
    await world.handle(finished(size=70))
    assert (world.asked, "checksumSha256" in world.messages[0]) == ([], False)


@pytest.mark.parametrize(
    ("content", "fields", "reason", "looks"),
    [
        (PNG, {}, "content_mismatch", 1),
        (b"<html>hello world</html>", {"name": "a.jpg"}, "content_mismatch", 1),
        (b"", {}, "empty", 0),
        (b"short", {}, "too_small", 0),
        (JPEG, {"size": 1001}, "too_large", 0),
    ],
)
async def test_any_other_file_is_rejected_with_the_reason_and_told(
    content: bytes, fields: dict[str, Any], reason: str, looks: int
) -> None:
    world = await judged(content, **fields)

    found = world.store.rows["s1"]
    assert (found["status"], found["reason"]) == ("REJECTED", reason)
    [message], [event] = world.messages, world.events
    assert (message["type"], message["status"], message["reason"]) == ("upload.rejected", "REJECTED", reason)
    assert (event["status"], event["reason"]) == ("REJECTED", reason)
    assert (len(world.heads), world.counts) == (looks, {"rejected": 1})


async def test_an_empty_file_is_rejected_also_where_its_session_says_nothing() -> None:
    world = World(FakeSessions(row(wsConnectionId="browser")))
    await world.handle(finished(size=0))
    assert (world.store.rows["s1"]["status"], world.store.rows["s1"]["reason"]) == ("REJECTED", "empty")


async def test_a_session_that_allows_sizes_alone_needs_no_look() -> None:
    world = World(FakeSessions(row(maxBytes=10)))
    await world.handle(finished(size=10))
    assert (world.store.rows["s1"]["status"], world.heads) == ("COMPLETE", [])


@pytest.mark.parametrize("why", ["vanished", "replaced"])
async def test_a_file_that_is_not_there_any_more_gets_no_verdict_and_its_successor_does(why: Any) -> None:
    world = await judged(Absent(why))

    assert (world.messages, world.events, world.counts) == ([], [], {why: 1})
    assert world.store.rows["s1"]["status"] == "UPLOADED"
    assert "announceUntil" not in world.store.rows["s1"]
    if why == "vanished":
        await world.handle(removed("06"))
        assert world.store.rows["s1"]["status"] == "AWAITING_SCAN"
    world.content = JPEG
    await world.handle(finished("07", size=70))
    assert world.store.rows["s1"]["status"] == "COMPLETE"


async def test_a_verdict_is_given_once_and_is_final() -> None:
    world = await judged(JPEG)
    await world.handle(finished(size=len(JPEG)))
    await world.handle(finished("09", size=5))
    await world.handle(removed("0a"))

    assert (world.store.rows["s1"]["status"], len(world.messages), len(world.heads)) == ("COMPLETE", 1, 1)
    assert world.counts == {"complete": 1, "duplicate": 1, "overwritten": 1, "removal_noted": 1}


class Refusing(World):
    refusals = 1

    async def head(self, upload: UploadFinished) -> Head | Absent:
        if self.refusals:
            self.refusals -= 1
            raise ConnectionError
        return await super().head(upload)


async def test_a_look_that_fails_is_tried_again_without_waiting_for_the_lease() -> None:
    world = Refusing(FakeSessions(dict(PICTURES)), content=JPEG)
    with pytest.raises(ConnectionError):
        await world.handle(finished(size=70))
    assert (world.messages, world.store.rows["s1"]["status"]) == ([], "UPLOADED")

    await world.handle(finished(size=70))
    assert world.store.rows["s1"]["status"] == "COMPLETE"


async def test_no_verdict_is_written_before_the_websocket_api_lets_us_tell_it() -> None:
    world = World(FakeSessions(dict(PICTURES)), content=JPEG, answers=scripted(Forbidden(), Posted()))
    with pytest.raises(WebSocketForbidden):
        await world.handle(finished(size=70))
    assert (world.store.rows["s1"]["status"], world.events) == ("UPLOADED", [])

    await world.handle(finished(size=70))
    assert (world.store.rows["s1"]["status"], len(world.events)) == ("COMPLETE", 1)


async def test_what_somebody_else_concluded_is_told_as_it_is() -> None:
    went_on = uploaded(finished(), announced=False, status="COMPLETE", allowedTypes=["image/png"], wsConnectionId="b")
    world = World(FakeSessions(went_on), content=JPEG)
    await world.handle(finished())
    assert ([each["status"] for each in world.messages], world.heads) == (["COMPLETE"], [])
