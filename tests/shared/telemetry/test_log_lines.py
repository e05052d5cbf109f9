"""Log lines whose reader is slow, or reads nothing: what they hold up, and what is said of those that are lost."""

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from typing import BinaryIO

import orjson
import pytest

from shared.telemetry import logging


@pytest.fixture
def pipe() -> Iterator[tuple[BinaryIO, BinaryIO]]:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as reader, os.fdopen(writing, "wb") as writer:
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 16_384)
        yield reader, writer


def test_a_pipe_that_nobody_reads_holds_up_one_line_only_and_what_is_lost_is_counted(
    pipe: tuple[BinaryIO, BinaryIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = pipe
    monkeypatch.setattr(logging, "PATIENCE", 0.02)
    lines = logging.Lines(writer)
    began = time.monotonic()
    for number in range(1_000):
        lines.msg(b'{"number":%d,"text":"%s"}' % (number, b"x" * 100))
    assert time.monotonic() - began < 1.0
    kept = reader.read(16_384).splitlines()
    lines.msg(b'{"number":"last"}')
    told, last = map(orjson.loads, reader.read(16_384).splitlines())
    assert (told["event"], told["level"], told["count"]) == ("log_lines_lost", "warning", 1_000 - len(kept))
    assert [orjson.loads(line)["number"] for line in kept] == [*range(len(kept))]
    assert last == {"number": "last"}


def test_a_terminal_that_stands_still_holds_up_one_line_only_and_what_is_lost_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reading, writing = os.openpty()
    monkeypatch.setattr(logging, "PATIENCE", 0.02)
    with os.fdopen(reading, "rb", buffering=0) as reader, os.fdopen(writing, "wb") as writer:
        thread = threading.Thread(target=_log_much, args=(lines := logging.Lines(writer),), daemon=True)
        thread.start()
        thread.join(5)
        stood_still = thread.is_alive()
        os.set_blocking(reading, False)
        while reader.read(65_536) or thread.is_alive():
            thread.join(0.01)
        assert not stood_still
        lines.msg(b'{"number":"last"}')
        *_, told, last = reader.read(65_536).splitlines()
    assert orjson.loads(told)["event"] == "log_lines_lost"
    assert orjson.loads(last) == {"number": "last"}


def _log_much(lines: logging.Lines) -> None:
    for _ in range(1_000):
        lines.msg(b'{"text":"%s"}' % (b"x" * 100))


def test_a_long_line_that_a_pipe_takes_in_part_tears_no_other(
    pipe: tuple[BinaryIO, BinaryIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = pipe
    monkeypatch.setattr(logging, "PATIENCE", 0.02)
    lines = logging.Lines(writer)
    lines.msg(b'{"text":"%s"}' % (b"x" * 100_000))
    assert len(reader.read(100_000)) == 16_384
    lines.msg(b'{"number":"next"}')
    rest, told, following = reader.read(16_384).split(b"\n")[:3]
    assert rest == b""
    assert orjson.loads(told)["count"] == 1
    assert orjson.loads(following) == {"number": "next"}


def test_a_line_waits_for_a_reader_that_is_only_slow(pipe: tuple[BinaryIO, BinaryIO]) -> None:
    reader, writer = pipe
    long = b'{"text":"%s"}' % (b"x" * 100_000)
    taken: list[bytes] = []

    def read() -> None:
        while sum(map(len, taken)) <= len(long):
            taken.append(reader.read(4_096))

    thread = threading.Thread(target=read)
    thread.start()
    logging.Lines(writer).msg(long)
    thread.join(10)
    assert b"".join(taken) == long + b"\n"
