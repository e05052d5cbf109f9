"""What is measured: which contestants, in which setting, over how many messages, and how it is summed up."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from tests.bench.referee import Invalid, Run, run
from tests.sqs_server.running import SqsServer

CONTESTANTS = {
    "raw_aiohttp": "raw aiohttp + SigV4 loop (the limit)",
    "raw_lean": "the same loop, one parse and one line, no span (the leaner limit)",
    "fleet": "this runtime",
    "fleet_again": "this runtime, once more (A/A)",
    "fleet_aioboto3": "this runtime, SQS_CLIENT=aioboto3",
    "aioboto3_good": "aioboto3, 16 pollers, batched deletes",
    "boto3_threads": "boto3, 8 threads, batched deletes",
    "sqs_workers": "sqs-workers",
    "aioboto3_naive": "aioboto3, naive loop",
    "taskiq_aio_sqs": "taskiq-aio-sqs",
    "dramatiq_sqs": "dramatiq_sqs",
    "celery_threads": "Celery, 8 threads",
}
SLOW = frozenset({"aioboto3_naive", "taskiq_aio_sqs", "dramatiq_sqs", "celery_threads"})
"""About a millisecond for a message: a fifth of the messages is enough."""
FLEET = ("raw_aiohttp", "fleet", "fleet_again")


@dataclass(frozen=True)
class Round:
    """One comparison: its runs are interleaved, so that a busy moment of the machine hits everybody.

    The round of the first page is repeated more often than the others: three runs have a median and a spread.
    """

    name: str
    title: str
    setting: str
    kind: str = "job"
    wait: float = 0.0
    latency: float = 0.0
    tls: bool = False
    repetitions: int = 3
    contestants: tuple[str, ...] = tuple(name for name in CONTESTANTS if name != "raw_lean")


ROUNDS = (
    Round("production", "production setting, 400 B, no-op handler", "production", repetitions=5,
          contestants=tuple(CONTESTANTS)),
    Round("recorded", "recorded setting, 400 B, no-op handler", "recorded"),
    Round("bare", "bare, 400 B, no-op handler", "bare"),
    Round("s3", "production setting, S3 event of 900 B, no-op handler", "production", kind="s3",
          contestants=(*FLEET, "aioboto3_good", "boto3_threads", "taskiq_aio_sqs")),
    Round("wait", "production setting, 400 B, a handler that waits 5 ms", "production", wait=0.005,
          contestants=(*FLEET, "aioboto3_good", "boto3_threads", "taskiq_aio_sqs")),
    Round("latency", "production setting, 400 B, no-op handler, 10 ms of latency at the server", "production",
          latency=0.010, contestants=(*FLEET, "fleet_aioboto3", "aioboto3_good")),
    Round("tls", "production setting, 400 B, no-op handler, over TLS", "production", tls=True,
          contestants=(*FLEET, "fleet_aioboto3", "aioboto3_good", "boto3_threads")),
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One contestant's runs of a round: medians, and least and most CPU microseconds for a message."""

    contestant: str
    cpu_us: float
    least: float
    most: float
    per_second: float
    requests: float
    memory: int
    runs: int

    @property
    def per_cpu_second(self) -> float:
        """Messages for a second of CPU."""
        return 1e6 / self.cpu_us


def played(
    server: SqsServer, which: Round, *, repetitions: int, messages: int, say: Callable[[str], None]
) -> tuple[list[Run], list[str]]:
    """All runs of a round that count, and what was wrong with the others."""
    runs: list[Run] = []
    faults: list[str] = []
    for _ in range(repetitions):
        for name in which.contestants:
            count = max(500, messages // 5) if name in SLOW else messages
            if which.wait and name in {"boto3_threads", "taskiq_aio_sqs"}:
                count = max(500, messages // 5)
            parts: dict[str, Any] = {
                "setting": which.setting,
                "kind": which.kind,
                "wait": which.wait,
                "latency": which.latency,
            }
            try:
                found = run(server, contestant=name, count=count, warm=count // 5, **parts)
            except Invalid as fault:
                faults.append(str(fault))
                say(f"{which.name}: INVALID {fault}")
                continue
            runs.append(found)
            say(f"{which.name}: {name} {found.cpu_us:.1f} us")
    return runs, faults


def rows(runs: Iterable[Run], order: Sequence[str]) -> list[Row]:
    """One row for each contestant that ran, in the given order."""
    found = []
    for name in order:
        own = [each for each in runs if each.contestant == name]
        if own:
            cpu = sorted(each.cpu_us for each in own)
            found.append(
                Row(
                    name,
                    median(cpu),
                    cpu[0],
                    cpu[-1],
                    median(each.messages / each.wall for each in own),
                    median(each.requests for each in own),
                    int(median(each.memory for each in own)),
                    len(own),
                )
            )
    return found
