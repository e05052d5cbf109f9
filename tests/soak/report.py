"""A soak's summary as a table."""

from collections.abc import Iterator

from tests.soak.run import Soaked
from tests.soak.schedule import LINES, ONCE, WORK

NAMES = {WORK: WORK, ONCE: ONCE, LINES: f"{LINES}.fifo"}


def summary(soaked: Soaked) -> str:
    """Lines of name and number, and what must not be, if anything."""
    rows = [*_rows(soaked)]
    width = max(len(name) for name, _ in rows)
    lines = [f"{name:<{width}}  {value}" for name, value in rows]
    return "\n".join((*lines, *_faults(soaked)))


def _rows(soaked: Soaked) -> Iterator[tuple[str, str]]:
    tally, verdict, sent = soaked.tally, soaked.verdict, soaked.sent
    findings = verdict.findings
    yield "seed", str(soaked.seed)
    yield "storm, calm until empty", f"{soaked.seconds:.0f} s, {soaked.calm:.1f} s"
    yield "restarts", f"{tally.restarts:,} ({len(tally.killed):,} by kill -9, {tally.asked_to_leave:,} by SIGTERM)"
    yield "longest drain", f"{tally.longest_drain:.1f} s"
    yield "business keys", f"{soaked.jobs:,} in {sent.calls:,} sends, {sent.repeated:,} of them repeated"
    yield (
        "messages",
        f"{findings.sent - verdict.letters:,} sent, {findings.deleted:,} deleted, {verdict.letters:,} buried",
    )
    yield "good, but killed at each start", f"{len(verdict.killed_each_time):,} buried as NeverEnded"
    yield "calls", f"{verdict.calls:,}, {verdict.spoilt_calls:,} spoilt ({verdict.spoilt_calls / verdict.calls:.1%})"
    yield "messages spoilt in a call", f"{verdict.spoilt_messages:,} (refused, delivered twice, not deleted)"
    yield "delivered more than once", f"{findings.delivered_twice:,}"
    yield "started more than once", f"{findings.started_twice:,}"
    for queue, count in verdict.doubles.items():
        yield f"done more than once: {queue}", f"{count:,} keys"
    for queue, name in NAMES.items():
        yield f"requests per message: {queue}", f"{findings.requests_per_message(name):.2f}"


def _faults(soaked: Soaked) -> Iterator[str]:
    if not soaked.verdict.faults:
        yield "nothing lost, nothing settled with a dead lease, every group in order, every poison buried with its reason"
    for name, found in soaked.verdict.faults.items():
        yield f"FAULT {name}: {'; '.join(found)}"
