"""Which sections a run has, in their order, and how long each takes: `make bench` as a whole, half an hour at most on a quiet machine.

A section's seconds are reckoned from what it starts, sends and waits for: a run of a contestant is the start of two processes,
2 s, and its messages' sending, handling and deleting. `tests/bench/sections.py` says beside them what they really took.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from tests.bench import aws_calls, extras, isolation, lambda_start, scaling
from tests.bench.archive import play as archive
from tests.bench.plan import ROUNDS, Round, played
from tests.bench.referee import PEERS, ROOT, cores
from tests.bench.reminders import play as reminders
from tests.bench.sections import Found, Say, Section
from tests.bench.uploads import play as uploads
from tests.bench.webhooks import play as webhooks
from tests.bench.whole import play as whole
from tests.sqs_server.account import REGION
from tests.sqs_server.running import ACCESS_KEY, CERTIFICATE, SECRET, sqs_server

A_RUN = 3.2
"""Seconds of a contestant's run over 5,000 messages, or 1,000 of a millisecond each."""
REPEATED = 3
"""Runs of what is repeated beside the rounds."""
BESIDE = ("imports", "lambda", "aws_calls", "whole", "webhooks", "uploads", "isolation", "archive", "queues", "memory")
"""What a whole run has beside the rounds."""
EXTRAS = (*BESIDE, "reminders")
"""What may be asked for: floods at Expo's rate take a quarter of an hour, and their own run."""


@dataclass(frozen=True)
class Extent:
    """How much is done: `repetitions` None is each section's own number."""

    quick: bool
    messages: int
    repetitions: int | None


def sections(
    extent: Extent, say: Say, *, rounds: list[str] | None = None, only: list[str] | None = None
) -> list[Section]:
    """`rounds` and `only` name what is wanted of the rounds and of what is beside them; None of either is all, or nothing where only
    the other is named.
    """
    named = [each for each in ROUNDS if (not only if rounds is None else each.name in rounds)]
    beside = BESIDE if only is None and not rounds else only or ()
    parts = {each.name: each for each in _beside(extent, say)}
    return [*(_round(each, extent, say) for each in named), *(parts[name] for name in beside)]


def _round(each: Round, extent: Extent, say: Say) -> Section:
    repetitions = extent.repetitions or each.repetitions
    seconds = repetitions * len(each.contestants) * A_RUN

    def take() -> Found:
        with sqs_server(prefix=("taskset", "-c", cores()[0]), tls=CERTIFICATE if each.tls else None) as server:
            runs, faults = played(server, each, repetitions=repetitions, messages=extent.messages, say=say)
        if not runs:
            raise RuntimeError(f"no run counts: {faults}")
        return {each.name: {"runs": [asdict(run) for run in runs], "invalid": faults}}

    return Section(f"round {each.name}", "rounds", seconds, take)


def _beside(extent: Extent, say: Say) -> Iterator[Section]:
    quick, times = extent.quick, extent.repetitions or REPEATED

    def extra(name: str, seconds: float, quick_seconds: float, take: Callable[[], Any]) -> Section:
        return Section(name, "extras", quick_seconds if quick else seconds, lambda: {name: take()})

    yield extra("imports", 14, 6, lambda: lambda_start.take(2 if quick else 5))
    yield extra("lambda", 6, 6, lambda: lambda_doors(say))
    yield extra("aws_calls", 65, 15, lambda: aws_calls.take(quick=quick))
    yield extra("whole", 60 * times, 60, lambda: whole.take(quick=quick, repetitions=times, say=say))
    yield extra("webhooks", 100 + 30 * times, 40, lambda: webhooks.take(quick=quick, repetitions=times, say=say))
    yield extra("uploads", 60, 5, lambda: uploads.take(quick=quick, say=say))
    yield extra("reminders", 960, 120, lambda: reminders.take(quick=quick, say=say))
    yield extra("isolation", 105, 20, lambda: isolation.take(seconds=10 if quick else 100))
    yield extra("archive", 210, 30, lambda: archive.take(quick=quick, say=say))
    yield Section("queues", "extras", 80 if quick else 190, partial(queues, quick=quick, say=say))
    yield extra("memory", 80, 8, lambda: memory((2_000, 10_000) if quick else (10_000, 100_000, 200_000), say))


def lambda_doors(say: Say) -> list[dict[str, Any]]:
    """Our Lambda entry and Powertools', each in its own environment."""
    found = []
    for name, python in (("fleet", sys.executable), ("powertools", str(PEERS))):
        environment = {"PYTHONPATH": str(ROOT), "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET,
                       "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION, "PATH": "/usr/bin:/bin"}  # fmt: skip
        command = ["taskset", "-c", cores()[1], python, "-m", "tests.bench.lambda_door", name]
        done = subprocess.run(command, check=True, cwd=ROOT, env=environment, capture_output=True, timeout=120)
        found.append(json.loads(done.stdout))
        say(f"lambda: {found[-1]}")
    return found


def queues(*, quick: bool, say: Say) -> Found:
    """What is measured at queues, on one server."""
    found: Found = {}
    with sqs_server(prefix=("taskset", "-c", cores()[0])) as server:
        names = ("fleet", "aioboto3_good")
        found["quiet"] = [extras.quiet(server, name, seconds=3 if quick else 10) for name in names]
        found["idle"] = [extras.idle(server, "fleet", seconds=20 if quick else 60)]
        found["slots"] = [*scaling.slots(server, (1, 16, 256) if quick else (1, 4, 16, 64, 256), say)]
        found["processes"] = scaling.processes(server, count=5_000 if quick else 8_000, say=say)
        found["proofs"] = [*scaling.proofs(server, count=100 if quick else 300, say=say)]
    return found


def memory(counts: tuple[int, ...], say: Say) -> list[dict[str, Any]]:
    with sqs_server(prefix=("taskset", "-c", cores()[0])) as server:
        return [*scaling.memory(server, counts, say)]
