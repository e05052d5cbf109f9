"""The figures as Markdown, each between two marks of its page, so that the prose around them stays."""

import platform
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench.goals import goals
from tests.bench.plan import CONTESTANTS, ROUNDS, Row
from tests.bench.tables import tables
from tests.bench.whole.aims import aims

FIRST = "production"
PICTURES = frozenset({FIRST, "recorded"})
"""Rounds that have a picture; the first page shows one of them."""

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def figures(rows: Mapping[str, Sequence[Row]], extras: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    """All tables."""
    parts = [_about(about), *(_table(each.title, rows[each.name], each.name) for each in ROUNDS if each.name in rows)]
    return "\n\n".join([*parts, goals(rows, extras), *tables(extras)])


def first(rows: Mapping[str, Sequence[Row]], extras: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    """The picture and the tables of the first page, with their date."""
    [shown] = [each for each in ROUNDS if each.name == FIRST]
    picture = f"![{shown.title}](performance/{shown.name}.svg)"
    return "\n".join(
        [
            picture,
            "",
            *_lines(rows[shown.name]),
            "",
            f"Medians of {about['date']}. {about['note']}".strip(),
            *aims(rows, extras),
        ]
    )


def _about(about: Mapping[str, Any]) -> str:
    versions = about.get("versions", {})
    return (
        f"Python {platform.python_version()}, {about['messages']:,} messages a run (a fifth of that for those that take "
        f"about a millisecond each; a fifth of each run warms up), interleaved repetitions, "
        f"{about['date']}. {about['note']}".strip()
        + (f"\n\nVersions: {', '.join(f'{name} {each}' for name, each in versions.items())}." if versions else "")
    )


def _table(title: str, rows: Sequence[Row], name: str) -> str:
    shown = [f"![{title}]({name}.svg)", ""] if name in PICTURES else []
    return "\n".join([f"### {title[0].upper()}{title[1:]}", "", *shown, *_lines(rows)])


def _lines(rows: Sequence[Row]) -> list[str]:
    return [
        "| contestant | CPU s per 1,000 | least to most | messages per CPU second | messages per second | requests per message | peak MiB | runs |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
        *(
            f"| {CONTESTANTS[row.contestant]} | {row.cpu_us / 1000:.3f} | {row.least / 1000:.3f} to {row.most / 1000:.3f} "
            f"| {row.per_cpu_second:,.0f} | {row.per_second:,.0f} | {row.requests:.2f} | {row.memory / 1024:.0f} | {row.runs} |"
            for row in rows
        ),
    ]


def put(page: Path, text: str) -> None:
    """Replace what stands between the marks."""
    old = page.read_text()
    new = re.sub(f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: f"{BEGIN}\n{text}\n{END}", old, flags=re.DOTALL)
    page.write_text(new)
