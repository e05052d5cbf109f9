"""What browser and bus are sent."""

from datetime import timedelta

import orjson

from tests.workers.upload_notification.fakes import NOON, finished, session, uploaded
from workers.upload_notification.announcement import LARGEST_POINTER, detail, entry, message, pointer

UPLOAD = finished(name="a b+ü.jpg")
SESSION = session(uploaded(UPLOAD))


def test_the_browser_is_sent_exactly_these_fields() -> None:
    assert orjson.loads(message(UPLOAD, SESSION)) == {
        "type": "upload.completed",
        "version": 1,
        "sessionId": "s1",
        "key": "session-uploads/s1/a b+ü.jpg",
        "size": 7,
        "etag": "e-tag",
        "sequencer": UPLOAD.order,
        "status": "UPLOADED",
        "occurredAt": "2026-11-21T12:00:00.000Z",
    }


def test_the_bus_is_told_the_bucket_and_the_tenant_too() -> None:
    assert detail(UPLOAD, session(uploaded(UPLOAD, tenantId="acme"))) == {
        "id": UPLOAD.id,
        "correlationId": "s1",
        "tenantId": "acme",
        "sessionId": "s1",
        "key": "session-uploads/s1/a b+ü.jpg",
        "bucket": "fleet-uploads-dev",
        "size": 7,
        "etag": "e-tag",
        "sequencer": UPLOAD.order,
        "status": "UPLOADED",
        "occurredAt": "2026-11-21T12:00:00.000Z",
    }


def test_the_bus_event_happened_when_the_upload_did() -> None:
    assert entry(finished(at=7), SESSION).time == NOON + timedelta(seconds=7)


def test_without_a_tenant_the_bus_event_has_none() -> None:
    assert "tenantId" not in detail(UPLOAD, SESSION)


def test_a_message_that_no_connection_takes_becomes_a_pointer() -> None:
    huge = finished(name="x" * 140_000)
    assert message(huge, SESSION) == pointer(huge, SESSION)


def test_a_pointer_says_which_session_to_look_at() -> None:
    assert orjson.loads(pointer(UPLOAD, SESSION)) == {
        "type": "upload.completed",
        "version": 1,
        "sessionId": "s1",
        "sequencer": UPLOAD.order,
        "status": "UPLOADED",
        "occurredAt": "2026-11-21T12:00:00.000Z",
    }


def test_of_a_bucket_with_versions_both_are_told_which_one() -> None:
    versioned = finished(version="v7")
    told = orjson.loads(message(versioned, SESSION))
    assert told["versionId"] == detail(versioned, SESSION)["versionId"] == "v7"


def test_a_pointer_is_short_whatever_the_session_is_called() -> None:
    assert len(pointer(finished(session_id="\x01" * 900), SESSION)) <= LARGEST_POINTER
