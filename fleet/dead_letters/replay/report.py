"""How far a plan is, in counts that add up."""

from __future__ import annotations

from typing import Any

from fleet.dead_letters.model.plan.plan import Plan, Step, steps
from fleet.dead_letters.replay.journal import Progress


def report(plan: Plan, progress: Progress) -> dict[str, Any]:
    """The counts (schema dlq-replay, version 1): planned = sent + failed + gone + skipped + uncertain + remaining."""
    planned = len(plan.letters)
    failed = progress.failed - progress.settled - progress.uncertain
    ended = (progress.sent, failed, progress.gone, progress.skipped, progress.uncertain)
    return {
        "version": 1,
        "plan_id": plan.plan_id,
        "planned": planned,
        "sent": len(progress.sent),
        "deleted": len(progress.deleted),
        "failed": len(failed),
        "gone": len(progress.gone),
        "skipped": len(progress.skipped),
        "uncertain": len(progress.uncertain),
        "returned": len(progress.returned),
        "remaining": planned - sum(map(len, ended)),
        "sent_twice": len(progress.twice),
        "faults": [{"id": name, "why": why} for name, why in progress.faults.items() if name not in progress.sent],
        "steps": [_step(step, progress) for step in steps(plan)],
    }


def is_done(plan: Plan, progress: Progress) -> bool:
    """Every letter came to its end: sent and deleted, or found gone."""
    left = {each.id for each in plan.letters} - progress.settled
    return not left and (plan.keep or progress.sent <= progress.deleted)


def is_stopped(plan: Plan, progress: Progress) -> bool:
    """A canary came back: this plan sends nothing any more."""
    return any(step.canary and progress.verdicts.get(step.number) == "bad" for step in steps(plan))


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
