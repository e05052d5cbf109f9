"""What the server's record and the processes' ends prove of restarts."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tests.soak.fleet import Tally
from tests.soak.restarts.workers import LINES, QUEUES
from tests.sqs_server.checker import Findings, check

TOLERANCE = 0.25
"""Seconds granted to the ends of leases: the report of a handler's start waits for a busy core."""
Life = tuple[float, float]
"""From when a process was told to end, by the server's clock, until it had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What restarts leave behind. `jobs` are the keys that were sent, `lines` the server's record, `cut` the processes that cut
    work at the end of their drain: it may have been between its effect and its return.
    """

    jobs: Collection[str]
    lines: Sequence[Mapping[str, Any]]
    letters: int
    waiting: int
    ends: Sequence[Life]
    tally: Tally
    cut: Collection[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`faults` is empty where all is well; `most_receipts` of one message, `again` the messages with more than one."""

    faults: Mapping[str, list[str]]
    findings: Findings
    most_receipts: int
    again: int


def judge(evidence: Evidence) -> Verdict:
    """Hold the evidence against what restarts may cost."""
    handled = [f"{name}.fifo" if name == LINES else name for name in QUEUES]
    findings = check(evidence.lines, tolerance=TOLERANCE, handled=handled)
    done, interrupted = _done(evidence.lines), evidence.tally.killed | {*evidence.cut}
    receipts = _receipts(evidence.lines)
    found = {
        **{name: [str(count)] for name, count in findings.faults.items()},
        "dead_letters": [str(evidence.letters)] if evidence.letters or findings.redriven else [],
        "still_in_a_queue": [str(evidence.waiting)] if evidence.waiting else [],
        "never_done": [key for key in evidence.jobs if key not in done],
        "done_twice_and_not_interrupted": [
            f"{key}: by {', '.join(by)}" for key, by in done.items() if any(each not in interrupted for each in by[:-1])
        ],
        "receipts_without_a_restart": [
            f"{name}: {[round(each, 2) for each in times]}"
            for name, times in receipts.items()
            if not explained(times, evidence.ends)
        ],
        "hung": evidence.tally.hung,
        "ended_badly": [f"{name}: {code}" for name, code in evidence.tally.failed.items()],
    }
    counts = [len(times) for times in receipts.values()]
    return Verdict(
        faults={name: [f"{len(each)} in all", *each[:5]] for name, each in found.items() if each},
        findings=findings,
        most_receipts=max(counts, default=0),
        again=sum(count > 1 for count in counts),
    )


def explained(receipts: Sequence[float], ends: Iterable[Life]) -> bool:
    """Whether each further receipt has a restart of its own, which fell between it and the receipt before."""
    left = sorted(ends, key=lambda each: each[1])
    for before, after in pairwise(receipts):
        cause = next((each for each in left if each[0] <= after and each[1] >= before), None)
        if cause is None:
            return False
        left.remove(cause)
    return True


def _done(lines: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """By key, the consumers that finished its work."""
    found = defaultdict[str, list[str]](list)
    for line in lines:
        if line["kind"] == "effect" and line["phase"] == "ended":
            found[line["key"]].append(line["consumer"])
    return found


def _receipts(lines: Iterable[Mapping[str, Any]]) -> dict[str, list[float]]:
    """By message, when it was handed out."""
    found = defaultdict[str, list[float]](list)
    for line in lines:
        if line["kind"] in {"receive", "duplicate"}:
            found[line["message_id"]].append(line["at"])
    return found
