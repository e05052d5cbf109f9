import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.message.verbatim import json_members, sorted_json
from shared.outcome import Reject

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.mark.slow
@given(thing=st.dictionaries(st.text(), JSON), indent=st.none() | st.integers(0, 2))
def test_every_member_is_found_with_a_text_that_says_the_same(thing: dict[str, object], indent: int | None) -> None:
    text = json.dumps(thing, indent=indent)
    found = json_members(text)
    assert {name: json.loads(each.text) for name, each in found.items()} == thing
    assert all(each.text in text for each in found.values())


@given(st.text())
def test_what_is_not_an_object_is_rejected_and_nothing_else_is_raised(text: str) -> None:
    try:
        json_members(text)
    except Reject:
        return
    assert isinstance(json.loads(text), dict)


@pytest.mark.parametrize("text", ["", "{", '{"a"}', '{"a":1,}', '{"a":1}x', "{1:2}", "[1]", '{"a":NaN}', "{" * 9999])
def test_a_faulty_text_is_rejected(text: str) -> None:
    with pytest.raises(Reject):
        json_members(text)


def test_of_a_name_that_comes_twice_the_last_counts_as_for_other_readers() -> None:
    assert json_members('{"a": 1, "a" :  2.0 }') == {"a": (b"2.0", "2.0")}


def test_numbers_keep_their_text() -> None:
    found = json_members('{"a": [1.10, "1.10", 18446744073709551616]}')
    assert found["a"].value == [b"1.10", "1.10", b"18446744073709551616"]


def test_the_sorted_form_knows_no_order_of_names_and_no_blanks_but_each_digit() -> None:
    assert sorted_json('{"b": [1, {"d":2,"c":"\\u00e9"}], "a":3}') == sorted_json('{"a":3,"b":[1,{"c":"é","d":2}]}')
    assert len({sorted_json(each) for each in ("[1]", "[1.0]", '["1"]', "[[1]]", '{"1":1}', "[true]")}) == 6
