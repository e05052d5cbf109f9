"""One run of one contestant: a server of its own core, a process of its own core, and a verdict whether it counts."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.bodies import QUEUE, nonces
from tests.bench.work import Task
from tests.sqs_server.running import ACCESS_KEY, SECRET, SqsServer

ROOT = Path(__file__).parents[2]
PEERS = ROOT / ".bench" / "bin" / "python"
OURS = frozenset({"fleet", "fleet_again", "fleet_aioboto3", "raw_aiohttp", "raw_lean"})
"""Contestants that run in the project's own environment."""
LONGEST = 180.0
"""Seconds after which a run is given up."""


class Invalid(Exception):
    """A run that does not count: what was sent, received, handled and deleted differ."""


@dataclass(frozen=True)
class Run:
    """What one run came to: CPU and wall seconds for `messages`, peak memory in KiB, requests a message."""

    contestant: str
    setting: str
    kind: str
    wait: float
    messages: int
    cpu: float
    wall: float
    memory: int
    requests: float

    @property
    def cpu_us(self) -> float:
        """Microseconds of CPU for a message."""
        return self.cpu / self.messages * 1e6


def cores() -> tuple[str, str]:
    """The server's core and the contestant's; the same one where there is only one."""
    found = sorted(os.sched_getaffinity(0))
    return str(found[0]), str(found[-1])


def run(server: SqsServer, *, latency: float = 0.0, root: Path = ROOT, **parts: Any) -> Run:
    """Load the queue, let the contestant of the checkout at `root` empty it, compare all counts. Raises Invalid."""
    server.control.reset()
    server.control.options(secrets={ACCESS_KEY: SECRET})
    server.control.keep_ledger(on=bool(parts.get("proof")))
    url = server.make(QUEUE, VisibilityTimeout=300)
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result"
        task = Task(url=url, endpoint=server.endpoint_url, result=str(result), **parts)
        with started(server, task, "load") as loading:
            if loading.wait(LONGEST) != 0:
                raise Invalid(f"{task.contestant} could not load the queue")
        loaded = sum(row["count"] for row in server.control.stats()["requests"])
        if latency:
            server.control.fault("latency", seconds=latency)
        with started(server, task, "consume", root=root) as consuming:
            _wait_until_empty(server, consuming, result, task)
            stats = server.control.stats()
        outcome = json.loads(result.read_text())
    _check(task, outcome, stats)
    requests = sum(row["count"] for row in stats["requests"]) - loaded
    return Run(
        task.contestant,
        task.setting,
        task.kind,
        task.wait,
        task.count - task.warm,
        outcome["cpu"],
        outcome["wall"],
        outcome["memory"],
        requests / task.count,
    )


@contextmanager
def started(
    server: SqsServer, task: Task, what: str, *, core: str | None = None, root: Path = ROOT
) -> Iterator["subprocess.Popen[bytes]"]:
    """The contestant's process, on its core; ended with the context."""
    ours = sys.executable if root == ROOT else str(root / ".venv" / "bin" / "python")
    python = ours if task.contestant in OURS else str(PEERS)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(root),
        "AWS_EC2_METADATA_DISABLED": "true",
        **server.environment,
        "BENCH_TASK": task.written(),
    }
    command = ["taskset", "-c", core or cores()[1], python, "-m", "tests.bench.contestant", what]
    process = subprocess.Popen(command, cwd=root, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def _wait_until_empty(server: SqsServer, process: "subprocess.Popen[bytes]", result: Path, task: Task) -> None:
    deadline = time.monotonic() + LONGEST
    while time.monotonic() < deadline:
        if process.poll() is not None:
            assert process.stderr is not None
            raise Invalid(f"{task.contestant} ended by itself: {process.stderr.read().decode()[-2000:]}")
        if result.exists():
            counts = server.control.stats()["queues"][QUEUE]
            if not counts["visible"] and not counts["in_flight"]:
                return
        time.sleep(0.1)
    errors = ""
    with suppress(OSError):
        os.kill(process.pid, signal.SIGKILL)
        assert process.stderr is not None
        errors = process.stderr.read().decode()[-2000:]
    raise Invalid(f"{task.contestant} was not done in {LONGEST} s: {server.control.stats()['queues']} {errors}")


def _check(task: Task, outcome: dict[str, Any], stats: dict[str, Any]) -> None:
    kinds = {row["kind"]: row["count"] for row in stats["messages"]}
    expected = (task.count, task.count, task.count, sum(nonces(task.count)))
    found = (kinds.get("receive"), kinds.get("delete"), outcome["count"], outcome["sum"])
    if found != expected:
        raise Invalid(f"{task.contestant}: received, deleted, handled and their sum are {found} and not {expected}")
