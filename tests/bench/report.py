"""The figures as Markdown, between two marks in docs/performance.md, so that the prose around them stays."""

import platform
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench.goals import goals
from tests.bench.plan import CONTESTANTS, ROUNDS, Row
from tests.bench.tables import tables

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def figures(rows: Mapping[str, Sequence[Row]], extras: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    """All tables."""
    parts = [_about(about), *(_table(each.title, rows[each.name], each.name) for each in ROUNDS if each.name in rows)]
    return "\n\n".join([*parts, goals(rows, extras), *tables(extras)])


def _about(about: Mapping[str, Any]) -> str:
    versions = about.get("versions", {})
    return (
        f"Python {platform.python_version()}, {about['messages']:,} messages a run (a fifth of that for those that take "
        f"about a millisecond each; a fifth of each run warms up), interleaved repetitions, "
        f"{about['date']}. {about['note']}".strip()
        + (f"\n\nVersions: {', '.join(f'{name} {each}' for name, each in versions.items())}." if versions else "")
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


def put(page: Path, text: str) -> None:
    """Replace what stands between the marks."""
    old = page.read_text()
    new = re.sub(f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: f"{BEGIN}\n{text}\n{END}", old, flags=re.DOTALL)
    page.write_text(new)
