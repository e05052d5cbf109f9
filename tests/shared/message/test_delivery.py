"""One message, two doors: a poll and a Lambda event are read into the same delivery."""

import base64
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.message.delivery import Attribute, Delivery, from_lambda, from_poll
from tests.fakes import delivery

TEXTS = st.text(min_size=1, max_size=40)
TIMES = st.integers(min_value=0, max_value=4_102_444_800_000).map(str)
VALUES = st.one_of(
    st.tuples(st.sampled_from(["String", "Number", "String.json"]), TEXTS),
    st.tuples(st.sampled_from(["Binary", "Binary.png"]), st.binary(min_size=1, max_size=40)),
)
MESSAGES = st.fixed_dictionaries(
    {
        "id": TEXTS,
        "handle": TEXTS,
        "body": st.text(max_size=200),
        "attributes": st.dictionaries(TEXTS, VALUES, max_size=10),
        "system": st.fixed_dictionaries(
            {"ApproximateReceiveCount": st.integers(min_value=1, max_value=10_000).map(str)},
            optional={
                "SentTimestamp": TIMES,
                "ApproximateFirstReceiveTimestamp": TIMES,
                "MessageGroupId": TEXTS,
                "AWSTraceHeader": TEXTS,
                "SenderId": TEXTS,
                "SequenceNumber": st.just("18849496460467696128"),
            },
        ),
    }
)


def polled(message: dict[str, Any]) -> Delivery:
    """As botocore answers: binary values are bytes."""
    attributes = {
        name: {"DataType": kind, "BinaryValue" if isinstance(value, bytes) else "StringValue": value}
        for name, (kind, value) in message["attributes"].items()
    }
    entry = {
        "MessageId": message["id"],
        "ReceiptHandle": message["handle"],
        "Body": message["body"],
        "MD5OfBody": "d41d8cd98f00b204e9800998ecf8427e",
        "Attributes": message["system"],
        **({"MessageAttributes": attributes} if attributes else {}),  # left out where there is none
    }
    return from_poll(entry, queue="uploads", received_at=77.0)


def invoked(message: dict[str, Any]) -> Delivery:
    """As Lambda writes it: lower case, binary values in base64, empty lists beside each value."""
    attributes = {
        name: {
            "dataType": kind,
            "stringListValues": [],
            "binaryListValues": [],
            **(
                {"binaryValue": base64.b64encode(value).decode()}
                if isinstance(value, bytes)
                else {"stringValue": value}
            ),
        }
        for name, (kind, value) in message["attributes"].items()
    }
    record = {
        "messageId": message["id"],
        "receiptHandle": message["handle"],
        "body": message["body"],
        "attributes": message["system"],
        "messageAttributes": attributes,
        "md5OfBody": "d41d8cd98f00b204e9800998ecf8427e",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:fleet-uploads-dev",
        "awsRegion": "us-east-1",
    }
    return from_lambda(record, queue="uploads")


def values(found: Delivery) -> tuple[object, ...]:
    """A delivery is equal to itself only; this is what it says."""
    return tuple(getattr(found, name) for name in Delivery.__slots__ if name != "received_at")


def plain(**system: str) -> dict[str, Any]:
    return {"id": "m", "handle": "r", "body": "{}", "attributes": {}, "system": system}


@given(MESSAGES)
def test_the_same_message_says_the_same_through_both_doors(message: dict[str, Any]) -> None:
    assert values(polled(message)) == values(invoked(message))


@given(MESSAGES)
def test_nothing_of_a_message_is_changed(message: dict[str, Any]) -> None:
    found = polled(message)
    assert (found.body, found.message_id, found.receipt_handle) == (message["body"], message["id"], message["handle"])
    assert {
        name: (each.data_type, each.text if each.binary is None else each.binary)
        for name, each in found.attributes.items()
    } == message["attributes"]


def test_times_are_told_in_seconds() -> None:
    found = polled(plain(SentTimestamp="1800000000123", ApproximateFirstReceiveTimestamp="1800000001000"))
    assert (found.sent_at, found.first_received_at) == (1_800_000_000.123, 1_800_000_001.0)


def test_what_sqs_did_not_tell_is_none_and_the_first_receipt_is_assumed() -> None:
    found = polled(plain())
    assert (found.sent_at, found.first_received_at, found.group, found.trace_header) == (None, None, None, None)
    assert found.attempt == 1


def test_only_a_poll_knows_the_clock_of_its_lease() -> None:
    assert (polled(plain()).received_at, invoked(plain()).received_at) == (77.0, 0.0)


@pytest.mark.parametrize("missing", [{"messageAttributes": None}, {"attributes": None}, {}])
def test_a_sparse_lambda_record_is_read(missing: dict[str, None]) -> None:
    found = from_lambda({"messageId": "m", "receiptHandle": "r", "body": "{}", **missing}, queue="uploads")
    assert (found.attributes, found.attempt) == ({}, 1)


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"messageId": "m", "body": "{}"},
        {"messageId": "m", "receiptHandle": "r", "body": "{}", "attributes": {"ApproximateReceiveCount": "many"}},
        {"messageId": "m", "receiptHandle": "r", "body": "{}", "messageAttributes": {"a": {"binaryValue": "x"}}},
        {"messageId": "m", "receiptHandle": "r", "body": "{}", "messageAttributes": {"a": None}},
        {"messageId": "m", "receiptHandle": "r", "body": "{}", "messageAttributes": ["a"]},
        "text",
    ],
)
def test_what_is_not_a_record_is_refused_with_an_error_that_the_door_expects(record: Any) -> None:
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
        from_lambda(record, queue="uploads")


def test_the_same_message_received_again_is_another_delivery() -> None:
    first = polled(plain())
    again = polled(plain())
    assert first != again
    assert len({first, again, replace(first)}) == 3


def test_a_body_is_measured_in_bytes_as_sqs_counts_them() -> None:
    assert delivery("zażółć 🎈").size == 15


def test_an_attribute_counts_with_its_name_and_type() -> None:
    assert Attribute("String", "żółć").size("color") == 5 + 6 + 8
    assert Attribute("Binary", binary=b"\x00\x01").size("é") == 2 + 6 + 2


def test_the_text_of_an_attribute_is_none_where_there_is_no_text() -> None:
    found = delivery(attributes={"kind": Attribute("String", "a"), "blob": Attribute("Binary", binary=b"a")})
    assert (found.text("kind"), found.text("blob"), found.text("other")) == ("a", None, None)
