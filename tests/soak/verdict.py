"""What the server's ledger, the table's and the processes' ends prove of a soak."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from shared.message.identity import ATTRIBUTE
from shared.road.failure.apart import first_start_apart
from shared.road.failure.verdict import NeverEnded
from tests.soak.consumer import ATTEMPTS, MANY_ATTEMPTS
from tests.soak.fleet import Tally
from tests.soak.schedule import LINES, ONCE, WORK, Job, key_in
from tests.sqs_server.checker import Findings, check

QUEUES = (WORK, ONCE, LINES)
TOLERANCE = 0.25
"""Seconds granted to the ends of leases: the report of a handler's start waits for a busy core."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a soak leaves behind. `completed` and `alone` are those of the ledger's table, `letters` the messages in the dead-letter queues, `faults` the rules in force."""

    lines: list[dict[str, Any]]
    letters: list[dict[str, Any]]
    waiting: list[dict[str, Any]]
    completed: Counter[str]
    alone: Counter[tuple[str, str]]
    tally: Tally
    faults: list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`faults` names what must not be, with up to five examples each, and is empty where all is well. `killed_each_time` are the
    keys of good work that was buried and may be: as often as its worker allows, a process began it by itself and was killed before
    its end, which from inside looks like work that kills.
    """

    faults: Mapping[str, list[str]]
    killed_each_time: tuple[str, ...]
    findings: Findings
    doubles: Mapping[str, int]
    letters: int
    spoilt_calls: int
    spoilt_messages: int
    calls: int


def judge(jobs: Mapping[str, Job], evidence: Evidence) -> Verdict:
    """Hold the evidence against what was sent."""
    # Copies of keyed work are deleted unread, each under a message id of its own: there the keys tell of losses.
    findings = check(evidence.lines, tolerance=TOLERANCE, handled=(WORK, f"{LINES}.fifo"))
    ended = _ended(evidence.lines)
    unlucky = _killed_each_time(jobs, ended, evidence)
    found_faults = {
        **{name: list(_names(getattr(findings, name))) for name in findings.faults},
        **_business(jobs, ended, unlucky, evidence),
        "redriven_without_a_reason": [f"{findings.redriven} messages"] if findings.redriven else [],
        "still_in_a_queue": [f"{each['message_id']} {each['state']}" for each in evidence.waiting],
        "hung": evidence.tally.hung,
        "ended_badly": [f"{name}: {code}" for name, code in evidence.tally.failed.items()],
    }
    return Verdict(
        faults={name: [f"{len(found)} in all", *found[:5]] for name, found in found_faults.items() if found},
        killed_each_time=unlucky,
        findings=findings,
        doubles={queue: sum(_queue(key) == queue and len(runs) > 1 for key, runs in ended.items()) for queue in QUEUES},
        letters=len(evidence.letters),
        spoilt_calls=sum(rule["fired"] for rule in evidence.faults if _spoils_calls(rule)),
        spoilt_messages=sum(rule["fired"] for rule in evidence.faults if rule["kind"] in {"refuse", "duplicate", "forget"}),
        calls=sum(findings.requests.values()),
    )  # fmt: skip


def _business(
    jobs: Mapping[str, Job], ended: Mapping[str, list[str]], unlucky: Iterable[str], evidence: Evidence
) -> dict[str, list[str]]:
    buried = _buried(evidence)
    good = [key for key, job in jobs.items() if not job.kind.is_poison]
    keyed = [key for key in good if _queue(key) == ONCE]
    return {
        "neither_done_nor_buried": [key for key in jobs if key not in ended and key not in buried],
        "poison_without_a_letter": [key for key, job in jobs.items() if job.kind.is_poison and key not in buried],
        "letters_without_a_reason": [key for key, failure in buried.items() if not failure],
        "good_but_buried": [
            f"{key} ({buried[key].get('error_type')})" for key in good if key in buried and key not in unlucky
        ],
        "completed_not_once": [f"{key}: {evidence.completed[key]}" for key in keyed if evidence.completed[key] != 1],
        "done_twice_despite_the_key": [
            f"{key}: by {', '.join(ended[key])}"
            for key in keyed
            if any(consumer not in evidence.tally.killed for consumer in ended.get(key, [])[:-1])
        ],
    }


def _buried(evidence: Evidence) -> dict[str, dict[str, Any]]:
    """What the letters say of their failure, by key."""
    return {key_in(letter["body"]): _failure(letter) for letter in evidence.letters}


def _killed_each_time(jobs: Mapping[str, Job], ended: Mapping[str, list[str]], evidence: Evidence) -> tuple[str, ...]:
    """By the ledger's count of runs: where a process was killed before its handler reported the start, nothing else tells."""
    lives: dict[str, set[str]] = defaultdict(set)
    for (message, consumer), runs in evidence.alone.items():
        if runs > 0 and consumer in evidence.tally.killed:
            lives[message].add(consumer)
    return tuple(
        key
        for key, failure in _buried(evidence).items()
        if failure.get("error_type") == NeverEnded.__name__
        and not jobs[key].kind.is_poison
        and len(lives[failure["original_message_id"]] - {*ended.get(key, ())}) >= _most_alone(key)
    )


def _most_alone(key: str) -> int:
    """How often a message that was never seen to end is begun by itself."""
    attempts = MANY_ATTEMPTS if _queue(key) == ONCE else ATTEMPTS
    return attempts - first_start_apart(attempts) + 1


def _ended(lines: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """By key, the consumers in which a handler ended, in order."""
    ended: dict[str, list[str]] = defaultdict(list)
    for line in lines:
        if line["kind"] == "effect" and line["phase"] == "ended":
            ended[line["key"]].append(line["consumer"])
    return ended


def _failure(letter: Mapping[str, Any]) -> dict[str, Any]:
    failure = letter["attributes"].get(ATTRIBUTE)
    return dict(orjson.loads(failure["StringValue"])) if failure is not None else {}


def _names(found: Any) -> Iterable[str]:
    return [f"{name}: {count}" for name, count in found.items()] if isinstance(found, Mapping) else found


def _queue(key: str) -> str:
    return key.partition("-")[0]


def _spoils_calls(rule: Mapping[str, Any]) -> bool:
    return rule["kind"] not in {"refuse", "duplicate", "forget", "latency"}
