"""Who changed what, when and why: JSON lines, each sealed with a hash over itself and the line before."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import orjson

from fleet.dead_letters.whole_lines import append

VERSION = 1
GENESIS = "0" * 64

Outcome = Literal["begun", "done", "partly", "refused", "failed", "interrupted"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One mutation, or the beginning of one that takes long. `digests`: SHA-256 of bodies before and after an edit."""

    command: str
    queue: str
    reason: str
    outcome: Outcome
    who: str
    ids: Sequence[str] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    plan_id: str = ""
    note: str = ""
    digests: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fault:
    """A line that is not as it was written; `line` counts from 1."""

    line: int
    why: str


@dataclass(frozen=True, slots=True)
class Anchor:
    """A line as it was once: its number and its hash, kept elsewhere. Spelt `SEQ:HASH`."""

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"

    @classmethod
    def read(cls, text: str) -> Anchor:
        """Raises ValueError."""
        seq, _, digest = text.strip().partition(":")
        if not seq.isascii() or not seq.isdigit() or not re.fullmatch("[0-9a-f]{64}", digest):
            raise ValueError("an anchor is a line's number and its hash: SEQ:HASH")
        return cls(int(seq), digest)


class NoLog(Exception):
    """There is no audit log at this place."""


class PartlyKept(OSError):
    """The log has the line; its head or its mirror, which the text names, has not."""


def head_of(log: Path) -> Path:
    """The file beside a log that knows its newest line."""
    return log.with_name(f"{log.name}.head")


class AuditLog:
    """The log at `path`; a file beside it (`.head`) knows the newest line, so that a cut end is found as well.

    `mirror` is given each line (its anchor and its bytes) once the disk has it; OSError says that it did not take it.
    """

    def __init__(
        self, path: Path, *, now: Callable[[], str], mirror: Callable[[Anchor, bytes], None] | None = None
    ) -> None:
        self._path = path
        self._now = now
        self._mirror = mirror

    def append(self, entry: Entry) -> None:
        """Returns when the disk and the mirror have it. Two processes that append at once wait for each other.

        Raises OSError; PartlyKept where the log itself has the line.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self.held() as file:
            content, torn = _tail(file)
            if torn:  # of a line that the disk never had whole: nothing was done after it
                os.ftruncate(file, os.fstat(file).st_size - torn)
            last: dict[str, Any] = orjson.loads(content) if content else {"seq": 0, "hash": GENESIS}
            if self._head() == last.get("previous"):  # a kill came between; a second one must not put it two behind
                self._write_head(content)
            record = {
                "version": VERSION,
                "seq": last["seq"] + 1,
                "at": self._now(),
                "who": _utf8(entry.who),
                "command": entry.command,
                "queue": _utf8(entry.queue),
                "reason": _utf8(entry.reason),
                "outcome": entry.outcome,
                "plan_id": entry.plan_id,
                "ids": [_utf8(each) for each in entry.ids],
                "counts": dict(entry.counts),
                "digests": dict(entry.digests),
                "note": _utf8(entry.note),
                "previous": last["hash"],
            }
            line = _sealed(record)
            append(file, line)
            self._tell_of(line, record["seq"])

    def _tell_of(self, line: bytes, seq: int) -> None:
        """Head and mirror, each for itself. Raises PartlyKept."""
        failed: list[str] = []
        try:
            self._write_head(line)
        except OSError as error:
            failed.append(f"{head_of(self._path)}: {error.strerror}")
        try:
            if self._mirror is not None:
                self._mirror(Anchor(seq, orjson.loads(line)["hash"]), line)
        except OSError as error:
            failed.append(error.strerror or str(error))
        if failed:
            raise PartlyKept(0, "; ".join(failed))

    def was_never_written(self) -> bool:
        """Whether nothing says that there was ever a log at this place."""
        return not self._path.exists() and self._head() == GENESIS

    def is_sound_at_its_end(self) -> bool:
        """Whether the newest line can be chained to. What a power cut left of a line behind it is cut off when the next is written."""
        if not self._path.exists():
            return self._head() == GENESIS
        with self.held() as file:
            content, _ = _tail(file)
        last = _read(content) if content else {"hash": GENESIS}
        return last is not None and _is_newest(last, self._head())

    def records(self, *, about: str = "") -> list[dict[str, Any]]:
        """Every line that can be read, or those that hold this text, oldest first. Raises NoLog."""
        lines, _ = self._content()
        return [record for line in lines if about.encode() in line and (record := _read(line)) is not None]

    def newest(self) -> Anchor | None:
        """The anchor of the newest line, to be kept elsewhere; None where the log is empty. Raises NoLog."""
        lines, _ = self._content()
        return _anchor(lines[-2]) if len(lines) > 1 else None

    def verify(self, anchor: Anchor | None = None) -> tuple[int, list[Fault]]:
        """The number of lines, and every line that was edited, removed or put elsewhere, or is not what `anchor` says.

        A log that is missing is a fault: one that was never written and one that was taken away look the same.
        """
        try:
            lines, head = self._content()
        except NoLog as error:
            return 0, [Fault(1, str(error))]
        faults = list(_faults(lines[:-1]))
        if lines[-1]:
            faults.append(Fault(len(lines), "the line has no end"))
        elif not faults:
            faults += _faults_at_the_end(lines, head)
        if anchor is not None and anchor not in [_anchor(line) for line in lines[anchor.seq - 1 : anchor.seq]]:
            faults.append(Fault(anchor.seq, "the line is not the one that was anchored"))
        return len(lines) - 1, faults

    def _content(self) -> tuple[list[bytes], str]:
        """The lines, with what follows the last line's end as another one, and the head. Raises NoLog."""
        if not self._path.exists():
            taken = "" if self._head() == GENESIS else ", and one was there: the whole log is missing"
            raise NoLog(f"there is no audit log at {self._path}{taken}")
        if not self._path.is_file():
            raise NoLog(f"{self._path} is not a plain file: no audit log can be in it")
        with self.held() as file:
            return os.pread(file, os.fstat(file).st_size, 0).split(b"\n"), self._head()

    @contextmanager
    def held(self) -> Iterator[int]:
        """The log as an open file, to which nobody else appends meanwhile. Raises OSError."""
        while True:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                if not self._path.exists() or not os.path.samestat(os.fstat(file), self._path.stat()):
                    continue  # it was closed under another name while we waited
                yield file
                return
            finally:
                os.close(file)

    def _head(self) -> str:
        path = head_of(self._path)
        return path.read_bytes().decode(errors="replace").strip() if path.exists() else GENESIS

    def _write_head(self, line: bytes) -> None:
        fresh = head_of(self._path).with_suffix(".new")
        fresh.unlink(missing_ok=True)  # of a kill, or of whoever could read it
        file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            append(file, f"{orjson.loads(line)['hash']}\n".encode())
        finally:
            os.close(file)
        fresh.replace(head_of(self._path))


