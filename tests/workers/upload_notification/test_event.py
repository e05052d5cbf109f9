"""What of a message concerns upload sessions."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.message.s3_events import padded_sequencer
from shared.outcome import Reject
from tests.fakes import delivery
from workers.upload_notification.event import (
    Change,
    Ignored,
    UploadEvents,
    UploadFinished,
    UploadRemoved,
    decode,
    instant,
    session_of,
)

EVENTS = Path(__file__).parents[2] / "events"
BUCKET = "fleet-uploads-dev"


def decoded(name: str) -> UploadEvents:
    return decode(delivery((EVENTS / f"s3-{name}.json").read_text()), bucket=BUCKET)


def test_an_upload_is_read_with_its_session_size_etag_and_order() -> None:
    (change,) = decoded("classic-2.2-post").changes

    assert isinstance(change, UploadFinished)
    assert (change.session_id, change.key) == ("s1", "session-uploads/s1/a b+c ü.jpg")
    assert (change.size, change.etag) == (20480, "9b2cf535f27731c974343645a3985328")
    assert change.order == padded_sequencer("617f08299329d189")


def test_a_key_from_eventbridge_is_used_as_it_is() -> None:
    (change,) = decoded("eventbridge-created").changes
    assert change.key == "session-uploads/s1/a+b c%20d.jpg"


def test_the_etag_of_a_multipart_upload_is_kept_as_it_is() -> None:
    (change,) = decoded("classic-2.1-multipart").changes
    assert isinstance(change, UploadFinished)
    assert change.etag.endswith("-7")


@pytest.mark.parametrize("name", ["classic-delete", "classic-delete-marker", "eventbridge-lifecycle-deleted"])
def test_a_deletion_is_a_removal(name: str) -> None:
    (change,) = decoded(name).changes
    assert isinstance(change, UploadRemoved)


@pytest.mark.parametrize("name", ["test-event", "sns-test-event"])
def test_the_test_event_of_s3_is_ignored(name: str) -> None:
    assert decoded(name) == UploadEvents(ignored=(Ignored("test_event"),))


@pytest.mark.parametrize("name", ["classic-tagging", "eventbridge-tags-added"])
def test_a_record_of_another_kind_is_ignored_with_the_reason(name: str) -> None:
    assert decoded(name) == UploadEvents(ignored=(Ignored("other_kind"),))


def test_a_notification_without_a_record_is_ignored_with_the_reason() -> None:
    assert decode(delivery('{"Records": []}'), bucket=BUCKET) == UploadEvents(ignored=(Ignored("no_record"),))


def test_a_bad_record_is_named_beside_the_good_ones() -> None:
    found = decoded("classic-several-records-one-bad")

    assert [change.session_id for change in found.changes] == ["s1", "s2"]
    assert found.unreadable == ("record 2: object.key: missing",)


def test_a_body_that_is_not_an_s3_event_is_refused() -> None:
    with pytest.raises(Reject):
        decode(delivery('{"hello": "world"}'), bucket=BUCKET)


def test_another_bucket_is_none_of_ours() -> None:
    body = (EVENTS / "s3-classic-several-records.json").read_text()
    found = decode(delivery(body), bucket="fleet-uploads-prod")
    assert found == UploadEvents(ignored=(Ignored("other_bucket"), Ignored("other_bucket")))


def test_a_key_outside_the_prefix_is_ignored_beside_one_inside() -> None:
    body = json.loads((EVENTS / "s3-classic-several-records.json").read_text())
    body["Records"][0]["s3"]["object"]["key"] = "elsewhere/s1/a.jpg"
    found = decode(delivery(json.dumps(body)), bucket=BUCKET)

    assert found.ignored == (Ignored("outside_prefix"),)
    assert [change.session_id for change in found.changes] == ["s2"]


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("elsewhere/s1/a.jpg", "outside_prefix"),
        ("session-uploads", "outside_prefix"),
        ("/session-uploads/s1/a.jpg", "outside_prefix"),
        ("Session-Uploads/s1/a.jpg", "outside_prefix"),
        ("session-uploads/", "no_session_id"),
        ("session-uploads//a.jpg", "no_session_id"),
        ("session-uploads/a.jpg", "no_name"),
        ("session-uploads/s1/", "no_name"),
        ("session-uploads/s1/folder/", "no_name"),
        ("session-uploads/../s1/a.jpg", "path_not_plain"),
        ("session-uploads/s1/../s2/a.jpg", "path_not_plain"),
        ("session-uploads/s1/..", "path_not_plain"),
        ("session-uploads/./a.jpg", "path_not_plain"),
    ],
)
def test_a_key_that_names_no_session_and_file_is_ignored_with_the_reason(key: str, why: str) -> None:
    assert session_of(key) == Ignored(why)  # type: ignore[arg-type]  # one of the reasons


@pytest.mark.parametrize("name", ["a.jpg", "..a", "a..", "photos/a.jpg", "/a.jpg", " ", "..%2F", "a\nb", "%2E%2E"])
def test_an_odd_name_is_a_name(name: str) -> None:
    assert session_of(f"session-uploads/s1/{name}") == "s1"


def event_bridge(key: str, **fields: str) -> UploadFinished:
    body = json.loads((EVENTS / "s3-eventbridge-created.json").read_text())
    body["detail"]["object"] |= {"key": key, **fields}
    (change,) = decode(delivery(json.dumps(body)), bucket=BUCKET).changes
    assert isinstance(change, UploadFinished)
    return change


def test_the_same_change_has_the_same_id_by_either_road() -> None:
    (classic,) = decoded("classic-2.1-multipart").changes
    bridged = event_bridge(classic.key, sequencer="617F0837B476E463")

    assert bridged.id == classic.id
    assert bridged.order == classic.order


def test_a_delete_marker_is_of_the_whole_key_and_a_deletion_of_one_version() -> None:
    body = json.loads((EVENTS / "s3-classic-delete-marker.json").read_text())
    assert removal(body).version == ""
    body["Records"][0]["eventName"] = "ObjectRemoved:Delete"
    assert removal(body).version == body["Records"][0]["s3"]["object"]["versionId"]

    bridged = json.loads((EVENTS / "s3-eventbridge-created.json").read_text()) | {"detail-type": "Object Deleted"}
    bridged["detail"]["object"]["version-id"] = "v1"
    assert removal(bridged | {"detail": bridged["detail"] | {"deletion-type": "Delete Marker Created"}}).version == ""
    assert removal(bridged | {"detail": bridged["detail"] | {"deletion-type": "Permanently Deleted"}}).version == "v1"


def removal(body: dict[str, Any]) -> UploadRemoved:
    (change,) = decode(delivery(json.dumps(body)), bucket=BUCKET).changes
    assert isinstance(change, UploadRemoved)
    return change


def test_another_change_has_another_id() -> None:
    one = event_bridge("session-uploads/s1/a", sequencer="01")
    assert one.id != event_bridge("session-uploads/s1/a", sequencer="02").id
    assert one.id != event_bridge("session-uploads/s1/b", sequencer="01").id


@settings(deadline=None)
@given(name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_an_id_fits_everywhere_whatever_the_key(name: str) -> None:
    change = event_bridge(f"session-uploads/s1/{name}x")
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", change.id)


def test_without_a_sequencer_time_gives_the_order() -> None:
    body = json.loads((EVENTS / "s3-classic-no-sequencer.json").read_text())
    changes: list[Change] = []
    for time in ("2026-11-21T09:00:00.999Z", "2026-11-21T09:00:01.001Z", "2026-11-21T10:00:01.002+01:00"):
        body["Records"][0]["eventTime"] = time
        changes += decode(delivery(json.dumps(body)), bucket=BUCKET).changes

    orders = [change.order for change in changes]
    assert orders == sorted(set(orders))
    assert len({change.id for change in changes}) == 3


def test_a_missing_size_is_zero() -> None:
    body = json.loads((EVENTS / "s3-classic-2.1-put.json").read_text())
    del body["Records"][0]["s3"]["object"]["size"]
    (change,) = decode(delivery(json.dumps(body)), bucket=BUCKET).changes
    assert isinstance(change, UploadFinished)
    assert change.size == 0


def test_times_are_written_in_utc_with_a_fixed_width() -> None:
    (change,) = decoded("classic-2.1-put").changes
    assert instant(change.occurred_at) == "2026-11-21T09:00:00.123Z"
    (change,) = decoded("eventbridge-created").changes
    assert instant(change.occurred_at) == "2026-11-21T09:00:00.000Z"


def test_what_a_bucket_without_versions_calls_null_is_no_version() -> None:
    body = json.loads((EVENTS / "s3-classic-2.1-put.json").read_text())
    body["Records"][0]["s3"]["object"]["versionId"] = "null"
    (created,) = decode(delivery(json.dumps(body)), bucket=BUCKET).changes
    body["Records"][0]["eventName"] = "ObjectRemoved:Delete"
    (gone,) = decode(delivery(json.dumps(body)), bucket=BUCKET).changes
    assert (created.version, gone.version) == ("", "")
