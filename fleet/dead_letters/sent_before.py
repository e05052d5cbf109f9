"""Letters that another plan sent or is at work on, and that are still here: a second plan over them would send them twice."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fleet.dead_letters.audit.story import KEPT, begun_plans, former_file
from fleet.dead_letters.replay import journal as journals
from fleet.dead_letters.replay.journal import JournalUnreadable, Progress, journal_path
from fleet.typed import typed

Findings = Iterator[tuple[str, str]]


def sent_before(
    records: Sequence[Mapping[str, Any]],
    ids: Collection[str],
    *,
    but: str = "",
    earlier: Collection[str] = (),
    at_work: Callable[[str], bool] = lambda _: False,
) -> dict[str, str]:
    """Which of these letters, by id, another plan of the audit log than `but` sent and did not delete, may have sent, or is at work on,
    and in which words. The journal of that plan says it; where that is gone, the log itself.

    `at_work` answers whether a runner holds the plan of this id. `earlier`: ids that letters had before they were archived and restored. Whatever became of them in the queue, what was sent under
    such an id was not this letter's death: it was put away before, and would be sent twice.
    """
    found: dict[str, str] = {}
    for plan_id, lines in begun_plans(records).items():
        if plan_id == but or lines[0].get("counts", {}).get(KEPT):
            continue
        if at_work(plan_id):
            found |= {each: f"{_which(plan_id, lines)} is at work on it" for each in _named(lines, [*ids, *earlier])}
            continue
        found |= dict(_of(plan_id, lines, earlier, _once_sent)) if earlier else {}
        found |= dict(_of(plan_id, lines, ids, _explain)) if not _is_over(lines) else {}
    return found


def _which(plan_id: str, lines: Sequence[Mapping[str, Any]]) -> str:
    file = former_file(lines, plan_id)
    return f"the plan {plan_id[:8]}{f' of {file}' if file else ''}"


def _named(lines: Sequence[Mapping[str, Any]], ids: Collection[str]) -> list[str]:
    """Those that the log names as letters of this plan."""
    named = {name for line in lines for name in line.get("ids", ())}
    return [each for each in ids if each in named]


def _of(
    plan_id: str,
    lines: Sequence[Mapping[str, Any]],
    ids: Collection[str],
    explain: Callable[[Progress, Collection[str], str], Findings],
) -> Findings:
    file = former_file(lines, plan_id) or ""
    which, named = _which(plan_id, lines), _named(lines, ids)
    path = journal_path(Path(file), plan_id) if file else None
    if path is None or not path.is_file():
        yield from ((each, f"{which} may have sent it, and its journal is gone") for each in named)
        return
    try:
        progress = journals.read(path)
    except JournalUnreadable as error:
        yield from ((each, f"{which} may have sent it: {error}") for each in named)
        return
    yield from ((each, f"{which} {why}") for each, why in explain(progress, ids, file))


def _explain(progress: Progress, ids: Collection[str], file: str) -> Findings:
    following = f"`{typed('dlq', 'resume', file)}` goes on with it"
    for each in ids:
        if each in progress.sending:
            yield each, f"may have sent it, for it was killed before it could say so; {following}"
        elif each in progress.uncertain:
            yield each, f"may have sent it, for the answer was lost; {following}"
        elif each in progress.sent and each not in progress.deleted:
            yield each, f"sent it already and did not come to delete it; {following}"


def _once_sent(progress: Progress, ids: Collection[str], _: str) -> Findings:
    """A resume of that plan does not find them any more."""
    for each in ids:
        if each in progress.unsure | progress.sent:
            maybe = "may have sent" if each in progress.unsure else "sent"
            yield each, f"{maybe} it as {each}, before it was restored from the archive"


def _is_over(lines: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the newest run came to an end that left no letter behind that was sent, or may have been."""
    runs = [line for line in lines if line.get("outcome") == "begun" or "sent" in line.get("counts", {})]
    if runs[-1].get("outcome") == "begun":
        return False
    counts = runs[-1]["counts"]
    deleted = counts.get("deleted", 0) + counts.get("vanished", 0)
    return bool(counts["sent"] == deleted and not counts.get("uncertain", 0))
