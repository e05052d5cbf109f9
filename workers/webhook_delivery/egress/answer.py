"""An endpoint's answer: its status line decides, and of the rest is kept what is well formed and small."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, Protocol

KEPT: Final = 8192
"""Bytes of an answer's body that are kept."""
LONGEST_LINE: Final = 8190
"""Bytes of a status line, or of a chunk's size with all that may stand beside it."""
LARGEST_HEAD: Final = 65_536
"""Bytes of all header lines that are read; an answer with more keeps its status, and its connection is closed."""
MOST_INTERIM: Final = 10
"""Answers 1xx before the one that counts."""

_STATUS: Final = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [^\r\n]*)?\r?\n")
_CHUNK: Final = re.compile(rb"([0-9a-fA-F]{1,8})[ \t]*(?:;[^\r\n]*)?\r?\n")
_LENGTH: Final = re.compile(rb"[0-9]{1,18}")


class BadAnswer(ValueError):
    """What came is no HTTP answer."""


class Ended(ConnectionResetError):
    """The peer has ended the connection, in order."""


class Incoming(Protocol):
    """A connection as far as it is read from. `more` waits; it raises Ended, or ConnectionError where it was cut."""

    buffer: bytearray

    async def more(self) -> None: ...


@dataclass(slots=True)
class Answer:
    """What is known of an answer so far. `status` is 0 until its status line is here; `is_whole`: the body came to a proper
    end; `is_last`: the connection cannot be used again.
    """

    status: int = 0
    retry_after: str | None = None
    body: bytearray = field(default_factory=bytearray)
    is_whole: bool = False
    is_last: bool = True


async def read(incoming: Incoming, answer: Answer) -> None:
    """Read an answer into `answer`. Raises BadAnswer or ConnectionError where it is cut: what was read by then stands."""
    version = await _status(incoming, answer)
    headers: dict[bytes, list[bytes]] = {}
    try:
        await _headers(incoming, headers)
    finally:
        answer.retry_after = _text(headers.get(b"retry-after"))
    options = b",".join(headers.get(b"connection", ())).lower()
    stays = b"close" not in options and (version == b"1" or b"keep-alive" in options)
    await _body(incoming, answer, headers)
    answer.is_last = not stays or bool(incoming.buffer)


async def _status(incoming: Incoming, answer: Answer) -> bytes:
    """The digit of the version. Interim answers are passed over; 101 is none: nobody asked for another protocol."""
    for _ in range(MOST_INTERIM + 1):
        found = _STATUS.fullmatch(await _line(incoming, LONGEST_LINE))
        if found is None:
            raise BadAnswer("no status line")
        status = int(found[2])
        if not 100 <= status <= 199 or status == 101:
            answer.status = status
            return found[1]
        await _headers(incoming, {})
    raise BadAnswer("too many interim answers")


async def _headers(incoming: Incoming, found: dict[bytes, list[bytes]]) -> None:
    """Add values to `found`, by name in lower case, as they come. A line that is not a header is passed over."""
    room = LARGEST_HEAD
    while True:
        line = await _line(incoming, room)
        room -= len(line)
        if not line.rstrip(b"\r\n"):
            return
        name, _, value = line.partition(b":")
        found.setdefault(name.lower(), []).append(value.strip())


async def _body(incoming: Incoming, answer: Answer, headers: dict[bytes, list[bytes]]) -> None:
    """Raises BadAnswer where the body's length contradicts itself, or the status."""
    if answer.status == 101:
        raise BadAnswer("another protocol, whose bytes are no body")
    coding, lengths = headers.get(b"transfer-encoding"), set(headers.get(b"content-length", ()))
    if answer.status in {204, 304}:
        if coding or (answer.status == 204 and lengths - {b"0"}) or incoming.buffer:
            raise BadAnswer("a body where none belongs")
        answer.is_whole = True
    elif coding:
        if [each.lower() for each in coding] != [b"chunked"] or lengths:
            raise BadAnswer("an unknown way to end a body")
        await _chunks(incoming, answer)
    elif lengths:
        [length] = lengths if len(lengths) == 1 else [b""]
        if not _LENGTH.fullmatch(length):
            raise BadAnswer("no length")
        await _keep(incoming, answer, int(length))
        answer.is_whole = True
    else:
        await _until_end(incoming, answer)


async def _chunks(incoming: Incoming, answer: Answer) -> None:
    while True:
        found = _CHUNK.fullmatch(await _line(incoming, LONGEST_LINE))
        if found is None:
            raise BadAnswer("no chunk")
        length = int(found[1], 16)
        if not length:
            await _headers(incoming, {})  # the trailer
            answer.is_whole = True
            return
        await _keep(incoming, answer, length)
        if (await _line(incoming, 2)).strip(b"\r\n"):
            raise BadAnswer("a chunk has no end")


async def _keep(incoming: Incoming, answer: Answer, length: int) -> None:
    """Move so many bytes into the answer. Raises BadAnswer where that is more than is kept: the rest is not read."""
    while length:
        if not incoming.buffer:
            await incoming.more()
        count = min(length, len(incoming.buffer), KEPT - len(answer.body))
        if not count and incoming.buffer:
            raise BadAnswer("the body is larger than what is kept")
        answer.body += incoming.buffer[:count]
        del incoming.buffer[:count]
        length -= count


async def _until_end(incoming: Incoming, answer: Answer) -> None:
    """The connection's end is the body's."""
    try:
        await _keep(incoming, answer, KEPT + 1)
    except Ended:
        answer.is_whole = True
        raise


async def _line(incoming: Incoming, longest: int) -> bytes:
    """The next line with its end. Raises BadAnswer where it is longer than `longest` bytes."""
    seen = 0
    while (end := incoming.buffer.find(b"\n", seen, longest)) < 0:
        seen = len(incoming.buffer)
        if seen >= longest:
            raise BadAnswer("a line is too long")
        await incoming.more()
    line = bytes(incoming.buffer[: end + 1])
    del incoming.buffer[: end + 1]
    return line


def _text(values: list[bytes] | None) -> str | None:
    return values[0].decode("latin-1") if values else None
