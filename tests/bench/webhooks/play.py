"""The runs, on real processes: the worker's beside a bare POST's CPU, the wait of an event, connections, and fan-outs."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from statistics import median, quantiles
from typing import Any

from tests.aws_server.running import AwsServer, aws_server
from tests.bench.referee import ROOT, cores
from tests.bench.whole.concerns import CONCERNS, webhooks
from tests.bench.whole.play import OURS, commands, play
from tests.bench.whole.stage import LATENCY, Stage, stage
from tests.sqs_server.running import CERTIFICATE
from workers.webhook_delivery.event import event_id

[WEBHOOK] = [each for each in CONCERNS if each.name == "webhook delivered"]
COMMAND = commands(WEBHOOK)[OURS]
PACE = 5
RATES = (20.0, 200.0)
"""Events a second: a quiet flow, and what the goal is for."""
TRUSTED = {"SSL_CERT_FILE": str(CERTIFICATE)}
"""Whom Python's TLS trusts."""
Say = Callable[[str], None]


def bare(*, is_tls: bool, count: int, repetitions: int) -> dict[str, float]:
    """Microseconds of CPU for a POST by aiohttp and by the worker's sender: medians."""
    core, own = cores()
    with aws_server(prefix=("taskset", "-c", core), is_tls=is_tls) as server:
        runs = [
            _json(["taskset", "-c", own, sys.executable, "-m", "tests.bench.webhooks.bare", f"{server.url}/hook/1", str(count)])
            for _ in range(repetitions)
        ]  # fmt: skip
    return {name: median(run[name] for run in runs) for name in runs[0]}


def whole(*, is_tls: bool, count: int) -> float:
    """Microseconds of CPU of the worker for a webhook: its event, job, POST and records. Raises Invalid."""
    core, _ = cores()
    with aws_server(latency=LATENCY, prefix=("taskset", "-c", core), is_tls=is_tls) as server:
        concern = replace(
            WEBHOOK, prepare=partial(webhooks, at=server.url), done=lambda _: int(server.calls.get("hook", 0))
        )
        with stage(concern, COMMAND, more=TRUSTED) as running:
            play(running, max(200, count // 5))
            cpu, _wall = play(running, count)
    return cpu / count * 1e6


def waits(*, seconds: float, per_second: float) -> dict[str, float]:
    """Milliseconds from the send of an event into the worker's queue to its request at the endpoint."""
    with stage(WEBHOOK, COMMAND) as running:
        play(running, 400)
        running.sqs.control.keep_ledger(on=True)
        numbers, ids, rate = _paced(running, int(seconds * per_second), per_second)
        sent = {each["message_id"]: each["at"] for each in running.sqs.control.ledger() if each["kind"] == "send"}
        hooked = running.aws.hooked
    found = [(hooked[_webhook_id(number)] - sent[each]) * 1e3 for number, each in zip(numbers, ids, strict=True)]
    cut = quantiles(found, n=100)
    return {"deliveries": len(found), "per_second": rate, "median_ms": cut[49], "p99_ms": cut[98]}


def reuse(*, burst: int, seconds: float, per_second: float) -> dict[str, float]:
    """Shares of requests to one endpoint that went over a connection which had carried one before: of a burst, and of a quiet flow."""
    concern = replace(WEBHOOK, prepare=partial(webhooks, tenants=1))
    with stage(concern, COMMAND) as running:
        play(running, burst)
        in_burst = _reused(running.aws, {})
        before = running.aws.calls
        _paced(running, int(seconds * per_second), per_second)
        return {"burst": in_burst, "quiet": _reused(running.aws, before)}


def spread(endpoints: int) -> dict[str, float]:
    return _json(["taskset", "-c", cores()[1], sys.executable, "-m", "tests.bench.webhooks.spread", str(endpoints)])


def take(*, quick: bool, repetitions: int, say: Say) -> dict[str, Any]:
    """All of it. Raises Invalid."""
    count = 600 if quick else 3_000
    found: dict[str, Any] = {}
    for is_tls in (False, True):
        name = "tls" if is_tls else "http"
        found[name] = bare(is_tls=is_tls, count=count, repetitions=repetitions)
        found[name]["whole"] = median(whole(is_tls=is_tls, count=count) for _ in range(repetitions))
        say(f"webhooks over {name}: {found[name]}")
    found["waits"] = [waits(seconds=3 if quick else 20, per_second=each) for each in RATES]
    found["reuse"] = reuse(burst=500, seconds=5 if quick else 70, per_second=8)
    found["spread"] = [spread(each) for each in ((500, 1_000) if quick else (1_000, 5_000, 10_000))]
    for name in ("waits", "reuse", "spread"):
        say(f"webhooks, {name}: {found[name]}")
    return found


def _paced(running: Stage, count: int, per_second: float) -> tuple[range, list[str], float]:
    """The messages' numbers and ids, and how many were really sent a second; all are handled at its end."""
    bodies, pace = running.prepared(count), PACE if per_second > 50 else 1
    numbers = range(running.total - count, running.total)
    begun, ids = time.monotonic(), list[str]()
    for start in range(0, count, pace):  # each call takes the server's latency too
        ids += running.send(bodies[start : start + pace])
        time.sleep(max(0.0, begun + (start + pace) / per_second - time.monotonic()))
    rate = count / (time.monotonic() - begun)
    running.until_done()
    return numbers, ids, rate


def _webhook_id(number: int) -> str:
    return event_id(f"tenant-{number % 100}", "fleet.uploads", "upload.completed", f"event-{number}")


def _reused(server: AwsServer, before: dict[str, int]) -> float:
    now = server.calls
    posts, opened = (now.get(each, 0) - before.get(each, 0) for each in ("hook", "hook connection"))
    return 1 - opened / posts


def _json(command: list[str]) -> dict[str, float]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **TRUSTED}
    done = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, timeout=300, env=environment)
    found: dict[str, float] = json.loads(done.stdout)
    return found
