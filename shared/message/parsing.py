"""Foreign JSON is parsed once, within stated limits of size, nesting and number; what is above is refused in words."""

from __future__ import annotations

import re
from itertools import chain
from typing import Any, Final

import orjson

from shared.message.delivery import LARGEST_MESSAGE
from shared.outcome import Reject

DEEPEST: Final = 128
"""Levels of objects and arrays in each other. DynamoDB nests 32, which are 70 of a stream record's JSON."""
MOST_VALUES: Final = LARGEST_MESSAGE
"""Values of one body, counted as its commas and opening brackets. A message in a queue cannot hold more; a body in S3 can,
and each value takes up to 200 bytes of memory.
"""
MOST_RECORDS: Final = 2_000
"""Records of one S3 notification. S3 sends one; a queue's largest message has room for so many real ones."""

TOO_DEEP: Final = f"body is nested deeper than {DEEPEST} levels"

_STRING: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)


def parsed(text: str) -> Any:
    """The JSON value in `text`. Raises Reject where it is not JSON, or above a limit."""
    check_values(text)
    try:
        value = orjson.loads(text)
    except ValueError as error:
        why = TOO_DEEP if "limit" in str(error) else "body is not JSON"
        raise Reject(why) from None  # not from the error, which quotes the input
    check_depth(value, text)
    return value


def check_values(text: str) -> None:
    """Before anything is built of them. Raises Reject above MOST_VALUES."""
    if len(text) > MOST_VALUES and _marks(text, 0, len(text)) > MOST_VALUES and _values(text) > MOST_VALUES:
        raise Reject(f"body holds more than {MOST_VALUES} values")


def check_depth(value: Any, text: str) -> None:
    """What `text` was read into, level by level, without recursion. Raises Reject above DEEPEST."""
    if text.count("[") + text.count("{") <= DEEPEST:
        return
    level: list[Any] = [value]
    for _ in range(DEEPEST):
        level = [each for each in level if isinstance(each, (dict, list))]
        if not level:
            return
        level = list(chain.from_iterable(each.values() if isinstance(each, dict) else each for each in level))
    if any(isinstance(each, (dict, list)) for each in level):
        raise Reject(TOO_DEEP)


def _values(text: str) -> int:
    """As _marks, but not inside of strings; soon above the limit for what has more strings than any JSON of so few values."""
    count = place = 0
    for strings, string in enumerate(_STRING.finditer(text)):
        count += _marks(text, place, string.start())
        place = string.end()
        if max(count, strings // 3) > MOST_VALUES:
            return MOST_VALUES + 1
    return count + _marks(text, place, len(text))


def _marks(text: str, start: int, end: int) -> int:
    return text.count(",", start, end) + text.count("[", start, end) + text.count("{", start, end)
