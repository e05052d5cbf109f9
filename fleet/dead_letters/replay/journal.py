"""What a replay has done so far, beside its plan: appended and flushed to the disk before anything follows from it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import orjson

from fleet.dead_letters.whole_lines import append

State = Literal["sending", "sent", "deleted", "failed", "gone", "skipped", "uncertain", "returned", "replaced"]
STATES = frozenset(get_args(State))
LATEST = 253_402_300_800
"""Epoch seconds that no clock shows: the year 10000."""
Verdict = Literal["good", "bad", "none"]
End = Literal["ended", "cancelled", "interrupted"]


@dataclass(slots=True)
class Progress:
    """Letters by what happened to them. `failed` may be tried again; a sent letter is never sent again. `uncertain`: the answer
    to their send was lost, or its run was cut; `sending`: a send began, and nothing is known of it yet; `twice`: sent again after that, so that there may be two of them under one key. `faults`: why a
    letter was left, by id. `vanished`: of the deleted ones those that a later run did not find any more, whoever deleted them. `replaced`: canaries of which nothing was sent, so that others took their place. `announced`: the number of the
    newest run that was to begin. `end`: how the newest run ended; None where it did not, or was killed. `plan_id`: whose journal this is, "" where it does not say. Times in epoch seconds. `task`,
    `earlier`, `moved`: the status of SQS's own redrive, where that does the work, when the one before it was started, and what it says it moved.
    """

    sending: set[str] = field(default_factory=set)
    sent: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    vanished: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    skipped: set[str] = field(default_factory=set)
    uncertain: set[str] = field(default_factory=set)
    twice: set[str] = field(default_factory=set)
    returned: set[str] = field(default_factory=set)
    replaced: set[str] = field(default_factory=set)
    faults: dict[str, str] = field(default_factory=dict)
    verdicts: dict[int, Verdict] = field(default_factory=dict)
    runs: int = 0
    announced: int = 0
    began_at: float = 0.0
    last_at: float = 0.0
    end: End | None = None
    plan_id: str = ""
    task: str = ""
    earlier: int = 0
    moved: int = 0

    @property
    def settled(self) -> set[str]:
        """Those that no runner needs to send."""
        return self.sent | self.gone | self.skipped

    @property
    def unsure(self) -> set[str]:
        """Those that may have arrived, of a plan that nobody is at work on."""
        return self.uncertain | self.sending

    def take(self, line: dict[str, Any]) -> None:
        self.last_at = float(line.get("at", self.last_at))
        match line:
            case {"state": str(state), "ids": list(ids)} if state in STATES:
                self._note(state, ids, line)
            case {"verdict": verdict, "step": int(step)}:
                self.verdicts[step] = verdict
            case {"announced": int(number)}:
                self.announced = max(self.announced, number)
            case {"run": _}:
                self.runs += 1
                self.plan_id = str(line.get("plan_id", self.plan_id))
                self.began_at, self.end = self.last_at, None
                self._cut()
            case {"task": str(status), "moved": int(moved)}:
                self.task, self.moved = status, moved
                self.earlier = int(line.get("earlier", self.earlier))
            case {"end": ("ended" | "cancelled" | "interrupted") as end}:
                self.end = end
                self._cut()
            case _:
                pass

    def _cut(self) -> None:
        """A run is over: nobody comes back to say what became of a send that it had begun."""
        self.uncertain, self.sending = self.unsure, set()

    def _note(self, state: str, ids: list[str], line: dict[str, Any]) -> None:
        self.sending.difference_update(ids)
        getattr(self, state).update(ids)
        if state in ("sent", "deleted", "gone", "skipped"):  # why an earlier run left it says no more
            for each in ids:
                self.faults.pop(each, None)
        self.faults |= {each: str(why) for each, why in line.get("why", {}).items()}
        if state == "sent":
            self.twice |= self.uncertain.intersection(ids) if line.get("again") else set()
            self.failed.difference_update(ids)
            self.uncertain.difference_update(ids)
        elif state == "deleted" and line.get("vanished"):
            self.vanished.update(ids)
        elif state == "uncertain":
            self.failed.difference_update(ids)


class Journal:
    """An append-only file of JSON lines. `write` puts bytes at its end and returns when the disk has them."""

    def __init__(
        self, write: Callable[[bytes], None], *, now: Callable[[], float], progress: Progress, plan_id: str = ""
    ) -> None:
        self._write = write
        self._plan_id = plan_id
        self._now = now
        self.progress = progress

    def note(
        self, state: State, ids: Iterable[str], *, step: int, why: Mapping[str, str] | None = None, **more: bool
    ) -> None:
        """Nothing is written for no ids. `more`: `again`, sent though an earlier send may have arrived; `vanished`, deleted by nobody
        knows whom.
        """
        if names := list(ids):
            said = {"why": dict(why)} if why else {}
            flags = {name: True for name, given in more.items() if given}
            self._line({"state": state, "step": step, "ids": names, **said, **flags})

    def verdict(self, step: int, verdict: Verdict) -> None:
        self._line({"verdict": verdict, "step": step})

    def task(self, status: str, moved: int, *, earlier: int | None = None) -> None:
        """What SQS says of its own redrive; written only where it says something new. `earlier` tells a task that was there
        before from the one that is asked for.
        """
        if (status, moved) != (self.progress.task, self.progress.moved):
            more = {"earlier": earlier} if earlier is not None else {}
            self._line({"task": status, "moved": moved, **more})

    def announce(self) -> int:
        """The number of the run that is to begin, on the disk before anybody else writes it down: a journal that does not know a run
        is an older copy.
        """
        number = max(self.progress.runs, self.progress.announced) + 1
        self._line({"announced": number})
        return number

    def begin(self, who: str, reason: str) -> None:
        self._line({"run": self.progress.runs + 1, "who": who, "reason": reason, "plan_id": self._plan_id})

    def end(self, how: End) -> None:
        """A journal whose newest run has no end was killed."""
        self._line({"end": how})

    def _line(self, fields: dict[str, Any]) -> None:
        line = {"at": round(self._now(), 3), **fields}
        self._write(orjson.dumps(line) + b"\n")
        self.progress.take(line)


def read(path: Path) -> Progress:
    """What the journal at `path` says; nothing where there is none. Raises JournalUnreadable."""
    return folded(_content(path), name=str(path))


def _content(path: Path) -> bytes:
    """Nothing where there is none. Raises JournalUnreadable where it is no plain file: a device has no end."""
    if path.exists() and not path.is_file():
        raise JournalUnreadable(f"{path} is not a plain file, and a journal is one")
    return path.read_bytes() if path.exists() else b""


def folded(content: bytes, *, name: str = "the journal") -> Progress:
    """Read a journal. A line that was cut short by a kill counts as not written: the last one, or one that a later run closed
    with a line end before it began. Raises JournalUnreadable for any other: what was sent may be in it.
    """
    progress = Progress()
    lines = content.split(b"\n")
    for number, line in enumerate(lines, start=1):
        try:
            if line:
                progress.take(_checked(line))
        except ValueError as error:
            if not _was_cut(line, lines[number:]):
                raise JournalUnreadable(
                    f"{name}, line {number}: {error}. It may tell of letters that were sent: mend that line, or plan anew"
                ) from error
    return progress


def _checked(line: bytes) -> dict[str, Any]:
    """Raises ValueError where this is not a line that a journal has."""
    try:
        found = orjson.loads(line)
    except ValueError:
        raise ValueError("the line cannot be read") from None
    if not isinstance(found, dict):
        raise ValueError("the line is no JSON object")  # noqa: TRY004 - one fault of many in a line
    at, ids, why = found.get("at", 0.0), found.get("ids", []), found.get("why", {})
    if isinstance(at, bool) or not isinstance(at, int | float) or not 0 <= at < LATEST:
        raise ValueError("`at` is not a time in epoch seconds")
    if not isinstance(ids, list) or not all(isinstance(each, str) for each in ids):
        raise ValueError("`ids` is not a list of letters' ids")
    if not isinstance(why, dict):
        raise ValueError("`why` is not an object")  # noqa: TRY004
    for name in ("step", "moved", "earlier", "announced"):
        if not isinstance(found.get(name, 0), int):
            raise ValueError(f"`{name}` is not a whole number")  # noqa: TRY004
    return found


def _was_cut(line: bytes, behind: list[bytes]) -> bool:
    """Whether a kill cut this line: it begins as one, is no JSON, and nothing stands behind it but what another run began."""
    with suppress(ValueError):
        orjson.loads(line)
        return False
    following = next((each for each in behind if each), b"")
    return line.startswith(b"{") and (not following or b'"run":' in following or b'"announced":' in following)


class JournalUnreadable(Exception):
    """A line of the journal is not as it was written: nobody can tell what was sent."""


class JournalLost(Exception):
    """The disk does not take the next line of the journal: nothing more is done."""


class PlanBusy(Exception):
    """Another runner holds this plan."""


def journal_path(plan_file: Path, plan_id: str) -> Path:
    return _beside(plan_file, f"{plan_id[:8]}.journal")


def cancel_path(plan_file: Path, plan_id: str) -> Path:
    """Of this plan and not of the next one in a file of that name."""
    return _beside(plan_file, f"{plan_id[:8]}.cancel")


def _beside(plan_file: Path, suffix: str) -> Path:
    """Beside the file itself, by whichever link it is named."""
    file = plan_file.resolve()
    return file.with_name(f"{file.name}.{suffix}")


@contextmanager
def opened(plan_file: Path, plan_id: str, *, now: Callable[[], float]) -> Iterator[Journal]:
    """Hold the plan and its journal; the kernel gives both free when this process dies. Raises PlanBusy, JournalUnreadable."""
    lock = os.open(_beside(plan_file, "lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PlanBusy("another runner holds this plan") from error
        cancel_path(plan_file, plan_id).unlink(missing_ok=True)  # it was meant for a run that is over
        path = journal_path(plan_file, plan_id)
        content = _content(path)
        progress = folded(content, name=str(path))
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            if content and not content.endswith(b"\n"):
                _durable(file, path, b"\n")  # what was cut short stays on a line of its own
            yield Journal(partial(_durable, file, path), now=now, progress=progress, plan_id=plan_id)
        finally:
            os.close(file)
    finally:
        os.close(lock)


def is_held(plan_file: Path) -> bool:
    """Whether a runner is at work on this plan."""
    path = _beside(plan_file, "lock")
    if not path.exists():
        return False
    lock = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _durable(file: int, path: Path, line: bytes) -> None:
    try:
        append(file, line)
    except OSError as error:
        raise JournalLost(
            f"stopped: the journal {path} cannot be written ({error.strerror}). What was sent since its last line is sent "
            "once more by `resume`, under the same idempotency key"
        ) from error
