"""What is known of a message: its ids, the moments that name one of them, and where was looked; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from fleet.dead_letters.model.letter import DeadLetter, reason_of

JOINING = (
    "message_id",
    "trace_id",
    "correlation_id",
    "event_id",
    "webhook_id",
    "session_id",
    "reminder_id",
    "reminder",
)
"""Fields of a log line that name the same message, or what it is about."""
TOLD = ("level", "outcome", "why", "error_type", "attempt", "duration_ms", "hidden_s", "fingerprint", *JOINING)
"""Fields of a log line that are repeated; no other is."""
_DIGIT = re.compile(r"\d")
MOST_IDS = 200
"""Ids that a story goes on to; what names more is no story of one message."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened, `at` in ISO 8601 or "" where nobody wrote that down; `place` says who tells of it."""

    at: str
    place: str
    what: str
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def when(self) -> datetime:
        """For the order: what has no time stands at the end."""
        try:
            found = datetime.fromisoformat(self.at)
        except ValueError:
            return datetime.max.replace(tzinfo=UTC)
        return found if found.tzinfo else found.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Looked:
    """Where was looked, or why not. `failed`: it should have been, and could not."""

    place: str
    how: str
    failed: bool = False


class Ids:
    """The ids of one story: the one that was asked for, and those that a log line says belong to it."""

    def __init__(self, asked: str) -> None:
        self._all = {asked: None}
        self._asked = _whole(asked)
        self._pattern: re.Pattern[str] | None = None

    def __iter__(self) -> Iterator[str]:
        return iter([*self._all])

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, found: object) -> bool:
        return found in self._all

    def add(self, found: str) -> None:
        if found and len(self._all) < MOST_IDS and found not in self._all:
            self._all[found] = None
            self._pattern = None

    def are_in(self, text: str) -> bool:
        """Whether the text names one of them, whole: `s-1` is not in `s-12`. Of those that a line told only what holds a digit: a customer
        may give any word for an id, and `error` is in the text of every other story.
        """
        if self._pattern is None:
            asked, *told = self._all
            self._pattern = _whole(asked, *(each for each in told if _DIGIT.search(each)))
        return self._pattern.search(text) is not None

    def are_of(self, said: Mapping[str, Any], text: str) -> bool:
        """Whether a log line is of the story: its text names the id that was asked for, or it states one of the others as its own."""
        stated = (said.get(name) for name in JOINING)
        return any(isinstance(each, str) and each in self for each in stated) or self._asked.search(text) is not None


def _whole(*names: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, names))})(?![\w-])")


def logged(line: bytes, ids: Ids) -> Moment | None:
    """A log line that names one of the ids, which learn its other ones; None for any other line, and for what is not JSON. Before the
    JSON may stand what a collector of logs writes there: a time, a container's name.
    """
    text = line.decode(errors="replace")
    if not any(each in text for each in ids):
        return None
    try:
        said = orjson.loads(line[max(0, line.find(b"{")) :])
    except ValueError:
        return None
    if not isinstance(said, dict) or not ids.are_of(said, text):
        return None
    for name in JOINING:
        ids.add(said[name] if isinstance(said.get(name), str) else "")
    place = f"log {said.get('worker') or said.get('logger') or ''}".strip()
    told = {name: said[name] for name in TOLD if isinstance(said.get(name), str | int | float)}
    return Moment(str(said.get("timestamp", "")), place, str(said.get("event", "")), told)


def buried(letter: DeadLetter, queue: str, ids: Ids) -> Moment | None:
    """A dead letter that names one of the ids; never what its body says. Its reason gives a trace id."""
    reason = None if letter.moved_from else reason_of(letter)
    envelope = letter.written("fleet-failure")
    traced = (reason.trace_id, reason.correlation_id) if reason else ()
    names = (letter.id, letter.key, *traced, str(envelope.get("original_message_id") or ""))
    if not ids.are_in(" ".join(names)) and not ids.are_in(letter.body):
        return None
    sent = datetime.fromtimestamp(letter.sent_at, UTC).isoformat(timespec="milliseconds")
    told = {"letter": letter.id, "error_type": reason.error_type, "fingerprint": reason.fingerprint} if reason else {}
    at = (reason.last_failure if reason else "") or sent
    return Moment(at, f"letter {queue}", "buried" if reason else "moved by SQS", {"letter": letter.id, **told})


def archived(lines: Iterable[bytes], ids: Ids) -> Iterator[Moment]:
    """Rows of the audit archive that name one of the ids; never their images."""
    for line in lines:
        if not ids.are_in(line.decode(errors="replace")):
            continue
        row = orjson.loads(line)
        told = {name: row.get(name) for name in ("table", "event_id", "outcome") if row.get(name)}
        yield Moment(str(row.get("event_time", "")), "archive", str(row.get("activity", "")), told)
