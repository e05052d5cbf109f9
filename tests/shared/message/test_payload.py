"""What of a body must not change under one key: what its producer says, and nothing that is new each time it is said."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.message.identity import payload

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.text(max_size=4), values, max_size=4)


def event(detail: Any, **more: Any) -> str:
    about = {"version": "0", "source": "shop", "detail-type": "order.placed", "detail": detail}
    return json.dumps({**about, "id": "e-1", "time": "2026-11-21T09:00:00Z", **more})


@given(said=objects, indent=st.sampled_from([None, 1]), ascii_only=st.booleans())
def test_blanks_the_order_of_names_and_escapes_do_not_count(
    said: dict[str, Any],
    indent: int | None,
    ascii_only: bool,  # noqa: FBT001  # as drawn
) -> None:
    backwards = dict(reversed(said.items()))
    assert payload(json.dumps(backwards, indent=indent, ensure_ascii=ascii_only)) == payload(json.dumps(said))


@given(one=objects, other=objects)
def test_what_says_something_else_is_another_payload(one: dict[str, Any], other: dict[str, Any]) -> None:
    is_same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (payload(json.dumps(one)) == payload(json.dumps(other))) == is_same


@pytest.mark.guarantee("K5")
def test_an_event_put_on_the_bus_twice_is_one_payload() -> None:
    first = event({"id": "o-1", "total": 10})
    assert payload(event({"id": "o-1", "total": 10}, id="e-2", time="2026-11-21T09:00:07Z")) == payload(first)
    assert payload(event({"id": "o-1", "total": 1_000_000})) != payload(first)
    assert payload(event({"id": "o-1", "total": 10}, source="somebody")) != payload(first)
    assert payload(event({"id": "o-1", "total": 10}, **{"detail-type": "order.cancelled"})) != payload(first)


def test_a_notification_is_what_it_carries() -> None:
    def notified(message: str, number: int) -> str:
        return json.dumps({"Type": "Notification", "MessageId": f"n-{number}", "Message": message})

    assert payload(notified('{"a": 1}', 1)) == payload(notified('{"a":1}', 2)) == payload('{"a": 1}')
    assert payload(notified('{"a": 1}', 1)) != payload(notified('{"a": 2}', 1))


@pytest.mark.parametrize("body", ["ten euros", "[1, 2]", "7", "", '{"a": ' * 300 + "1" + "}" * 300])
def test_what_is_not_a_plain_json_object_is_itself(body: str) -> None:
    assert payload(body) == body


@pytest.mark.guarantee("K5")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("18446744073709551617", "18446744073709551616"),
        ("-9223372036854775809", "-9223372036854775810"),
        ("12345678901234567.1", "12345678901234567.2"),
        ("0.12345678901234567891", "0.12345678901234567892"),
        ("1e-400", "1e-401"),
        ("1e-99999999999999999999", "0.0"),
        ('1,"v":2', "2"),
        ('1,"v":2', '2,"v":1'),
        ('{"a":1,"a":2}', '{"a":2}'),
        ("7", "8"),
    ],
)
@pytest.mark.parametrize(
    "around",
    [
        '{"n":"k","v":%s}',
        '{"deep": [{"v": %s}]}',
        '{"source":"s","detail-type":"t","detail":{"v":%s}}',
    ],
)
def test_payloads_that_differ_in_one_digit_or_in_a_name_that_comes_twice_are_two(
    around: str, one: str, other: str
) -> None:
    assert payload(around % one) != payload(around % other)
    notified = [json.dumps({"Type": "Notification", "Message": around % each}) for each in (one, other)]
    assert payload(notified[0]) == payload(around % one)
    assert payload(notified[0]) != payload(notified[1])


numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**64 - 1)


@given(said=st.dictionaries(st.text(max_size=4), values | numbers, max_size=4), indent=st.sampled_from([None, 1]))
def test_what_orjson_reads_as_it_was_written_is_what_orjson_writes(said: dict[str, Any], indent: int | None) -> None:
    body = json.dumps(said, indent=indent)
    assert payload(body) == orjson.dumps(orjson.loads(body), option=orjson.OPT_SORT_KEYS).decode()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1.50", "1.5"),
        ("1E2", "100.0"),
        ("-0", "0"),
        ('{"a":1,"b":2},"v":0', '{"b":2,"a":1},"v":0'),
        ("12345678901234e-13", "1.2345678901234"),
    ],
)
def test_another_way_to_write_a_number_is_the_same_payload(one: str, other: str) -> None:
    assert payload(f'{{"v": {one}}}') == payload(f'{{"v":{other}}}')
