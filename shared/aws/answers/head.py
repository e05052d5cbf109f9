"""The head of an answer: whether it is of the usual form, and how long the body is that it announces."""

from __future__ import annotations

import re

START = b"HTTP/1.1 "
LONGEST_HEAD = 8_000
MOST_HEADERS = 100
"""Bytes and headers of an answer's head, both inside what aiohttp allows."""
USUAL_HEAD = re.compile(rb"HTTP/1\.1 [2-5]\d\d [^\r\n\0]*+(?:\r\n[!#$%&'*+.^_`|~\w-]++:[^\r\n\0]*+)*+")
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)[ \t]*(?=\r\n|\Z)")
ENDING = re.compile(rb"\r\nconnection:(?![ \t]*keep-alive[ \t]*(?:\r\n|\Z))")
BODILESS = frozenset({b"204", b"304"})
"""Answers without a body, whatever they say of its length."""


def may_be_usual(begun: bytes) -> bool:
    """Whether a head that is not whole may still become one of the usual form."""
    return begun.startswith(START[: len(begun)]) and begun.count(b"\n") == begun.count(b"\r\n")


def length_of(head: bytes, lower: bytes, *, is_bodiless: bool) -> int | None:
    """Bytes of the body. None where the head is not of the usual form."""
    if lower.count(b"\r\n") > MOST_HEADERS or USUAL_HEAD.fullmatch(head) is None or b"\r\nupgrade:" in lower:
        return None
    if is_bodiless:
        return 0
    lengths = LENGTH.findall(lower)
    if len(lengths) != 1 or lower.count(b"\r\ncontent-length") > 1 or head[9:12] in BODILESS:
        return None
    is_coded = b"\r\ntransfer-encoding:" in lower or b"\r\ncontent-encoding:" in lower
    return None if is_coded else int(lengths[0])


def is_last(lower: bytes) -> bool:
    """Whether the connection ends after this answer, by its head in small letters: it says so, or something else than that it is kept. (Beside a
    `Connection: close` other headers may speak of `keep-alive`, such as `Keep-Alive: timeout=5`.)
    """
    return ENDING.search(lower) is not None


CHANGING = frozenset({b"date", b"x-amzn-requestid", b"x-amz-crc32"})
"""Headers that say nothing of how an answer is to be read, and are others in each."""


def form_of(head: bytes) -> re.Pattern[bytes]:
    """Heads that are read as this one, which is usual and announces a body: the same line for line, but for the length, which is
    its one group, and for what changes each time. A comparison takes a tenth of a look at all of it.
    """
    lines = []
    for line in head.split(b"\r\n"):
        name, colon, _ = line.partition(b":")
        if name.lower() == b"content-length":
            lines.append(re.escape(name) + rb":[ \t]*([0-9]{1,15})[ \t]*")
        elif colon and name.lower() in CHANGING:
            lines.append(re.escape(name) + rb":[^\r\n\0]*+")
        else:
            lines.append(re.escape(line))
    return re.compile(rb"\r\n".join(lines))


class Unread(Exception):
    """A success whose body is longer than was asked for, or of no known length: nothing of it is kept."""
