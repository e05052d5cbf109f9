"""An upload moves its session on and tells the waiting browser, whatever happens to its messages."""

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.outside import Outside

EVENTS = Path(__file__).parents[1] / "events"

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


def notification(outside: Outside, key: str, sequencer: str, *, name: str = "ObjectCreated:Put", size: int = 3) -> str:
    """A classic S3 notification as the bucket sends it; `key` as it stands in the message, encoded."""
    record: dict[str, Any] = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "us-east-1",
        "eventTime": "2026-11-21T09:00:00.000Z",
        "eventName": name,
        "s3": {
            "bucket": {"name": outside.name("UPLOAD_BUCKET_NAME")},
            "object": {"key": key, "size": size, "eTag": f"etag-{sequencer}", "sequencer": sequencer},
        },
    }
    return json.dumps({"Records": [record]})


async def test_a_file_put_into_the_bucket_turns_its_session_uploaded_and_tells_its_browser(fleet: Outside) -> None:
    session_id = fleet.session("anna")
    key = f"session-uploads/{session_id}/holiday photo+1 ü 100%.jpg"
    async with fleet.browser(session_id) as browser:
        fleet.upload(key, b"jpeg" * 1000)
        [message] = await fleet.until(lambda: browser.messages, "the browser's message")
        row = await fleet.until(
            lambda: (found := fleet.session_row(session_id)).get("announcedSequencer") and found, "the session's row"
        )
    assert set(message) == {"type", "version", "sessionId", "key", "size", "etag", "sequencer", "status", "occurredAt"}
    assert (message["type"], message["sessionId"], message["key"]) == ("upload.completed", session_id, key)
    assert (message["size"], message["status"]) == (4000, "UPLOADED")
    assert (row["status"], row["uploadKey"], row["size"], row["etag"]) == ("UPLOADED", key, "4000", message["etag"])


@pytest.mark.slow
async def test_a_session_that_says_what_it_allows_gets_a_verdict_for_what_is_in_the_bucket(fleet: Outside) -> None:
    png, gif = b"\x89PNG\r\n\x1a\n" + b"\0" * 5_000, b"GIF89a/*\x01\0*/=1;alert(1)//"
    gate: dict[str, Any] = {"allowedTypes": {"L": [{"S": "image/*"}]}, "maxBytes": {"N": "10000"}}
    stories = {
        "photo.png": (png, "COMPLETE", "image/png", None),
        "photo.jpg": (b"<html><body>hello", "REJECTED", "text/html", "content_mismatch"),
        "polyglot.gif": (gif, "REJECTED", "image/gif", "content_mismatch"),
        "empty.png": (b"", "REJECTED", None, "empty"),
        "large.png": (png * 3, "REJECTED", None, "too_large"),
    }
    for name, (content, status, found, reason) in stories.items():
        session_id = fleet.session("anna", **gate)
        async with fleet.browser(session_id) as browser:
            fleet.upload(f"session-uploads/{session_id}/{name}", content)
            [message] = await fleet.until(lambda browser=browser: browser.messages, f"the verdict of {name}")
        told = (message["status"], message.get("contentType"), message.get("reason"))
        assert told == (status, found, reason), name

        def concluded(session_id: str = session_id) -> dict[str, Any] | None:
            found = fleet.session_row(session_id)
            return found if found.get("announcedSequencer") else None

        row = await fleet.until(concluded, f"the row of {name}")
        assert (row["status"], row.get("contentType"), row.get("reason")) == (status, found, reason), name


@pytest.mark.slow
async def test_a_file_that_is_replaced_at_once_gets_the_verdict_of_what_replaced_it(fleet: Outside) -> None:
    session_id = fleet.session("anna", allowedTypes={"L": [{"S": "image/png"}]})
    key, html = f"session-uploads/{session_id}/a.png", b"<html>"
    stale = notification(fleet, key, "0000000000000001", size=8)  # of a file that nobody finds any more
    fleet.upload(key, html)
    fleet.send("uploads", stale)
    row = await fleet.until(
        lambda: (found := fleet.session_row(session_id)).get("announcedSequencer") and found, "the verdict"
    )
    assert (row["status"], row["reason"], row["contentType"]) == ("REJECTED", "content_mismatch", "text/html")


