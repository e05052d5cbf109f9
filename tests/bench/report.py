"""The figures as Markdown, each between two marks of its page, so that the prose around them stays."""

import platform
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench.goals import goals
from tests.bench.plan import CONTESTANTS, ROUNDS, Row
from tests.bench.sections import minutes
from tests.bench.tables import tables
from tests.bench.whole.aims import aims, concerns

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
            *origin(about),
            *aims(rows, extras),
            *concerns(extras),
        ]
    )


def origin(about: Mapping[str, Any]) -> list[str]:
    """Whether all figures are of one run, which are not, and how long it took; nothing where that was not kept."""
    taken = about.get("taken", {})
    if not taken:
        return []
    last = max(taken.values())
    older = [f"{name} ({when})" for name, when in taken.items() if when != last]
    seconds = about.get("seconds", {})
    lasted = f", {minutes(sum(seconds.values()))} min" if seconds else ""
    told = f"All figures are of one run{lasted}, begun {last}"
    told = f"{told}, but for: {', '.join(older)}." if older else f"{told}."
    failed = "".join(f" Failed there: {name}, {fault}." for name, fault in about.get("failed", {}).items())
    return ["", f"{told}{failed}"]


def _about(about: Mapping[str, Any]) -> str:
    versions = about.get("versions", {})
    seconds = about.get("seconds", {})
    return "\n".join(
        [
            f"Python {platform.python_version()}, {about['messages']:,} messages a run (a fifth of that for those that take "
            f"about a millisecond each; a fifth of each run warms up), interleaved repetitions, "
            f"{about['date']}. {about['note']}".strip(),
            *origin(about),
            *(["", f"Versions: {', '.join(f'{name} {each}' for name, each in versions.items())}."] if versions else []),
            *(
                ["", f"Seconds: {', '.join(f'{name} {each:.0f}' for name, each in seconds.items())}."]
                if seconds
                else []
            ),
        ]
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
