"""What one plan, archive or edit did, put together from the lines of the audit log; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

CARRIED_OUT = ("replay", "resume")
"""The commands that carry a plan out."""


def ids_that_fit(records: Sequence[Mapping[str, Any]], given: str) -> list[str]:
    """The plan ids that begin with `given`, each once, in the order of the log."""
    found = [str(record.get("plan_id") or "") for record in records]
    return list(dict.fromkeys(each for each in found if each and each.startswith(given)))


BEGUN_FROM = "plan file "
KEPT = "kept"
"""The count of a `begun` that says that the plan sends copies alone, and deletes nothing."""


def begun_plans(records: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """The lines of each plan that was begun, from its beginning on, oldest first."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for record in _carried_out(records):
        plan_id = str(record.get("plan_id") or "")
        if plan_id in found:
            found[plan_id].append(record)
        elif plan_id and record.get("outcome") == "begun":
            found[plan_id] = [record]
    return found


def former_file(records: Sequence[Mapping[str, Any]], plan_id: str) -> str | None:
    """The file from which this plan was begun or resumed last, "" where the log does not say; None: it was never begun."""
    begun = [
        str(record.get("note", "")).removeprefix(BEGUN_FROM)
        for record in _carried_out(records)
        if (record.get("plan_id"), record.get("outcome")) == (plan_id, "begun")
    ]
    return begun[-1] if begun else None


def furthest(records: Sequence[Mapping[str, Any]], plan_id: str) -> tuple[int, int]:
    """The number of the newest run of this plan that began, and how many letters were sent by the end of any; 0 where the log does
    not say, as that of an older version.
    """
    run, sent = 0, 0
    for record in _carried_out(records):
        if record.get("plan_id") == plan_id:
            counts = record.get("counts", {})
            run, sent = max(run, int(counts.get("run", 0))), max(sent, int(counts.get("sent", 0)))
    return run, sent


def before_own(records: Sequence[Mapping[str, Any]], plan_id: str) -> Sequence[Mapping[str, Any]]:
    """The lines before the one with which the newest run of this plan began: of two plans that begin at once, one sees the other."""
    own = [
        place
        for place, record in enumerate(records)
        if (record.get("plan_id"), record.get("outcome")) == (plan_id, "begun")
    ]
    return records[: own[-1]] if own else records


def _carried_out(records: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    return (record for record in records if record.get("command") in CARRIED_OUT)


def story(records: Sequence[Mapping[str, Any]], plan_id: str) -> dict[str, Any]:
    """Who, why, what, when and with which result: the lines of this plan in short, and what they come to.

    `counts` and `outcome` are those of the last line; `unfinished` says that a `begun` has no end after it.
    """
    lines = [record for record in records if record.get("plan_id") == plan_id]
    ids = dict.fromkeys(name for record in lines for name in record.get("ids", ()))
    digests: dict[str, str] = {}
    for record in lines:
        digests |= record.get("digests", {})
    ends = [record for record in lines if record.get("outcome") != "begun"]
    last = (ends or lines)[-1]
    return {
        "plan_id": plan_id,
        "queue": last.get("queue", ""),
        "who": list(dict.fromkeys(record.get("who", "") for record in lines)),
        "why": list(dict.fromkeys(record.get("reason", "") for record in lines if record.get("reason"))),
        "begun_at": lines[0].get("at"),
        "ended_at": ends[-1].get("at") if ends else None,
        "outcome": last.get("outcome"),
        "unfinished": lines[-1].get("outcome") == "begun",
        "counts": last.get("counts", {}),
        "ids": list(ids),
        "digests": digests,
        "steps": [
            {name: record.get(name) for name in ("seq", "at", "who", "command", "reason", "outcome", "counts", "note")}
            for record in lines
        ],
    }
