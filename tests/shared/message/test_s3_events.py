"""What is read from the bodies that S3 sends, by whatever road they come."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.message.s3_events import S3Change, S3Changes, padded_sequencer, s3_changes
from shared.outcome import Reject

EVENTS = Path(__file__).parents[2] / "events"

SHAPES = [
    ("classic-2.1-put", "created", "session-uploads/s1/red flower.jpg", 1024, "0055aed6dcd90281e5"),
    ("classic-2.2-post", "created", "session-uploads/s1/a b+c ü.jpg", 20480, "617f08299329d189"),
    ("classic-2.3-copy", "created", "session-uploads/s1/写真.png", 77, "0055aed6dcd90281e6"),
    ("classic-2.1-multipart", "created", "session-uploads/s1/video.mp4", 52_428_800, "617f0837b476e463"),
    ("classic-2.6-put", "created", "session-uploads/s1/later.bin", 3, "00064d1b9a4c3f0001"),
    ("classic-blank-as-percent-20", "created", "session-uploads/s1/a b.txt", 2, "0055aed6dcd90281e5"),
    ("classic-no-sequencer", "created", "session-uploads/s1/red flower.jpg", 1, ""),
    ("classic-delete", "removed", "session-uploads/s1/red flower.jpg", None, "0055aed6dcd90281e6"),
    ("classic-delete-marker", "removed", "session-uploads/s1/red flower.jpg", None, "0055aed6dcd90281e7"),
    ("classic-lifecycle-expiration", "removed", "session-uploads/s1/red flower.jpg", None, "0055aed6dcd90281e8"),
    ("sns-classic-put", "created", "session-uploads/s1/red flower.jpg", 1024, "0055aed6dcd90281e5"),
    ("eventbridge-created", "created", "session-uploads/s1/a+b c%20d.jpg", 5, "617f08299329d189"),
    ("eventbridge-created-versioned", "created", "session-uploads/s1/video.mp4", 52_428_800, "617f0837b476e463"),
    ("sns-eventbridge-created", "created", "session-uploads/s1/a+b c%20d.jpg", 5, "617f08299329d189"),
    ("eventbridge-deleted", "removed", "session-uploads/s1/a+b c%20d.jpg", None, "617f0837b476e463"),
    ("eventbridge-delete-marker", "removed", "session-uploads/s1/video.mp4", None, "617f0837b476e464"),
    ("eventbridge-lifecycle-deleted", "removed", "session-uploads/s1/a+b c%20d.jpg", None, "617f0837b476e465"),
]


def recorded(name: str) -> str:
    return (EVENTS / f"s3-{name}.json").read_text()


def only_change(body: str) -> S3Change:
    parsed = s3_changes(body)
    assert parsed.unreadable == ()
    (change,) = parsed.changes
    return change


@pytest.mark.parametrize(("name", "kind", "key", "size", "sequencer"), SHAPES, ids=[shape[0] for shape in SHAPES])
def test_every_recorded_shape_is_read(name: str, kind: str, key: str, size: int | None, sequencer: str) -> None:
    change = only_change(recorded(name))

    assert (change.kind, change.bucket, change.key, change.size) == (kind, "fleet-uploads-dev", key, size)
    assert change.sequencer == padded_sequencer(sequencer)
    assert change.occurred_at.utcoffset() is not None


def test_a_notification_keeps_milliseconds_etag_and_version() -> None:
    change = only_change(recorded("classic-2.3-copy"))

    assert change.occurred_at == datetime(2026, 11, 21, 9, 0, 0, 123_000, tzinfo=UTC)
    assert change.etag == "0c2d5a5d6c3c2f5b64f0a0e4b1c5a111"
    assert change.version_id == "096fKKXTRTtl3on89fVO.nfljtsv6qko"


@pytest.mark.parametrize("name", ["test-event", "sns-test-event"])
def test_the_test_event_is_known_and_holds_no_change(name: str) -> None:
    assert s3_changes(recorded(name)) == S3Changes(ignored=("test_event",))


@pytest.mark.parametrize("name", ["classic-tagging", "eventbridge-tags-added"])
def test_records_of_other_kinds_are_ignored_with_the_reason(name: str) -> None:
    assert s3_changes(recorded(name)) == S3Changes(ignored=("other_kind",))


def test_several_records_come_in_their_order() -> None:
    parsed = s3_changes(recorded("classic-several-records"))

    assert [change.key for change in parsed.changes] == [
        "session-uploads/s1/red flower.jpg",
        "session-uploads/s2/two.txt",
    ]


def test_a_bad_record_does_not_take_the_good_ones_along() -> None:
    parsed = s3_changes(recorded("classic-several-records-one-bad"))

    assert [change.key for change in parsed.changes] == [
        "session-uploads/s1/red flower.jpg",
        "session-uploads/s2/two.txt",
    ]
    assert parsed.unreadable == ("record 2: object.key: missing",)


def test_an_unknown_major_version_is_refused() -> None:
    with pytest.raises(Reject, match=r"unknown version 3\.0"):
        s3_changes(recorded("classic-3.0-put"))


def test_a_key_that_is_not_utf_8_is_refused_and_not_mangled() -> None:
    with pytest.raises(Reject, match="not UTF-8"):
        s3_changes(recorded("classic-key-not-utf-8"))


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"Records": {}}', '{"Type": "Notification", "Message": "no JSON"}'])
def test_a_body_of_no_known_shape_is_refused(body: str) -> None:
    with pytest.raises(Reject):
        s3_changes(body)


def broken(**changes: Any) -> str:
    """The recorded put with fields replaced; names of `object` are prefixed with `object_`."""
    body = json.loads(recorded("classic-2.1-put"))
    record = body["Records"][0]
    for name, value in changes.items():
        if name.startswith("object_"):
            record["s3"]["object"][name.removeprefix("object_")] = value
        else:
            record[name] = value
    return json.dumps(body)


@pytest.mark.parametrize(
    "body",
    [
        '{"Records": ["a record"]}',
        broken(s3=None),
        broken(s3={"bucket": "fleet", "object": []}),
        broken(eventTime="yesterday"),
        broken(eventTime="2026-11-21T09:00:00"),
        broken(object_key=""),
        broken(object_key=7),
        broken(object_size=-1),
        broken(object_sequencer=12),
    ],
)
def test_a_record_with_broken_fields_is_refused_without_another_error(body: str) -> None:
    with pytest.raises((Reject, ValidationError)):
        s3_changes(body)


def test_fields_that_do_not_apply_may_be_null() -> None:
    change = only_change(broken(object_versionId=None, object_sequencer=None, object_eTag=None))

    assert (change.version_id, change.sequencer, change.etag) == ("", "", "")


def test_a_shorter_sequencer_is_padded_on_the_right() -> None:
    assert padded_sequencer("62") > padded_sequencer("617f0837b476e463")


def test_the_case_of_a_sequencer_means_nothing() -> None:
    assert padded_sequencer("0055AED6DCD90281E5") == padded_sequencer("0055aed6dcd90281e5")


KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda key: len(key.encode()) <= 1024)


@settings(deadline=None)
@given(key=KEYS)
def test_any_key_comes_back_from_a_notification_byte_for_byte(key: str) -> None:
    for encoded in (quote_plus(key), quote_plus(key, safe="/"), quote(key)):
        assert only_change(broken(object_key=encoded)).key.encode() == key.encode()


@settings(deadline=None)
@given(key=KEYS)
def test_any_key_comes_back_from_eventbridge_byte_for_byte(key: str) -> None:
    body = json.loads(recorded("eventbridge-created"))
    body["detail"]["object"]["key"] = key

    assert only_change(json.dumps(body, ensure_ascii=False)).key.encode() == key.encode()
    assert only_change(json.dumps(body)).key.encode() == key.encode()


SQS_RECORD = {"eventSource": "aws:sqs", "messageId": "m", "eventSourceARN": "arn:aws:sqs:eu-central-1:111122223333:q"}


def in_sqs(*bodies: str) -> str:
    return json.dumps({"Records": [SQS_RECORD | {"body": body} for body in bodies]})


def in_sns(body: str) -> str:
    return json.dumps({"Type": "Notification", "Message": body})


def to_a_function(*bodies: str) -> str:
    return json.dumps({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": body}} for body in bodies]})


def test_every_recorded_shape_is_read_out_of_whatever_wraps_it() -> None:
    for name, *_ in SHAPES:
        for wrapped in (
            in_sqs,
            to_a_function,
            lambda body: in_sns(in_sqs(body)),
            lambda body: in_sqs(in_sqs(body)),
            lambda body: in_sns(in_sns(body)),
        ):
            assert s3_changes(wrapped(recorded(name))) == s3_changes(recorded(name)), name


def test_wrapped_messages_are_counted_through_and_a_broken_one_does_not_take_the_others_along() -> None:
    put, empty = recorded("classic-2.1-put"), '{"Records": []}'
    found = s3_changes(in_sqs(recorded("classic-several-records"), "no JSON", recorded("test-event"), empty, put))

    assert len(found.changes) == 3
    assert found.unreadable == ("record 3: body is not JSON",)
    assert found.ignored == ("test_event",)
    with pytest.raises(Reject, match="body is not JSON"):
        s3_changes(in_sqs("no JSON"))


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ('{"Records": []}', "no_record"),
        (in_sqs('{"Records": []}'), "no_record"),
        ('{"Records": [{}]}', "unknown_event"),
        ('{"Records": [{"eventName": "Something"}]}', "unknown_event"),
        ('{"Records": [{"eventSource": "aws:s3", "eventVersion": "2.1"}]}', "unknown_event"),
        ('{"Records": [{"eventSource": "aws:ses", "eventVersion": "1.0"}]}', "unknown_source"),
        ('{"Records": [{"eventSource": "aws:sqs", "body": 7}]}', "unknown_source"),
        ('{"source": "shop", "detail-type": "order.placed", "detail": {}}', "unknown_source"),
        (in_sqs(in_sqs(in_sqs(in_sqs(in_sqs("{}"))))), "unknown_source"),
    ],
)
def test_what_tells_no_change_is_ignored_with_the_reason(body: str, why: Any) -> None:
    found = s3_changes(body)
    assert (found.changes, found.unreadable, found.ignored) == ((), (), (why,))


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "1969-12-31T23:59:59Z"])
def test_a_time_that_no_object_has_does_not_take_the_others_along(time: str) -> None:
    put = recorded("classic-2.1-put")
    odd = json.loads(put)
    odd["Records"][0]["eventTime"] = time
    found = s3_changes(in_sqs(json.dumps(odd), put))
    assert (len(found.changes), found.unreadable[0].partition(": ")[0]) == (1, "record 1")


def test_an_event_of_another_service_is_handed_on_with_its_place() -> None:
    other = '{"source": "shop", "detail-type": "order.placed", "detail": {}}'
    found = s3_changes(in_sqs(recorded("classic-2.1-put"), other))
    assert (len(found.changes), found.foreign) == (1, ((2, json.loads(other)),))
