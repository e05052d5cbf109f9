"""The wire form of a body in S3, which pointers are followed, and what must come of them."""

import base64
import hashlib
import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.message import pointer
from shared.message.delivery import LARGEST_MESSAGE, Attribute, to_sqs
from shared.message.pointer import MARK, Pointer, TooLarge
from shared.outcome import Reject
from tests.fakes import delivery
from tests.sqs_server.content import checked_attributes, checked_body

KEY = "9cc30888-0e2e-40da-b594-c9ca2cd58722"
SIZED = {MARK: Attribute("Number", "5")}
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"]), min_size=1, max_size=40)
NAMES = st.from_regex("[A-Za-z][A-Za-z0-9_-]{0,20}", fullmatch=True)
VALUES = st.builds(Attribute, st.just("String"), text=TEXT) | st.builds(
    Attribute, st.just("Binary"), binary=st.binary(min_size=1, max_size=40)
)


def a_pointer(**fields: Any) -> Pointer:
    return Pointer(**{"bucket": "payloads", "key": KEY, "size": 5, **fields})


def permitted(found: Pointer, *, prefix: str = "", most: int = 100) -> None:
    pointer.check_permitted(found, bucket="payloads", prefix=prefix, most=most)


def test_a_pointer_is_written_as_the_extended_clients_write_it() -> None:
    expected = f'["software.amazon.payloadoffloading.PayloadS3Pointer",{{"s3BucketName":"payloads","s3Key":"{KEY}"}}]'
    assert a_pointer().body == expected
    assert a_pointer().mark == Attribute("Number", "5")
    assert MARK == "ExtendedPayloadSize"


@pytest.mark.parametrize("mark", ["ExtendedPayloadSize", "SQSLargePayloadSize"])
@pytest.mark.parametrize(
    "kind", ["software.amazon.payloadoffloading.PayloadS3Pointer", "com.amazon.sqs.javamessaging.MessageS3Pointer"]
)
def test_pointers_of_every_client_are_read_also_as_python_spaces_them(mark: str, kind: str) -> None:
    body = json.dumps([kind, {"s3BucketName": "payloads", "s3Key": KEY}])
    assert pointer.read_pointer(body, {mark: Attribute("Number", "5")}) == a_pointer()


@given(
    bucket=st.from_regex("[a-z0-9][a-z0-9-]{1,40}[a-z0-9]", fullmatch=True),
    prefix=st.sampled_from(["", "a", "claim/checks/"]),
    content=st.binary(max_size=200),
)
def test_what_is_written_is_read_and_permitted(bucket: str, prefix: str, content: bytes) -> None:
    made = Pointer(bucket, pointer.key_of(content, prefix=prefix), len(content))
    found = pointer.read_pointer(made.body, {MARK: made.mark})
    assert found == made
    pointer.check_permitted(found, bucket=bucket, prefix=prefix, most=len(content))


@given(body=TEXT, attributes=st.dictionaries(NAMES, VALUES, max_size=10))
def test_size_is_counted_as_sqs_counts_it(body: str, attributes: dict[str, Attribute]) -> None:
    sent = orjson.loads(orjson.dumps(to_sqs(attributes), default=lambda binary: base64.b64encode(binary).decode()))
    counted = len(checked_body(body, limit=LARGEST_MESSAGE)) + checked_attributes(sent)
    assert pointer.size(body, attributes) == counted


@pytest.mark.parametrize(
    "body",
    [
        "",
        "no json",
        "{}",
        "[]",
        '["software.amazon.payloadoffloading.PayloadS3Pointer"]',
        '["software.amazon.payloadoffloading.PayloadS3Pointer",{"s3BucketName":"payloads"}]',
        '["software.amazon.payloadoffloading.PayloadS3Pointer",{"s3BucketName":1,"s3Key":"k"}]',
        '["java.lang.Runtime",{"s3BucketName":"payloads","s3Key":"k"}]',
    ],
)
def test_a_marked_body_that_is_not_a_pointer_is_refused(body: str) -> None:
    with pytest.raises(Reject, match="not a pointer"):
        pointer.read_pointer(body, SIZED)


@pytest.mark.parametrize("size", ["", "-1", "1e9", "five", "9" * 16, "٣"])
def test_a_mark_that_tells_no_size_is_refused(size: str) -> None:
    with pytest.raises(Reject, match="number of bytes"):
        pointer.read_pointer(a_pointer().body, {MARK: Attribute("Number", size)})


def test_only_the_configured_bucket_is_read_and_the_other_is_named() -> None:
    with pytest.raises(Reject, match="the bucket salaries, and only CLAIM_CHECK_BUCKET_NAME"):
        permitted(a_pointer(bucket="salaries"))


