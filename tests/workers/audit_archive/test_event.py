"""What the audit queue's messages are read into, and what is refused with a reason instead of archived wrong."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from shared.outcome import Reject
from tests.fakes import delivery
from workers.audit_archive.event import DigestDue, RowChanged, decode

EVENTS = Path(__file__).parents[2] / "events"


def changed(path: str, value: Any) -> str:
    """The body of an INSERT with one thing in it changed; `path` in dots."""
    body: dict[str, Any] = orjson.loads((EVENTS / "stream-insert.json").read_bytes())
    *way, last = path.split(".")
    place = body
    for step in way:
        place = place[step]
    place[last] = value
    return orjson.dumps(body).decode()


@pytest.mark.parametrize("name", sorted(path.name for path in EVENTS.glob("stream-*.json")))
def test_every_recorded_stream_record_is_a_changed_row(name: str) -> None:
    event = decode(delivery((EVENTS / name).read_text()))
    assert isinstance(event, RowChanged)


def test_the_schedules_tick_asks_for_a_digest() -> None:
    event = decode(delivery('{"source":"scheduler","time":"2026-11-21T09:05:00Z"}'))
    assert event == DigestDue(datetime(2026, 11, 21, 9, 5, tzinfo=UTC))


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        ("eventID", "", "eventID"),
        ("eventID", "two words", "eventID"),
        ("eventID", "e" * 257, "eventID"),
        ("eventSourceARN", "arn:aws:dynamodb:us-east-1:000000000000:table/../stream/x", "names no DynamoDB table"),
        ("eventSourceARN", "arn:aws:dynamodb:us-east-1::table/things/stream/x", "names no account and region"),
        ("eventSourceARN", "arn:aws:dynamodb::000000000000:table/things/stream/x", "names no account and region"),
        ("dynamodb.SequenceNumber", "12a", "SequenceNumber"),
        ("dynamodb.SequenceNumber", "1" * 41, "SequenceNumber"),
        ("dynamodb.Keys", {}, "no keys"),
        ("dynamodb.NewImage", None, "NEW_AND_OLD_IMAGES"),
        ("dynamodb.NewImage", {"a": {"X": "1"}}, "no DynamoDB type"),
        ("dynamodb.NewImage", {"a": {"S": 1}}, "no DynamoDB type"),
        ("dynamodb.NewImage", {"a": {"N": 1}}, "no DynamoDB type"),
        ("dynamodb.NewImage", {"a": {"N": "one"}}, "no DynamoDB type"),
        ("dynamodb.NewImage", {"a": {"B": "not base64!"}}, "no DynamoDB type"),
        ("dynamodb.NewImage", {"a": {"BOOL": "true"}}, "no DynamoDB type"),
        ("dynamodb.NewImage", {"a": {"SS": []}}, "no DynamoDB type"),
        ("dynamodb.NewImage", {"a": {"NS": ["1", "x"]}}, "no DynamoDB type"),
        ("dynamodb.NewImage", {"a": {"BS": ["%"]}}, "no DynamoDB type"),
        ("dynamodb.NewImage", {"a": {"L": {}}}, "no DynamoDB type"),
        ("dynamodb.NewImage", {"a": {"L": ["untyped"]}}, "not typed"),
        ("dynamodb.NewImage", {"a": {"M": {"b": {}}}}, "not typed"),
        ("dynamodb.NewImage", {"a": {"S": "x", "N": "1"}}, "not typed"),
    ],
)
def test_a_record_that_could_not_be_archived_truly_is_refused(path: str, value: Any, why: str) -> None:
    with pytest.raises(Reject, match=why):
        decode(delivery(changed(path, value)))


def test_an_image_deeper_than_dynamodb_allows_is_refused() -> None:
    deep: dict[str, Any] = {"S": "bottom"}
    for _ in range(70):
        deep = {"M": {"a": deep}}
    with pytest.raises(Reject, match="deeper"):
        decode(delivery(changed("dynamodb.NewImage", {"a": deep})))


@pytest.mark.parametrize("name", ["MODIFY", "REMOVE"])
def test_a_change_without_its_old_image_is_refused(name: str) -> None:
    with pytest.raises(Reject, match="NEW_AND_OLD_IMAGES"):
        decode(delivery(changed("eventName", name)))


@pytest.mark.parametrize("body", ["not json", "[]", "{}", '{"source":"aws.s3"}', '{"dynamodb":1}'])
def test_what_is_neither_record_nor_tick_is_refused(body: str) -> None:
    with pytest.raises(Reject):
        decode(delivery(body))


@pytest.mark.parametrize(("path", "value"), [("eventName", "UPSERT"), ("eventID", None), ("eventSourceARN", None)])
def test_a_record_without_what_makes_it_one_is_refused(path: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        decode(delivery(changed(path, value)))


def test_a_tick_without_an_offset_is_refused() -> None:
    with pytest.raises(ValidationError):
        decode(delivery('{"source":"scheduler","time":"2026-11-21T09:05:00"}'))
