"""The runs: what a message's whole work costs, how many a core does, and how long a browser waits."""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any

from tests.bench.referee import ROOT, Invalid
from tests.bench.whole.concerns import CONCERNS, Concern
from tests.bench.whole.stage import Stage, stage

OURS, THEIRS = "this runtime", "aioboto3 by hand"
FREQUENT = 200
"""Uploads a second while a browser's wait is measured."""
PACE = 5
"""Of them in each call."""


@dataclass(frozen=True)
class Cost:
    """Microseconds of CPU and calls for a message, and messages a second: `calls` without what SQS is asked."""

    concern: str
    contestant: str
    messages: int
    cpu_us: float
    per_second: float
    calls: float
    sqs: float


def commands(concern: Concern) -> dict[str, tuple[str, ...]]:
    """What each contestant's process runs; nobody archives by hand as the audit worker does."""
    ours: dict[str, tuple[str, ...]] = {OURS: ("fleet.cli", "run", concern.worker)}
    if concern.name == "audit row":
        return ours
    events = tuple(name for name in concern.queues if name not in {"reminder-ticks", "reminder-receipts"})
    return ours | {THEIRS: ("tests.bench.whole.by_hand", *events)}


def cost(concern: Concern, contestant: str, *, count: int, root: Path = ROOT) -> Cost:
    """A fifth warms up. Raises Invalid."""
    with stage(concern, commands(concern)[contestant], root=root) as running:
        play(running, max(200, count // 5))
        before = running.counted()
        cpu, wall = play(running, count)
        made = running.counted() - before
    if made["refused signature"]:
        raise Invalid(f"{concern.name}: {made['refused signature']} signatures were wrong")
    asked = sum(each for name, each in made.items() if name in _OF_SQS and name != "SendMessageBatch")
    others = sum(each for name, each in made.items() if name not in _OF_SQS | _NO_CALLS)
    sqs = (asked + made["SendMessageBatch"] - _sent(count)) / count
    return Cost(concern.name, contestant, count, cpu / count * 1e6, count / wall, others / count, sqs)


_OF_SQS = frozenset({"ReceiveMessage", "DeleteMessageBatch", "SendMessageBatch", "ChangeMessageVisibilityBatch"})
_NO_CALLS = frozenset(
    {"entries", "tickets", "telemetry", "hook", "hook connection", "push", "refused signature", "BatchWriteItem"}
)


def _sent(count: int) -> int:
    """Calls of ours, which filled the queue."""
    return -(-count // 10)


def play(running: Stage, count: int) -> tuple[float, float]:
    """CPU and wall seconds for so many messages that wait in the queue."""
    bodies = running.prepared(count)
    with running.stopped():
        running.send(bodies)
        cpu, begun = running.cpu(), time.monotonic()
    running.until_done()
    return running.cpu() - cpu, time.monotonic() - begun


def waits(*, seconds: float) -> dict[str, Any]:
    """Milliseconds from a message's first receipt to its browser's message, 200 uploads a second. Raises Invalid."""
    [concern] = [each for each in CONCERNS if each.name == "upload"]
    with stage(concern, commands(concern)[OURS]) as running:
        play(running, 400)
        first = 400
        bodies = running.prepared(int(seconds * FREQUENT))
        running.sqs.control.keep_ledger(on=True)
        begun, ids = time.monotonic(), list[str]()
        for start in range(0, len(bodies), PACE):  # each call takes the server's latency too
            ids += running.send(bodies[start : start + PACE])
            time.sleep(max(0.0, begun + (start + PACE) / FREQUENT - time.monotonic()))
        sent = len(bodies) / (time.monotonic() - begun)
        running.until_done()
        received = {
            each["message_id"]: each["at"]
            for each in reversed(running.sqs.control.ledger())
            if each["kind"] == "receive"
        }
        told = running.aws.posted
    found = [(told[f"s{first + place}"] - received[each]) * 1e3 for place, each in enumerate(ids)]
    cut = quantiles(found, n=100)
    return {"messages": len(found), "per_second": sent, "median_ms": cut[49], "p99_ms": cut[98]}


def take(*, quick: bool, repetitions: int, say: Callable[[str], None]) -> dict[str, Any]:
    """All runs, interleaved: CPU of each concern beside the peer's, then one core's throughput, then the browser's wait."""
    found: dict[str, Any] = {"costs": [], "invalid": []}
    counts = (
        {OURS: 600, THEIRS: 300} if quick else {OURS: 2_000, THEIRS: 700}
    )  # a message by hand costs five times as much
    for each in _runs(counts, repetitions=repetitions, say=say, faults=found["invalid"]):
        found["costs"].append(asdict(each))
    try:
        found["waits"] = waits(seconds=3 if quick else 15)
        say(f"waits: {found['waits']}")
    except Invalid as fault:
        found["invalid"].append(str(fault))
        say(f"waits: INVALID {fault}")
    return found


def _runs(counts: dict[str, int], *, repetitions: int, say: Callable[[str], None], faults: list[str]) -> Iterator[Cost]:
    for _ in range(repetitions):
        for concern in CONCERNS:
            for contestant in commands(concern):
                try:
                    made = cost(concern, contestant, count=counts[contestant])
                except Invalid as fault:
                    faults.append(str(fault))
                    say(f"{concern.name}: INVALID {contestant}: {fault}")
                    continue
                say(
                    f"{concern.name}: {contestant} {made.cpu_us:.0f} us, {made.per_second:.0f}/s, {made.calls:.2f} calls, {made.sqs:.2f} of SQS"
                )
                yield made
