import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.message import parsing
from shared.message.envelope import document
from shared.message.parsing import DEEPEST, MOST_RECORDS, MOST_VALUES, parsed
from shared.message.s3_events import s3_changes
from shared.message.verbatim import json_members
from shared.outcome import Reject
from tests.fakes import delivery
from workers.audit_archive.event import decode as decode_audit
from workers.reminder_dispatch.event import decode_due, decode_tick
from workers.reminder_dispatch.receipts.event import decode_receipts
from workers.upload_notification.event import decode as decode_upload
from workers.webhook_delivery.event import delivery_job, published

DECODERS: dict[str, Callable[[Any], object]] = {
    "reminder-ticks": decode_tick,
    "reminder-receipts": decode_receipts,
    "reminders": decode_due,
    "uploads": lambda each: decode_upload(each, bucket="uploads"),
    "webhook-events": published,
    "webhook-deliveries": delivery_job,
    "audit": decode_audit,
}
"""Of every queue of the fleet."""

SIZE = 65_536
WORST = {
    "deep": '{"x":' + "[" * SIZE,
    "closed": '{"x":' + "[" * 900 + "]" * 900 + "}",
    "objects": '{"x":[' + '{"":0},' * (SIZE // 7) + "{}]}",
    "wide": '{"x":[' + "[]," * (SIZE // 3) + "[]]}",
    "records": '{"Records":[' + "1," * (SIZE // 2) + "1]}",
    "numbers": '{"x":[' + "1.5," * (SIZE // 4) + "1]}",
    "long text": json.dumps({"x": "a" * SIZE, "source": "s" * SIZE}),
}


def nested(levels: int) -> str:
    return '{"x":' + "[" * (levels - 1) + "]" * (levels - 1) + "}"


@pytest.mark.guarantee("M3")
@pytest.mark.parametrize("body", WORST.values(), ids=WORST)
@pytest.mark.parametrize("decode", DECODERS.values(), ids=DECODERS)
def test_a_faulty_body_is_refused_in_little_memory(decode: Callable[[Any], object], body: str) -> None:
    tracemalloc.start()
    with pytest.raises((Reject, ValueError)):
        decode(delivery(body))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 * SIZE


@pytest.mark.parametrize("read", [parsed, document, json_members])
def test_nesting_is_taken_up_to_its_limit_and_refused_in_words_above(read: Callable[[str], Any]) -> None:
    assert read(nested(DEEPEST))
    for levels in (DEEPEST + 1, 900, 1025, 5_000, 400_000):
        with pytest.raises(Reject, match=f"deeper than {DEEPEST} levels"):
            read(nested(levels))


@pytest.mark.guarantee("M3")
@pytest.mark.parametrize("decode", DECODERS.values(), ids=DECODERS)
def test_every_decoder_says_that_a_body_is_nested_too_deeply(decode: Callable[[Any], object]) -> None:
    with pytest.raises(Reject, match=f"deeper than {DEEPEST} levels"):
        decode(delivery(nested(DEEPEST + 1)))


@pytest.mark.guarantee("M3")
def test_the_values_of_a_body_are_counted_before_anything_is_made_of_them() -> None:
    body = "[" + "1," * MOST_VALUES + "1]"
    tracemalloc.start()
    with pytest.raises(Reject, match=f"more than {MOST_VALUES} values"):
        parsed(body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < SIZE


@pytest.mark.parametrize("text", ['["' + "[{," * MOST_VALUES + '"]', '["' + '\\",' * MOST_VALUES + '"]'])
def test_what_stands_inside_of_a_text_is_not_a_value(text: str) -> None:
    assert len(parsed(text)) == 1


@pytest.mark.parametrize("text", ['"' * (4 * MOST_VALUES), '",[' * MOST_VALUES])
def test_more_texts_than_json_could_hold_end_the_count(text: str) -> None:
    with pytest.raises(Reject):
        parsed(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
)


@settings(max_examples=30)
@given(thing=JSON)
def test_values_are_counted_as_a_reader_finds_them(thing: Any) -> None:
    def count(value: Any) -> int:
        if not isinstance(value, (dict, list)):
            return 0
        inner = list(value.values()) if isinstance(value, dict) else value
        return 1 + max(0, len(inner) - 1) + sum(map(count, inner))

    assert parsing._values(json.dumps(thing)) == count(thing)


def test_a_notification_of_too_many_records_is_refused() -> None:
    with pytest.raises(Reject, match=f"more than {MOST_RECORDS} records"):
        s3_changes(json.dumps({"Records": [{}] * (MOST_RECORDS + 1)}))
    assert s3_changes(json.dumps({"Records": [{}] * MOST_RECORDS})).ignored == ("unknown_event",) * MOST_RECORDS


def test_a_refusal_does_not_carry_the_body_along() -> None:
    with pytest.raises(Reject) as caught:
        parsed("canary")
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
