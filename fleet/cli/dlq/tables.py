"""Dead letters as tables for people; the words may change, scripts read --json."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fleet.dead_letters.model import expiry, redaction

WIDE = 180  # columns where nobody's terminal limits them
PAGE = 500
"""Rows of one table: a table is laid out in memory as a whole, so a long list becomes several, each with its head."""


def show(table: Table) -> None:
    """On stdout; without any escape sequence where colour is unwanted."""
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    width = None if sys.stdout.isatty() else WIDE
    if plain:
        Console(color_system=None, force_terminal=False, highlight=False, width=width).print(table)
    else:
        Console(highlight=False, width=width).print(table)


def table(columns: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> Table:
    told = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        told.add_column(name, overflow="fold")
    for row in rows:
        told.add_row(*(each if isinstance(each, Text) else Text(redaction.one_line(each)) for each in row))
    return told


def left(seconds: float | None) -> Text:
    """A countdown, in red below a day."""
    if seconds is None:
        return Text("")
    soon = expiry.is_soon(seconds)
    return Text(expiry.spelled(seconds) + (" !" if soon else ""), style="bold red" if soon else "")


def queues(told: Sequence[Mapping[str, Any]]) -> Table:
    columns = ("queue", "visible", "in flight", "groups", "oldest", "disappears in")
    return table(
        columns,
        (
            (
                each["queue"],
                str(each["visible"]),
                str(each["in_flight"]),
                str(each["groups"]) if each["groups"] is not None else "",
                (each["oldest_sent_at"] or "")[:19],
                left(each["expires_in_s"]),
            )
            for each in told
        ),
    )


def groups(told: Sequence[Mapping[str, Any]]) -> Table:
    columns = ("count", "worker", "error", "fingerprint", "last failure", "disappears in", "replayable")
    return table(
        columns,
        (
            (
                str(each["count"]),
                each["worker"] or "",
                each["error_type"] or "reason unknown",
                each["fingerprint"],
                each["last_failure"][:19],
                left(each["expires_in_s"]),
                f"{each['replayable']} of {each['count']}",
            )
            for each in told
        ),
    )


def letters(told: Sequence[Mapping[str, Any]]) -> Table:
    columns = ("id", "shape", "worker", "error", "failed at", "disappears in", "goes to")
    return table(
        columns,
        (
            (
                each["id"],
                each["shape"],
                each["worker"] or "",
                each["error_type"] or "reason unknown",
                each["failed_at"][:19],
                left(each["expires_in_s"]),
                each["destination"] or each["why_not"] or each["note"] or "",
            )
            for each in told
        ),
    )
