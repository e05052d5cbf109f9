"""DynamoDB stream records as pipes, Lambda and the SDK spell them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from shared.message.envelope import stream_record
from shared.outcome import Reject

EVENTS = Path(__file__).parents[2] / "events"


def recorded(name: str) -> str:
    return (EVENTS / f"{name}.json").read_text()


def body(**changes: Any) -> str:
    opened: dict[str, Any] = orjson.loads(recorded("stream-insert"))
    opened["dynamodb"] |= changes
    return orjson.dumps(opened).decode()


def test_an_insert_has_its_keys_its_new_image_and_no_old_one() -> None:
    record = stream_record(recorded("stream-insert"))
    assert (record.event_name, record.table) == ("INSERT", "fleet-sessions-dev")
    assert record.event_id == "c4ca4238a0b923820dcc509a6f75849b"
    assert record.keys == {"sessionId": {"S": "s-0001"}}
    assert record.old is None
    assert record.new is not None
    assert record.new["expiresAt"] == {"N": "1795255200"}


def test_a_change_has_both_images() -> None:
    record = stream_record(recorded("stream-modify"))
    assert record.old is not None
    assert record.new is not None
    assert (record.old["status"], record.new["status"]) == ({"S": "AWAITING_SCAN"}, {"S": "UPLOADED"})


@pytest.mark.parametrize(
    ("name", "by_time_to_live"),
    [
        ("stream-remove", False),
        ("stream-remove-by-user", False),
        ("stream-remove-by-ttl", True),
        ("stream-remove-by-ttl-sdk-spelling", True),
    ],
)
def test_only_dynamodbs_own_deletes_are_by_time_to_live(name: str, *, by_time_to_live: bool) -> None:
    assert stream_record(recorded(name)).by_time_to_live is by_time_to_live


def test_every_type_arrives_as_it_was_sent() -> None:
    sent = orjson.loads(recorded("stream-all-types"))["dynamodb"]["NewImage"]
    assert stream_record(recorded("stream-all-types")).new == sent


def test_numbers_of_38_digits_stay_text() -> None:
    new = stream_record(recorded("stream-all-types")).new
    assert new is not None
    assert new["number"] == {"N": "12345678901234567890123456789012345678"}


@pytest.mark.parametrize("at", [1795251600, 1795251600.0, "2026-11-21T09:00:00Z", "2026-11-21T10:00:00+01:00"])
def test_the_time_of_the_change_is_read_in_every_form(at: object) -> None:
    record = stream_record(body(ApproximateCreationDateTime=at))
    assert record.created_at == datetime(2026, 11, 21, 9, tzinfo=UTC)


@pytest.mark.parametrize("text", ["{}", '{"dynamodb":[]}', '{"Records":[]}'])
def test_a_body_without_a_change_is_refused(text: str) -> None:
    with pytest.raises(Reject, match="not a DynamoDB stream record"):
        stream_record(text)


@pytest.mark.parametrize("name", ["Keys", "SequenceNumber", "ApproximateCreationDateTime"])
def test_a_change_without_a_needed_part_is_refused_without_quoting_it(name: str) -> None:
    with pytest.raises(ValidationError) as refused:
        stream_record(body(**{name: None}))
    assert "s-0001" not in str(refused.value)
