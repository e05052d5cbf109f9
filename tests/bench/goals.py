"""What the runtime has to reach, and whether this run found it there."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from tests.bench.plan import CONTESTANTS, Row

TARGETS = (
    ("recorded", "fleet", "taskiq_aio_sqs", 8.0),
    ("recorded", "fleet", "dramatiq_sqs", 8.0),
    ("recorded", "fleet", "celery_threads", 8.0),
    ("recorded", "fleet", "sqs_workers", 2.5),
    ("recorded", "fleet", "boto3_threads", 1.5),
    ("production", "fleet", "taskiq_aio_sqs", 15.0),
    ("production", "fleet", "aioboto3_good", 2.3),
)
"""Setting, faster, slower, how many times as many messages for a CPU second."""
LIMITS = (("recorded", 1.7), ("production", 1.7))
"""Setting, and how many times the CPU of the raw loop this runtime may take."""


def goals(rows: Mapping[str, Sequence[Row]], extras: Mapping[str, Any]) -> str:
    """One line for each goal of which there are figures."""
    lines = ["### Goals", "", "| where | goal | found | met |", "|---|---|---:|---|"]
    found = (*_ratios({(name, row.contestant): row for name, each in rows.items() for row in each}), *_others(extras))
    return "\n".join([*lines, *(f"| {where} | {goal} | {value} | {_met(yes)} |" for where, goal, value, yes in found)])


def _ratios(rows: Mapping[tuple[str, str], Row]) -> Iterator[tuple[str, str, str, bool]]:
    for setting, faster, slower, least in TARGETS:
        if (setting, faster) in rows and (setting, slower) in rows:
            ratio = rows[setting, slower].cpu_us / rows[setting, faster].cpu_us
            goal = f"at least {least} times the messages per CPU second of {CONTESTANTS[slower]}"
            yield setting, goal, f"{ratio:.1f}", ratio >= least
    for setting, most in LIMITS:
        if (setting, "fleet") in rows and (setting, "raw_aiohttp") in rows:
            ratio = rows[setting, "fleet"].cpu_us / rows[setting, "raw_aiohttp"].cpu_us
            yield setting, f"at most {most} times the CPU of the raw loop", f"{ratio:.2f}", ratio <= most
    if ("production", "fleet") in rows:
        requests = rows["production", "fleet"].requests
        yield "backlog", "at most 0.22 requests per message", f"{requests:.2f}", requests <= 0.22


def _others(extras: Mapping[str, Any]) -> Iterator[tuple[str, str, str, bool]]:
    for each in _ours(extras.get("quiet", ())):
        calls = each["requests_per_message"]
        yield "quiet queue", "at most 0.6 requests per message at 100 a second", f"{calls:.2f}", calls <= 0.6
    for each in _ours(extras.get("idle", ())):
        yield "idle queue", "at most 3.1 requests a minute", f"{each['per_minute']:.1f}", each["per_minute"] <= 3.1
    if memory := extras.get("memory"):
        growth = (memory[-1]["kib"] - memory[0]["kib"]) / memory[0]["kib"]
        span = f"{memory[0]['messages']:,} to {memory[-1]['messages']:,} messages"
        yield "memory", f"flat from {span}: at most 10 % more", f"{growth:+.0%}", growth <= 0.1
    if slots := extras.get("slots"):
        full = max(each["core"] for each in slots)
        yield (
            "slots",
            "handlers that wait: the core is at least 90 % full at the most slots",
            f"{full:.0%}",
            full >= 0.9,
        )
    if processes := extras.get("processes"):
        ratio = processes[-1]["per_second"] / processes[0]["per_second"]
        yield "processes", "two processes handle at least 1.8 times as many as one", f"{ratio:.2f}", ratio >= 1.8
    for each in _ours(extras.get("lambda", ())):
        yield "Lambda", "at most 100 us of CPU per record", f"{each['us_per_record']:.0f}", each["us_per_record"] <= 100
    entries = [each for each in extras.get("imports", ()) if each["module"].startswith("workers.")]
    if entries:
        worst = max(each["times_aiobotocore"] for each in entries)
        middle = median(each["times_aiobotocore"] for each in entries)
        yield "imports", "a worker's Lambda entry: at most 1.3 times the import of aiobotocore", f"{middle:.2f} (worst {worst:.2f})", worst <= 1.3  # fmt: skip
    if proofs := extras.get("proofs"):
        early = sum(each["early_deletes"] or 0 for each in _ours(proofs))
        yield "proof", "no message deleted before its handler ended", str(early), early == 0


def _ours(found: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [each for each in found if each["contestant"].startswith("fleet")]


def _met(yes: bool) -> str:  # noqa: FBT001  # the answer to "is it met"
    return "yes" if yes else "**no**"