@pytest.mark.parametrize(
    "odd",
    [
        {"key": "a/../b"},
        {"key": ".."},
        {"key": ""},
        {"key": "k" * 1025},
        {"key": "k?versionId=1"},
        {"key": "naïve"},
        {"key": "a\nb"},
        {"bucket": "arn:aws:s3:::payloads"},
        {"bucket": "payloads/other"},
        {"bucket": "\x1b[31m"},
    ],
)
def test_odd_names_are_refused_and_not_quoted(odd: dict[str, str]) -> None:
    with pytest.raises(Reject, match="spelt as none of ours") as refusal:
        permitted(a_pointer(**odd))
    assert "\x1b" not in refusal.value.why


def test_keys_outside_the_prefix_and_sizes_above_the_most_are_refused() -> None:
    with pytest.raises(Reject, match="CLAIM_CHECK_PREFIX"):
        permitted(a_pointer(), prefix="claims/")
    with pytest.raises(Reject, match="CLAIM_CHECK_MAX_BYTES"):
        permitted(a_pointer(size=101))
    permitted(a_pointer(size=100))


def test_a_size_that_lies_is_refused() -> None:
    with pytest.raises(Reject, match="has 4 bytes, and ExtendedPayloadSize says 5"):
        pointer.open_body(b"four", a_pointer())


def test_our_own_keys_tell_what_lies_there() -> None:
    content = b"whole"
    own = a_pointer(key=pointer.key_of(content, prefix="claims/"))
    assert pointer.open_body(content, own) == "whole"
    with pytest.raises(Reject, match="SHA-256"):
        pointer.open_body(b"whale", own)
    assert own.key == f"claims/sha256-{hashlib.sha256(content).hexdigest()}"


def test_what_is_not_text_is_refused() -> None:
    with pytest.raises(Reject, match="UTF-8"):
        pointer.open_body(b"\xff\xfe\xfd\xfc\xfb", a_pointer())


def test_the_whole_delivery_has_no_mark_left_so_that_a_handler_may_pass_its_attributes_on() -> None:
    kind = Attribute("String", "order")
    found = pointer.with_body(delivery("pointer", attributes={**SIZED, "kind": kind}), "whole")
    assert (found.body, found.attributes, found.receipt_handle) == ("whole", {"kind": kind}, "r-1")


def test_a_batch_is_gathered_by_what_bodies_will_weigh() -> None:
    assert pointer.weight(delivery("pointer", attributes={MARK: Attribute("Number", "5000000")})) == 5_000_000
    assert pointer.weight(delivery("whole")) == 5
    assert pointer.weight(delivery("whole", attributes={MARK: Attribute("Number", "lots")})) == 5


def nine() -> dict[str, Attribute]:
    return {f"name-{number}": Attribute("String", "v") for number in range(9)}


def test_nine_attributes_leave_room_for_the_mark_and_ten_do_not() -> None:
    pointer.check_storable(10, nine(), most=10)
    with pytest.raises(TooLarge, match="all 10 are taken"):
        pointer.check_storable(10, {**nine(), "tenth": Attribute("String", "v")}, most=10)


def test_what_no_bucket_helps_against_is_refused_with_the_setting_or_the_size() -> None:
    with pytest.raises(TooLarge, match="a body of 11 bytes is above CLAIM_CHECK_MAX_BYTES, 10"):
        pointer.check_storable(11, {}, most=10)
    with pytest.raises(TooLarge, match="ExtendedPayloadSize or SQSLargePayloadSize"):
        pointer.check_storable(10, SIZED, most=10)
    with pytest.raises(TooLarge, match="its attributes take"):
        pointer.check_storable(10, {"blob": Attribute("Binary", binary=b"x" * LARGEST_MESSAGE)}, most=10)


def test_a_refusal_names_the_size_the_limit_and_the_setting() -> None:
    reason = pointer.too_large(1_048_577).why
    assert "1048577" in reason
    assert "1048576" in reason
    assert "CLAIM_CHECK_BUCKET_NAME" in reason


@given(
    body=st.text() | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps),
    number=st.none() | st.text(max_size=20) | st.integers().map(str),
)
def test_whatever_a_stranger_sends_is_refused_and_nothing_else_is_raised(body: str, number: str | None) -> None:
    try:
        found = pointer.read_pointer(body, {MARK: Attribute("Number", number)})
        permitted(found)
    except Reject:
        return
    assert found.bucket == "payloads"


@given(bucket=st.text(max_size=70), key=st.text(max_size=70), prefix=st.sampled_from(["", "claims/"]))
def test_no_pointer_leads_out_of_the_bucket_and_the_prefix(bucket: str, key: str, prefix: str) -> None:
    try:
        permitted(Pointer(bucket, key, 5), prefix=prefix)
    except Reject:
        return
    assert bucket == "payloads"
    assert key.startswith(prefix)
    assert ".." not in key.split("/")
