"""What of a body must not change under one key: what its producer says, and nothing that is new each time it is said."""

import json
from typing import Any

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
