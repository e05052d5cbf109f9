"""The reason on a dead letter: complete where there is room, and never at the cost of the original."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.message.dead_letter import Letter, letter
from shared.message.delivery import LARGEST_MESSAGE, MOST_ATTRIBUTES, Attribute, Delivery
from shared.message.identity import ATTRIBUTE
from shared.outcome import Dead
from tests.examples import examples
from tests.fakes import delivery

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
FAILURE = Dead("KeyError", "no such session", "0123456789abcdef", ("workers.sample.handler:handle:12",))
TRACE = "0af7651916cd43dd8448eb211c80319c"

# What SQS takes in a text: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
_ALLOWED = st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff")
TEXTS = st.text(_ALLOWED, min_size=1, max_size=60)
ATTRIBUTES = st.dictionaries(
    st.text("abcdefghijklmnopqrstuvwxyz-_.0123456789", min_size=1, max_size=30) | st.just(ATTRIBUTE),
    st.builds(Attribute, st.sampled_from(["String", "Number", "String.json"]), TEXTS)
    | st.builds(Attribute, st.just("Binary"), st.none(), st.binary(min_size=1, max_size=60)),
    max_size=MOST_ATTRIBUTES,
)


def buried(dying: Delivery, failure: Dead = FAILURE) -> Letter:
    return letter(dying, failure, worker="sample", now=NOW, trace_id=TRACE)


def envelope(dead: Letter) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(dead.attributes[ATTRIBUTE].text or "")
    return found


def size(body: str, attributes: Mapping[str, Attribute]) -> int:
    """As SQS counts it, written down once more: names, types and values of attributes, and the body."""
    parts = [body.encode()]
    for name, each in attributes.items():
        parts += [name.encode(), each.data_type.encode(), each.binary or (each.text or "").encode()]
    return sum(map(len, parts))


def unfolded(dead: Letter) -> dict[str, Attribute]:
    """The attributes of the original, read back from a letter."""
    found = {name: value for name, value in dead.attributes.items() if name != ATTRIBUTE}
    if ATTRIBUTE in dead.attributes and (displaced := envelope(dead).get("displaced")):
        binary = bytes.fromhex(displaced["binary_hex"]) if displaced["binary_hex"] is not None else None
        found[displaced["name"]] = Attribute(displaced["data_type"], displaced["text"], binary)
    return found


def nearly_full(room: int, attributes: Mapping[str, Attribute]) -> Delivery:
    """A message that leaves `room` bytes of what SQS allows."""
    return delivery("x" * (LARGEST_MESSAGE - room - size("", attributes)), attributes=attributes)


def one_byte_too_full_for(dead: Letter) -> Delivery:
    return nearly_full(dead.attributes[ATTRIBUTE].size(ATTRIBUTE) - 1, {})


def ten(**fields: str) -> dict[str, Attribute]:
    return {f"name-{number}": Attribute("String", f"value {number}") for number in range(10 - len(fields))} | {
        name: Attribute("String", text) for name, text in fields.items()
    }


def test_a_letter_tells_everything_that_a_person_needs_to_decide() -> None:
    dying = delivery(message_id="m-7", attempt=5, sent_at=1_800_000_000.0, first_received_at=1_800_000_060.5)
    assert envelope(buried(dying)) == {
        "version": 1,
        "worker": "sample",
        "source_queue": "uploads",
        "error_type": "KeyError",
        "message": "no such session",
        "fingerprint": "0123456789abcdef",
        "stack": ["workers.sample.handler:handle:12"],
        "attempts": 5,
        "first_failure": "2027-01-15T08:01:00.500000+00:00",
        "last_failure": "2026-11-21T09:00:00+00:00",
        "sent_at": "2027-01-15T08:00:00+00:00",
        "original_message_id": "m-7",
        "trace_id": TRACE,
        "idempotency_key": "body:44136fa355b3678a1146ad16f7e8649e",
    }


def test_a_letter_without_times_of_sqs_says_when_it_failed() -> None:
    failure = envelope(buried(delivery()))
    assert (failure["first_failure"], failure["sent_at"]) == ("2026-11-21T09:00:00+00:00", None)


def test_body_group_and_trace_header_stay_as_they_were() -> None:
    dying = delivery("  {not json\n", group="tenant-1", trace_header="Root=1-5759e988-bd862e3fe1be46a994272793")
    dead = buried(dying)
    assert (dead.body, dead.group, dead.trace_header) == (dying.body, dying.group, dying.trace_header)


def test_with_ten_attributes_the_smallest_moves_into_the_envelope() -> None:
    dead = buried(delivery(attributes=ten(z="1")))
    assert len(dead.attributes) == MOST_ATTRIBUTES
    assert envelope(dead)["displaced"] == {"name": "z", "data_type": "String", "text": "1", "binary_hex": None}


def test_a_displaced_binary_attribute_can_be_read_back() -> None:
    attributes = ten() | {"name-0": Attribute("Binary.gzip", binary=b"\x00\xff")}
    assert unfolded(buried(delivery(attributes=attributes))) == attributes


def test_a_letter_that_dies_again_carries_only_its_newest_reason() -> None:
    first = buried(delivery())
    again = buried(delivery(attributes=first.attributes), Dead("OSError", "disk full", "f" * 16))
    assert list(again.attributes) == [ATTRIBUTE]
    assert (envelope(again)["error_type"], envelope(again)["died_before"]) == ("OSError", True)


def test_a_letter_that_dies_again_does_not_lose_what_was_displaced_the_first_time() -> None:
    first = buried(delivery(attributes=ten(z="1")))
    again = buried(delivery(attributes=first.attributes))
    assert unfolded(again) == ten(z="1")


@pytest.mark.parametrize(
    "foreign",
    [
        Attribute("String", "not json"),
        Attribute("String", "[1]"),
        Attribute("Binary", binary=b"{"),
        Attribute("Number", "5"),
    ],
)
def test_a_stranger_under_our_attribute_name_does_not_stop_a_burial(foreign: Attribute) -> None:
    assert envelope(buried(delivery(attributes={ATTRIBUTE: foreign})))["died_before"]


def test_the_fuller_a_message_the_shorter_its_envelope() -> None:
    whole = buried(delivery())
    no_stack = buried(one_byte_too_full_for(whole))
    no_text = buried(one_byte_too_full_for(no_stack))
    little = buried(one_byte_too_full_for(no_text))
    shortest = buried(one_byte_too_full_for(little))
    assert set(envelope(whole)) - set(envelope(no_stack)) == {"stack"}
    assert set(envelope(no_stack)) - set(envelope(no_text)) == {"message", "sent_at"}
    assert set(envelope(little)) - set(envelope(shortest)) == {"idempotency_key"}
    assert set(envelope(shortest)) == {"version", "worker", "error_type", "fingerprint", "original_message_id"}
    assert ATTRIBUTE not in buried(one_byte_too_full_for(shortest)).attributes


def test_a_message_without_any_room_is_buried_as_it_came() -> None:
    full = nearly_full(0, ten())
    assert buried(full) == Letter(full.body, full.attributes, None, None, full.message_id)


@settings(max_examples=examples(60))  # its messages are a mebibyte long
@given(
    attributes=ATTRIBUTES,
    room=st.none() | st.integers(min_value=0, max_value=2_500),
    message=st.text(max_size=300),
    stack=st.lists(st.text(max_size=80), max_size=12),
)
def test_nothing_of_the_original_is_ever_lost_and_no_limit_is_passed(
    attributes: dict[str, Attribute], room: int | None, message: str, stack: list[str]
) -> None:
    dying = delivery(attributes=attributes) if room is None else nearly_full(room, attributes)
    dead = buried(dying, Dead("ValueError", message, "0" * 16, tuple(stack)))
    assert dead.body == dying.body
    assert len(dead.attributes) <= MOST_ATTRIBUTES
    assert size(dead.body, dead.attributes) <= LARGEST_MESSAGE
    as_it_came = dead.attributes == dying.attributes
    assert as_it_came or unfolded(dead) == {name: each for name, each in attributes.items() if name != ATTRIBUTE}


@given(attributes=ATTRIBUTES, message=st.text(max_size=300))
def test_with_room_every_letter_has_its_reason(attributes: dict[str, Attribute], message: str) -> None:
    failure = envelope(buried(delivery(attributes=attributes), Dead("ValueError", message, "0" * 16)))
    assert failure["message"] == message.encode(errors="replace").decode()


@given(message=st.text(st.characters(), max_size=50) | st.sampled_from(["\ufffe", "\uffff", "\ud800", "\x00\x1f\x7f"]))
def test_an_envelope_holds_only_characters_that_sqs_takes(message: str) -> None:
    text = buried(delivery(), Dead("ValueError", message, "0" * 16)).attributes[ATTRIBUTE].text or ""
    assert all(
        each in "\t\n\r" or " " <= each <= "\ud7ff" or "\ue000" <= each <= "\ufffd" or each > "\uffff" for each in text
    )
    assert text.encode()
