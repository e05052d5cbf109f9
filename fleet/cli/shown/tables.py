"""Tables on a terminal, in a pipe or a file: what is copied from them stays whole."""

from __future__ import annotations

import os
import sys

from rich.console import Console
from rich.table import Table

LEGIBLE = 10
"""Characters of a folded column below which nobody reads it."""
GAP = 3  # between two columns
UNLIMITED = 1_000_000


def show(table: Table) -> None:
    """On stdout; without any escape sequence where colour is unwanted. What no terminal limits is as wide as it is: nothing is folded."""
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    width = None if sys.stdout.isatty() else _whole(table)
    if plain:
        console = Console(color_system=None, force_terminal=False, highlight=False, width=width)
    else:
        console = Console(highlight=False, width=width)
    console.print(fitted(table, console.width))


def _whole(table: Table) -> int:
    """The columns that it takes with no cell folded."""
    return Console(width=UNLIMITED).measure(table).maximum


def fitted(made: Table, width: int) -> Table:
    """The table, or where its columns would be too narrow to be read a line for each cell."""
    widths = [(column, max(len(str(cell)) for cell in [column.header, *column.cells])) for column in made.columns]
    if sum((longest if column.no_wrap else min(longest, LEGIBLE)) + GAP for column, longest in widths) <= width:
        return made
    lines = Table(box=None, show_header=False, pad_edge=False)
    lines.add_column(no_wrap=True)
    lines.add_column(overflow="fold")
    for row in zip(*(column.cells for column in made.columns), strict=True):
        for column, cell in zip(made.columns, row, strict=True):
            if str(cell):
                lines.add_row(column.header, cell)
        lines.add_row()
    return lines