def _utf8(text: str) -> str:
    """A shell passes bytes that are not UTF-8 as half surrogate pairs, which JSON cannot hold."""
    return text.encode(errors="replace").decode()


def _is_newest(line: Mapping[str, Any], head: str) -> bool:
    """A kill between a line and its head leaves the head one line behind."""
    return head in (line.get("hash"), line.get("previous"))


def _sealed(record: Mapping[str, Any]) -> bytes:
    """One line; its bytes are the only ones that this content can have."""
    digest = hashlib.sha256(orjson.dumps(record)).hexdigest()
    return orjson.dumps({**record, "hash": digest}, option=orjson.OPT_APPEND_NEWLINE)


def _faults(lines: Sequence[bytes]) -> Iterator[Fault]:
    previous, expected = GENESIS, 1
    for number, line in enumerate(lines, start=1):
        record = _read(line)
        if record is None:
            yield Fault(number, "the line is not a record")
            previous, expected = "", expected + 1
            continue
        sealed = {name: value for name, value in record.items() if name != "hash"}
        if _sealed(sealed) != line + b"\n":
            yield Fault(number, "the line was edited")
        elif (record.get("previous"), record.get("seq")) != (previous, expected) and previous:
            yield Fault(number, "the line before it is missing, or lines changed places")
        previous = str(record.get("hash"))
        expected = record["seq"] + 1 if isinstance(record.get("seq"), int) else expected + 1


def _faults_at_the_end(lines: Sequence[bytes], head: str) -> list[Fault]:
    """Of lines that are all as they were written, with the nothing that follows the last line's end."""
    if len(lines) == 1:
        return [] if head == GENESIS else [Fault(1, "lines are missing at the end")]
    if _is_newest(orjson.loads(lines[-2]), head):
        return []
    if head == GENESIS:
        return [
            Fault(
                len(lines) - 1, "the file .head beside the log is missing: whether lines follow this one is not known"
            )
        ]
    return [Fault(len(lines) - 1, "lines are missing after this one, or the file .head beside the log is not its own")]


def _read(line: bytes) -> dict[str, Any] | None:
    try:
        record = orjson.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _anchor(line: bytes) -> Anchor | None:
    record = _read(line) or {}
    seq, digest = record.get("seq"), record.get("hash")
    return Anchor(seq, digest) if isinstance(seq, int) and isinstance(digest, str) else None


def _tail(file: int) -> tuple[bytes, int]:
    """The last whole line, and how many bytes follow it."""
    size = os.fstat(file).st_size
    reach = 4096
    while True:
        start = max(0, size - reach)
        *lines, torn = os.pread(file, size - start, start).split(b"\n")
        if len(lines) > 1 or start == 0:
            return lines[-1] if lines else b"", len(torn)
        reach *= 4
