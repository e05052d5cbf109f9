"""What the schema of a table declares public: the strict mode, in which everything else is hashed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_TABLE = re.compile(r"[A-Za-z0-9_.-]{3,255}")
_PATH = re.compile(r"[^\s,;:.]+(\.[^\s,;:.]+)*")


@dataclass(slots=True)
class Declared:
    """What is public below some place of an item: `everything`, or what stands under these names."""

    everything: bool = False
    names: dict[str, Declared] = field(default_factory=dict)

    def under(self, name: str) -> Declared:
        return self if self.everything else self.names.get(name, NOTHING)

    def add(self, path: str) -> None:
        """Declare `a.b` public, with all that is below it. Elements of lists have no name of their own."""
        place = self
        for name in path.split("."):
            place = place.names.setdefault(name, Declared())
        place.everything = True


NOTHING = Declared()
EVERYTHING = Declared(everything=True)


@dataclass(frozen=True, slots=True)
class Public:
    """The declared schemas by table; without any, the mode is off and every table's items are looked through by name and look."""

    tables: Mapping[str, Declared] = field(default_factory=dict)

    def of(self, table: str) -> Declared:
        return self.tables.get(table, NOTHING) if self.tables else EVERYTHING


def public_fields(text: str) -> Public:
    """Read `table:name,name.below;table:name`. Raises ValueError that names the part."""
    tables: dict[str, Declared] = {}
    for place, part in enumerate(filter(None, (each.strip() for each in text.split(";"))), start=1):
        table, colon, paths = part.partition(":")
        declared = tables.setdefault(table.strip(), Declared())
        for path in filter(None, (each.strip() for each in paths.split(","))):
            if not _PATH.fullmatch(path):
                raise ValueError(f"table {place} declares a name that is none: names are separated by commas")
            declared.add(path)
        if not colon or not _TABLE.fullmatch(table.strip()):
            raise ValueError(f"table {place} is not of the form table:name,name")
    return Public(tables)