@pytest.mark.slow
@pytest.mark.parametrize(("result", "status"), [("NO_THREATS_FOUND", "COMPLETE"), ("THREATS_FOUND", "REJECTED")])
async def test_a_file_waits_for_what_its_scan_says(fleet: Outside, result: str, status: str) -> None:
    session_id = fleet.session("anna", scanRequired={"BOOL": True})
    key = f"session-uploads/{session_id}/a+b c%20d.txt"
    async with fleet.browser(session_id) as browser:
        fleet.upload(key, b"hello")
        row = await fleet.until(
            lambda: (found := fleet.session_row(session_id))["status"] == "SCANNING" and found, "the state SCANNING"
        )
        assert browser.messages == []
        about = {"bucketName": fleet.name("UPLOAD_BUCKET_NAME"), "objectKey": key, "eTag": row["etag"]}
        if row["versionId"]:
            about["versionId"] = row["versionId"]
        event = json.loads((EVENTS / "guardduty-threats-found.json").read_text())
        event["detail"] |= {"s3ObjectDetails": about, "scanResultDetails": {"scanResultStatus": result}}
        fleet.send("uploads", json.dumps(event))
        [message] = await fleet.until(lambda: browser.messages, "the verdict")
    assert (message["status"], message.get("reason")) == (status, None if status == "COMPLETE" else "threats_found")


async def test_a_session_without_a_browser_is_moved_on_all_the_same(fleet: Outside) -> None:
    session_id = fleet.session("anna")
    fleet.upload(f"session-uploads/{session_id}/a.txt", b"a")
    await fleet.until(lambda: fleet.session_row(session_id)["status"] == "UPLOADED", "the session's state")


async def test_five_copies_of_one_message_tell_the_browser_once(fleet: Outside) -> None:
    session_id = fleet.session("anna")
    body = notification(fleet, f"session-uploads/{session_id}/a.txt", "0055AED6DCD90281E5")
    async with fleet.browser(session_id) as browser:
        for _ in range(5):
            fleet.send("uploads", body)
        await fleet.until(lambda: browser.messages, "the browser's message")
        await fleet.until(lambda: fleet.waiting("uploads") == 0, "an empty queue")
        assert len(browser.messages) == 1


async def test_of_two_uploads_to_one_key_the_newer_stays_whatever_comes_last(fleet: Outside) -> None:
    session_id = fleet.session("anna")
    key = f"session-uploads/{session_id}/a.txt"
    fleet.send("uploads", notification(fleet, key, "0055AED6DCD90281E5", size=2))
    await fleet.until(lambda: fleet.session_row(session_id).get("size") == "2", "the newer upload")
    fleet.send("uploads", notification(fleet, key, "0055AED6DCD90281E4", size=1))
    fleet.send("uploads", notification(fleet, key, "0055AED6DCD90281E3", name="ObjectRemoved:Delete"))
    await fleet.until(lambda: fleet.waiting("uploads") == 0, "an empty queue")
    row = fleet.session_row(session_id)
    assert (row["status"], row["size"]) == ("UPLOADED", "2")


async def test_a_connection_that_is_gone_is_forgotten_and_the_upload_still_counts(fleet: Outside) -> None:
    session_id = fleet.session("anna", wsConnectionId={"S": "L0SM9cOFvHcCIhw="})
    fleet.upload(f"session-uploads/{session_id}/a.txt", b"a")
    row = await fleet.until(
        lambda: (found := fleet.session_row(session_id)).get("announcedSequencer") and found, "the announcement"
    )
    assert (row["status"], "wsConnectionId" in row) == ("UPLOADED", False)


async def test_an_upload_for_a_session_that_nobody_knows_is_settled_and_not_a_dead_letter(fleet: Outside) -> None:
    fleet.upload(f"session-uploads/unknown-{uuid.uuid4().hex}/a.txt", b"a")
    await fleet.until(lambda: fleet.waiting("uploads") == 0, "an empty queue")
