"""The figures as Markdown, between two marks in docs/performance.md, so that the prose around them stays."""

import platform
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench.plan import CONTESTANTS, ROUNDS, Row

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"

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


def figures(rows: Mapping[str, Sequence[Row]], extras: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    """All tables."""
    parts = [_about(about), *(_table(each.title, rows[each.name], each.name) for each in ROUNDS if each.name in rows)]
    return "\n\n".join([*parts, _targets(rows), *_extras(extras)])


def _about(about: Mapping[str, Any]) -> str:
    return (
        f"Python {platform.python_version()}, {about['messages']:,} messages a run (a fifth of that for those that take "
        f"about a millisecond each; a fifth of each run warms up), interleaved repetitions, "
        f"{about['date']}. {about['note']}".strip()
    )


def _table(title: str, rows: Sequence[Row], name: str) -> str:
    lines = [
        f"### {title[0].upper()}{title[1:]}",
        "",
        *([f"![{title}](performance/{name}.svg)", ""] if name in {"production", "recorded"} else []),
        "| contestant | CPU s per 1,000 | least to most | messages per CPU second | messages per second | requests per message | peak MiB | runs |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {CONTESTANTS[row.contestant]} | {row.cpu_us / 1000:.3f} | {row.least / 1000:.3f} to {row.most / 1000:.3f} "
        f"| {row.per_cpu_second:,.0f} | {row.per_second:,.0f} | {row.requests:.2f} | {row.memory / 1024:.0f} | {row.runs} |"
        for row in rows
    ]
    return "\n".join(lines)


def _targets(rows: Mapping[str, Sequence[Row]]) -> str:
    lines = ["### Goals", "", "| setting | goal | found | met |", "|---|---|---:|---|"]
    cpu = {(name, row.contestant): row.cpu_us for name, found in rows.items() for row in found}
    for setting, faster, slower, least in TARGETS:
        if (setting, faster) in cpu and (setting, slower) in cpu:
            ratio = cpu[setting, slower] / cpu[setting, faster]
            goal = f"at least {least} times the messages per CPU second of {CONTESTANTS[slower]}"
            lines.append(f"| {setting} | {goal} | {ratio:.1f} | {_met(ratio >= least)} |")
    for setting, most in LIMITS:
        if (setting, "fleet") in cpu and (setting, "raw_aiohttp") in cpu:
            ratio = cpu[setting, "fleet"] / cpu[setting, "raw_aiohttp"]
            goal = f"at most {most} times the CPU of the raw loop"
            lines.append(f"| {setting} | {goal} | {ratio:.2f} | {_met(ratio <= most)} |")
    return "\n".join(lines)


def _met(yes: bool) -> str:  # noqa: FBT001  # the answer to "is it met"
    return "yes" if yes else "**no**"


def _extras(extras: Mapping[str, Any]) -> list[str]:
    parts = []
    if extras.get("quiet"):
        lines = ["### A quiet queue: 100 messages a second, one by one", "", "| contestant | requests per message |",
                 "|---|---:|"]  # fmt: skip
        lines += [
            f"| {CONTESTANTS[each['contestant']]} | {each['requests_per_message']:.2f} |" for each in extras["quiet"]
        ]
        parts.append("\n".join(lines))
    if extras.get("idle"):
        lines = ["### An idle queue", "", "| contestant | requests per minute |", "|---|---:|"]
        lines += [f"| {CONTESTANTS[each['contestant']]} | {each['per_minute']:.1f} |" for each in extras["idle"]]
        parts.append("\n".join(lines))
    if extras.get("imports"):
        lines = ["### Imports: CPU over an empty interpreter", "", "| module | ms | least to most | times aiobotocore |",
                 "|---|---:|---:|---:|"]  # fmt: skip
        lines += [f"| `{each['module']}` | {each['ms']:.0f} | {each['least_ms']:.0f} to {each['most_ms']:.0f} "
                  f"| {each['times_aiobotocore']:.2f} |" for each in extras["imports"]]  # fmt: skip
        parts.append("\n".join(lines))
    if extras.get("lambda"):
        names = {"fleet": "this runtime's Lambda door", "powertools": "Powertools BatchProcessor, synchronous"}
        lines = ["### Lambda: CPU for each record, batches of ten, a handler that parses", "", "| entry | us per record |",
                 "|---|---:|"]  # fmt: skip
        lines += [f"| {names[each['contestant']]} | {each['us_per_record']:.1f} |" for each in extras["lambda"]]
        parts.append("\n".join(lines))
    return parts


def put(page: Path, text: str) -> None:
    """Replace what stands between the marks."""
    old = page.read_text()
    new = re.sub(f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: f"{BEGIN}\n{text}\n{END}", old, flags=re.DOTALL)
    page.write_text(new)
