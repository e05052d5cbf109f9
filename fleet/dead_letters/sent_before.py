"""Letters that another plan sent and that are still here: a second plan over them would send them twice."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fleet.dead_letters.audit.story import KEPT, begun_plans, former_file
from fleet.dead_letters.replay import journal as journals
from fleet.dead_letters.replay.journal import JournalUnreadable, Progress, journal_path


def sent_before(records: Sequence[Mapping[str, Any]], ids: Collection[str], *, but: str = "") -> dict[str, str]:
    """Which of these letters, by id, another plan of the audit log than `but` sent and did not delete, or may have sent, and in which
    words. The journal of that plan says it; where that is gone, the log itself.
    """
    found: dict[str, str] = {}
    for plan_id, lines in begun_plans(records).items():
        if plan_id != but and not lines[0].get("counts", {}).get(KEPT) and not _is_over(lines):
            found |= dict(_of(plan_id, lines, ids))
    return found


def _of(plan_id: str, lines: Sequence[Mapping[str, Any]], ids: Collection[str]) -> Iterator[tuple[str, str]]:
    file = former_file(lines, plan_id) or ""
    which = f"the plan {plan_id[:8]}{f' of {file}' if file else ''}"
    path = journal_path(Path(file), plan_id) if file else None
    named = {name for line in lines for name in line.get("ids", ())}
    if path is None or not path.is_file():
        yield from ((each, f"{which} may have sent it, and its journal is gone") for each in ids if each in named)
        return
    following = f"; `fleet dlq resume {shlex.quote(file)}` goes on with it"
    try:
        progress = journals.read(path)
    except JournalUnreadable as error:
        yield from ((each, f"{which} may have sent it: {error}") for each in ids if each in named)
        return
    yield from ((each, f"{which} {why}{following}") for each, why in _told(progress, ids))


def _told(progress: Progress, ids: Collection[str]) -> Iterator[tuple[str, str]]:
    for each in ids:
        if each in progress.uncertain:
            yield each, "may have sent it, for the answer was lost"
        elif each in progress.sent and each not in progress.deleted:
            yield each, "sent it already and did not come to delete it"


def _is_over(lines: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the newest run came to an end that left no letter behind that was sent, or may have been."""
    runs = [line for line in lines if line.get("outcome") == "begun" or "sent" in line.get("counts", {})]
    if runs[-1].get("outcome") == "begun":
        return False
    counts = runs[-1]["counts"]
    deleted = counts.get("deleted", 0) + counts.get("vanished", 0)
    return bool(counts["sent"] == deleted and not counts.get("uncertain", 0))
