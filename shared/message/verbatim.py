"""JSON whose text is carried on as it came: an object's members as they stand there, and values without a rounded number.

A number is read as the bytes of its text, for no reader agrees with every other one on `1e400`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from operator import itemgetter
from typing import Any, Final, NamedTuple

import orjson

from shared.message.parsing import TOO_DEEP, check_depth, check_values
from shared.outcome import Reject

LONGEST_INTEGER: Final = 19
"""Characters of an integer that orjson keeps in any case: it has 64 bits."""


class Member(NamedTuple):
    """A value, its numbers as bytes, and its own text."""

    value: Any
    text: str


def json_members(text: str) -> Mapping[str, Member]:
    """Each member of the object in `text`; of a name that comes twice, the last. Raises Reject."""
    check_values(text)
    found: dict[str, Member] = {}
    place = _after(text, 0, "{")
    if text[_blanks(text, place) :][:1] == "}":
        return _whole(found, text, _after(text, place, "}"))
    while True:
        name, end = _value(text, _blanks(text, place))
        if not isinstance(name, str):
            raise Reject("body is not JSON")
        start = _blanks(text, _after(text, end, ":"))
        value, end = _value(text, start)
        found[name] = Member(value, text[start:end])
        end = _blanks(text, end)
        if text[end : end + 1] == "}":
            return _whole(found, text, end + 1)
        place = _after(text, end, ",")


def sorted_json(text: str) -> str:
    """The same for two texts that differ in blanks, escapes and the order of names alone: each digit counts. Raises Reject."""
    try:
        return repr(_SORTING.decode(text))
    except (ValueError, RecursionError) as error:
        raise Reject(_why(error)) from error


def exact(text: str) -> Any:
    """What orjson reads in JSON that it has read before, with what it would lose: a number that no double holds as it was
    written keeps its text, and a name that comes twice all its values. Only for `orjson.dumps`.
    """
    return _EXACT.decode(text)


def _integer(text: str) -> int | orjson.Fragment:
    return int(text) if len(text) <= LONGEST_INTEGER else orjson.Fragment(text)


def _fraction(text: str) -> float | orjson.Fragment:
    number = float(text)
    if repr(number) == text:
        return number
    try:
        is_exact = Decimal(text) == Decimal(repr(number))
    except InvalidOperation:  # an exponent of more than 18 digits
        is_exact = False
    return number if is_exact else orjson.Fragment(text)


def _all_values(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    values: dict[str, list[bytes]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))
    return {name: orjson.Fragment(b",".join(each)) for name, each in values.items()}  # two in a row are never JSON


def _by_name(pairs: list[tuple[str, Any]]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(pairs, key=itemgetter(0)))


def _constant(_name: str) -> Any:
    raise ValueError("NaN and Infinity are not JSON")


_DECODER = json.JSONDecoder(parse_int=str.encode, parse_float=str.encode, parse_constant=_constant)


_EXACT = json.JSONDecoder(
    parse_int=_integer, parse_float=_fraction, parse_constant=_constant, object_pairs_hook=_all_values
)


_SORTING = json.JSONDecoder(parse_int=str.encode, parse_float=str.encode, object_pairs_hook=_by_name)


def _value(text: str, place: int) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, place)
    except (ValueError, RecursionError) as error:
        raise Reject(_why(error)) from error


def _why(error: Exception) -> str:
    return TOO_DEEP if isinstance(error, RecursionError) else "body is not JSON"


def _blanks(text: str, place: int) -> int:
    while text[place : place + 1] in {" ", "\t", "\n", "\r"}:
        place += 1
    return place


def _after(text: str, place: int, mark: str) -> int:
    place = _blanks(text, place)
    if text[place : place + 1] != mark:
        raise Reject("body is not a JSON object")
    return place + 1


def _whole(found: Mapping[str, Member], text: str, end: int) -> Mapping[str, Member]:
    if _blanks(text, end) != len(text):
        raise Reject("body is not JSON")
    check_depth([each.value for each in found.values()], text)
    return found
