"""How far a plan is, in counts that add up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fleet.dead_letters.model.plan.plan import Plan, Step, steps
from fleet.dead_letters.model.view import instant
from fleet.dead_letters.replay.journal import Progress
from fleet.typed import typed


def report(plan: Plan, progress: Progress, *, running: bool = False) -> dict[str, Any]:
    """The counts (schema dlq-replay, version 1): planned = sent + failed + gone + skipped + uncertain + remaining. What a runner is
    about to send remains; without one, it may have been sent.
    """
    planned = len(plan.letters)
    if progress.task:
        return _by_aws(plan, progress)
    uncertain = (progress.uncertain if running else progress.unsure) - progress.settled
    failed = progress.failed - progress.settled - uncertain
    ended = (progress.sent, failed, progress.gone, progress.skipped, uncertain)
    return {
        "version": 1,
        "plan_id": plan.plan_id,
        "planned": planned,
        "sent": len(progress.sent),
        "deleted": len(progress.deleted - progress.vanished),
        "failed": len(failed),
        "gone": len(progress.gone),
        "skipped": len(progress.skipped),
        "uncertain": len(uncertain),
        "returned": len(progress.returned),
        "remaining": planned - sum(map(len, ended)),
        "sent_twice": len(progress.twice),
        "vanished": len(progress.vanished),
        "faults": [{"id": name, "why": why} for name, why in progress.faults.items() if name not in progress.sent],
        "steps": [_step(step, progress) for step in steps(plan, progress.replaced)],
    }


def _by_aws(plan: Plan, progress: Progress) -> dict[str, Any]:
    """What SQS's own redrive moved: it names no letters, and its counts are approximate."""
    moved, planned = progress.moved, len(plan.letters)
    steps_ = [{**_step(step, progress), "sent": moved} for step in steps(plan)]
    counts = {"sent": moved, "deleted": moved, "remaining": max(0, planned - moved)}
    return {**report(plan, Progress()), **counts, "steps": steps_}


def status(plan: Plan, progress: Progress, *, file: Path, running: bool) -> dict[str, Any]:
    """The counts, the state that this plan is in, since when (ISO 8601), and the command that comes next, if any does."""
    state = _state(plan, progress, running=running)
    name, looked = str(file), typed("dlq", "groups", plan.place.queue)
    following = {
        "not begun": typed("dlq", "replay", name, "--yes", "--reason", "WHY"),
        "running": typed("dlq", "cancel", name, "--yes", "--reason", "WHY"),
        "stopped": looked,
        "done": looked if progress.returned else None,
    }
    if plan.via == "aws" and is_stopped(plan, progress):  # what is left is planned anew
        following |= dict.fromkeys(("cancelled", "unfinished"), following["stopped"])
    since = {"not begun": plan.created_at, "running": progress.began_at}.get(state, progress.last_at)
    return {
        **report(plan, progress, running=running),
        "running": running,
        "cancelled": state == "cancelled" or progress.end == "cancelled",
        "state": state,
        "since": instant(since),
        "next": following.get(state, typed("dlq", "resume", name, "--yes", "--reason", "WHY")),
    }


def _state(plan: Plan, progress: Progress, *, running: bool) -> str:
    """`stopped`: a canary came back; `interrupted`: by a signal or a kill; `unfinished`: it ended and left letters behind."""
    if running or not progress.runs:
        return "running" if running else "not begun"
    if plan.via == "aws":
        return _AWS.get(progress.task, "interrupted")
    if is_stopped(plan, progress):
        return "stopped"
    if is_done(plan, progress):
        return "done"
    if progress.end == "cancelled":
        return "cancelled"
    return "unfinished" if progress.end == "ended" else "interrupted"


_AWS = {"COMPLETED": "done", "CANCELLED": "cancelled", "FAILED": "unfinished"}


def is_done(plan: Plan, progress: Progress) -> bool:
    """Every letter came to its end: sent and deleted, or found gone; SQS's own redrive says so itself."""
    if plan.via == "aws":
        return progress.task == "COMPLETED"
    left = {each.id for each in plan.letters} - progress.settled
    return not left and (plan.keep or progress.sent <= progress.deleted)


def is_stopped(plan: Plan, progress: Progress) -> bool:
    """A canary came back, or SQS's own redrive ended before its time: this plan sends nothing any more."""
    if progress.task in ("CANCELLED", "FAILED"):
        return True
    return any(step.canary and progress.verdicts.get(step.number) == "bad" for step in steps(plan, progress.replaced))


def _step(step: Step, progress: Progress) -> dict[str, Any]:
    ids = {each.id for each in step.letters}
    return {
        "step": step.number,
        "letters": len(ids),
        "canary": step.canary,
        "sent": len(ids & progress.sent),
        "returned": len(ids & progress.returned),
        "verdict": progress.verdicts.get(step.number),
    }
