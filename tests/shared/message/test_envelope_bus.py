"""Bus events and ticks, out of whatever SQS wrapped them in. S3 has a file of its own."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.message.envelope import ScheduleTick, bus_event, document, schedule_tick, stream_record
from shared.outcome import Reject

EVENT: dict[str, Any] = {
    "version": "0",
    "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
    "detail-type": "upload.completed",
    "source": "fleet.uploads",
    "account": "123456789012",
    "time": "2026-11-21T09:00:00Z",
    "region": "us-east-1",
    "resources": [],
    "detail": {"id": "up_1", "tenantId": "t-1", "size": 7},
}


def event(**changes: Any) -> str:
    return json.dumps({**EVENT, **changes})


def by_sns(message: str) -> str:
    """As SNS delivers without raw message delivery."""
    return json.dumps(
        {
            "Type": "Notification",
            "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
            "TopicArn": "arn:aws:sns:us-east-1:123456789012:fleet",
            "Message": message,
            "Timestamp": "2026-11-21T09:00:00.000Z",
            "SignatureVersion": "1",
        }
    )


def test_a_bus_event_is_read_with_the_names_of_eventbridge() -> None:
    assert bus_event(event()).model_dump() == {
        "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
        "source": "fleet.uploads",
        "detail_type": "upload.completed",
        "time": datetime(2026, 11, 21, 9, tzinfo=UTC),
        "account": "123456789012",
        "region": "us-east-1",
        "detail": {"id": "up_1", "tenantId": "t-1", "size": 7},
    }


@pytest.mark.parametrize("missing", ["id", "source", "detail-type", "time", "detail"])
def test_an_event_without_its_essentials_is_refused(missing: str) -> None:
    body = json.dumps({name: value for name, value in EVENT.items() if name != missing})
    with pytest.raises(ValidationError):
        bus_event(body)


@pytest.mark.parametrize("detail", [None, "text", [1], 5])
def test_a_detail_that_is_not_an_object_is_refused(detail: object) -> None:
    with pytest.raises(ValidationError):
        bus_event(event(detail=detail))


@pytest.mark.parametrize("time", ["2026-11-21T09:00:00", "2026-11-21", "yesterday", None])
def test_a_time_without_an_offset_is_refused(time: str | None) -> None:
    with pytest.raises(ValidationError):
        bus_event(event(time=time))
    with pytest.raises(ValidationError):
        schedule_tick(json.dumps({"source": "scheduler", "time": time}))


@pytest.mark.parametrize("own", ["up_1", "order:42", "a b", "x" * 100, "zażółć"])
def test_the_key_of_an_event_is_its_business_id(own: str) -> None:
    assert bus_event(event(detail={"id": own})).key == own


@pytest.mark.parametrize("own", [None, "", 42, ["a"]])
def test_what_is_not_text_is_not_a_business_id(own: object) -> None:
    assert bus_event(event(detail={"id": own})).key == EVENT["id"]


def test_an_event_without_a_business_id_is_known_by_its_own() -> None:
    assert bus_event(event(detail={})).key == EVENT["id"]


def test_an_event_does_not_change() -> None:
    found = bus_event(event())
    with pytest.raises(ValidationError):
        found.source = "other"


def test_a_tick_names_the_instant_it_fired_for() -> None:
    tick = schedule_tick('{"source":"scheduler","time":"2026-11-21T09:00:00Z"}')
    assert tick == ScheduleTick(source="scheduler", time=datetime(2026, 11, 21, 9, tzinfo=UTC))


def test_a_tick_with_another_offset_is_told_in_utc() -> None:
    tick = schedule_tick('{"source":"scheduler","time":"2026-11-21T10:00:00+01:00"}')
    assert f"{tick.time:%Y-%m-%dT%H:%M}" == "2026-11-21T09:00"
    assert tick.time.tzinfo is UTC


@pytest.mark.parametrize("body", ['{"source":"aws.events","time":"2026-11-21T09:00:00Z"}', "{}", event()])
def test_what_is_not_a_tick_is_refused(body: str) -> None:
    with pytest.raises(ValidationError):
        schedule_tick(body)


def test_a_document_comes_out_of_its_sns_envelope() -> None:
    assert bus_event(by_sns(event())) == bus_event(event())
    assert schedule_tick(by_sns('{"source":"scheduler","time":"2026-11-21T09:00:00Z"}')).time.hour == 9


def test_a_raw_sns_delivery_is_the_document_itself() -> None:
    assert document(event()) == EVENT


@pytest.mark.parametrize("message", ["", "hello", "[1]", "null"])
def test_an_sns_message_that_is_not_a_json_object_is_refused(message: str) -> None:
    with pytest.raises(Reject):
        document(by_sns(message))


def test_an_sns_envelope_is_opened_once() -> None:
    assert document(by_sns(by_sns("{}")))["Type"] == "Notification"


@pytest.mark.parametrize("business", [{"Type": "Notification"}, {"Type": "Notification", "Message": {"a": 1}}])
def test_a_document_that_only_looks_like_an_envelope_is_left_as_it_is(business: dict[str, Any]) -> None:
    assert document(json.dumps(business)) == business


@pytest.mark.parametrize(
    "body",
    ["", " ", "text", "{", "nan", '{"a": NaN}', '{"a": "\\ud800"}', "\ufeff{}", "[" * 5_000, "[]", "null", "7", '"x"'],
)
def test_what_is_not_a_json_object_is_refused_without_being_quoted(body: str) -> None:
    with pytest.raises(Reject, match=r"^body is (not JSON|JSON but not an object|nested deeper than 128 levels)$"):
        document(body)


@given(st.text())
def test_any_text_is_read_or_refused(body: str) -> None:
    with suppress(Reject):
        assert isinstance(document(body), dict)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["id", "source", "time", "detail", "detail-type", "dynamodb", "Keys"]), JSON))
def test_any_object_is_read_or_refused_with_the_two_errors_that_are_documented(found: dict[str, Any]) -> None:
    body = orjson.dumps(found).decode()
    for read in (bus_event, schedule_tick, stream_record):
        with suppress(Reject, ValidationError):
            read(body)
