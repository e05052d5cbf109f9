"""The way out of a damaged audit log: it is closed under another name, and a new one begins that says so."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path

from fleet.dead_letters.audit.log import AuditLog, Entry, head_of

CLOSED = ".closed-"
COMMAND = "audit renew"


def closed(log: Path) -> list[Path]:
    """The logs that were closed at this place, oldest first."""
    found = log.parent.glob(f"{log.name}{CLOSED}*")
    return sorted(each for each in found if not each.name.endswith(".head"))


def renew(path: Path, log: AuditLog, fresh: Callable[[Path], AuditLog], *, who: str, reason: str, at: str) -> Path:
    """Close the log at `path`, and begin a new one whose first line names the closed one, how many lines it has, its SHA-256 and the
    first of its faults. Answers where the closed one is. `fresh` opens a log at another place; `at` is the time, in ISO 8601.

    Also a kill loses no line: the closed one has its name before the new one takes its place. `path` is a plain file, or not there.
    Raises OSError.
    """
    faults = log.verify()[1]
    name = path.with_name(f"{path.name}{CLOSED}{re.sub('[^0-9]', '', at)[:17]}")
    began = path.with_name(f"{path.name}.fresh")
    _remove([began, head_of(began)])
    with log.held() if path.exists() else nullcontext():  # what others append meanwhile goes into the new one
        content = path.read_bytes() if path.exists() else b""
        lines, digest = content.count(b"\n"), hashlib.sha256(content).hexdigest()
        note = f"begun after {name.name}: {lines} lines, SHA-256 {digest}; line {faults[0].line}: {faults[0].why}"
        fresh(began).append(Entry(COMMAND, "", reason, "done", who, note=note))
        if path.exists():
            os.link(path, name)
            if head_of(path).is_file():
                os.link(head_of(path), head_of(name))
        else:
            name.write_bytes(b"")
        began.replace(path)
        head_of(began).replace(head_of(path))
    return name


def _remove(paths: Iterable[Path]) -> None:
    for each in paths:
        each.unlink(missing_ok=True)
