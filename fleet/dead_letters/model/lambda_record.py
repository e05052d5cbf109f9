"""The event inside the record that Lambda writes about a failed asynchronous invocation, to the byte; pure."""

from __future__ import annotations

import json
import re

_DECODER = json.JSONDecoder()
_BLANK = re.compile(r"[ \t\r\n]*")
EVENT = "requestPayload"


def event(record: str) -> str:
    """The text of `requestPayload`, not read and written again: a number keeps its digits. "" where there is none.

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
    """
    try:
        return _member(record, EVENT)
    except (ValueError, IndexError, RecursionError):
        return ""


def asked(body: str) -> str:
    """What the function was asked, where `body` is such a record, which is new each time the same event fails; else the body."""
    try:
        named = EVENT in body and '"functionArn"' in _member(body, "requestContext")
    except (ValueError, IndexError, RecursionError):
        named = False
    return (event(body) if named else "") or body


def _member(text: str, wanted: str) -> str:
    """The text of one member of the object that `text` is; the last one where it is there twice."""
    found, place = "", _after_blank(text, 0)
    if text[place] != "{":
        return ""
    while text[place] in "{,":
        name, place = _DECODER.raw_decode(text, _after_blank(text, place + 1))
        start = _after_blank(text, _after_blank(text, place) + 1)  # behind the colon
        _, place = _DECODER.raw_decode(text, start)
        if name == wanted:
            found = text[start:place]
        place = _after_blank(text, place)
    return found


def _after_blank(text: str, place: int) -> int:
    blank = _BLANK.match(text, place)
    assert blank is not None  # it matches nothing as well
    return blank.end()
