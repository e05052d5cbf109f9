"""Plan files in one folder, which the command line reads and writes as well; how far each is, from its journal alone."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fleet.dead_letters.model.plan import plan as planning
from fleet.dead_letters.model.plan.plan import Plan
from fleet.dead_letters.replay import journal as journals
from fleet.dead_letters.replay import report

SUFFIX = ".plan"
MOST = 100
"""Plans that are listed, the newest first."""
KEPT_OPEN = 4
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,200}\.plan")
ACTS = {
    "not begun": "replay",
    "running": "cancel",
    "cancelled": "resume",
    "unfinished": "resume",
    "interrupted": "resume",
}
"""What may be done with a plan, by its state; a plan that is done or stopped sends nothing any more."""


class NoPlan(Exception):
    """There is no plan of this name in the folder."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A plan as its file holds it now; `digest` is SHA-256 of the file."""

    name: str
    file: Path
    plan: Plan
    digest: str
    status: dict[str, Any]

    @property
    def act(self) -> str:
        """`replay`, `resume` or `cancel`; "" where nothing can be done."""
        return ACTS.get(str(self.status["state"]), "")


@dataclass(frozen=True, slots=True)
class Plans:
    """`key` answers what plans are sealed with; OSError where it cannot be read."""

    folder: Path
    key: Callable[[], bytes]
    _opened: dict[str, Plan] = field(default_factory=dict, repr=False)
    """The newest few by their files' digests: a page that renews itself does not parse 100,000 letters each time."""

    def names(self) -> list[str]:
        """The newest first."""
        if not self.folder.is_dir():
            return []
        files = [each for each in self.folder.glob(f"*{SUFFIX}") if _NAME.fullmatch(each.name) and _is_plain(each)]
        files.sort(key=lambda each: (each.stat().st_mtime, each.name), reverse=True)
        return [each.name for each in files[:MOST]]

    def file(self, name: str) -> Path:
        """Raises NoPlan; a name never leads out of the folder, and a link is none of its files."""
        file = self.folder / name
        if not _NAME.fullmatch(name) or not _is_plain(file):
            raise NoPlan(f"there is no plan {name}")
        return file

    def read(self, name: str) -> Kept:
        """Raises NoPlan, PlanRefused, JournalUnreadable, OSError."""
        file = self.file(name)
        content = file.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        plan = self._opened.pop(digest, None) or planning.read(content, key=self.key())
        self._opened[digest] = plan
        if len(self._opened) > KEPT_OPEN:
            del self._opened[next(iter(self._opened))]
        progress = journals.read(journals.journal_path(file, plan.plan_id))
        status = report.status(plan, progress, file=file, running=journals.is_held(file))
        return Kept(name, file, plan, digest, status)

    def fresh(self, queue: str, *, now: float) -> Path:
        """A file for a new plan."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        at = datetime.fromtimestamp(now, UTC).strftime("%Y%m%d-%H%M%S")
        return self.folder / f"{queue}-{at}-{secrets.token_hex(2)}{SUFFIX}"

    def words(self, name: str) -> list[str]:
        """What the command that was begun last said, without its counts, which the journal has."""
        path = words_of(self.file(name))
        if not _is_plain(path):
            return []
        return [each for each in path.read_text(errors="replace").splitlines() if each.strip() and each[:1] != "{"]


def _is_plain(file: Path) -> bool:
    return file.is_file() and not file.is_symlink()


def words_of(file: Path) -> Path:
    """Beside the plan, where a command that nobody waits for writes what it says."""
    return file.with_name(f"{file.name}.words")
