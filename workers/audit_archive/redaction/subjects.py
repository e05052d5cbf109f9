"""Whom a row is about: the subject of its personal data, whose own key hides them, so that losing the key loses the person."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from workers.audit_archive.redaction.keys import HashKey

_TABLE = re.compile(r"[A-Za-z0-9_.-]{3,255}")
_PATH = re.compile(r"[^\s,;:.]+(\.[^\s,;:.]+)*")
_SCALARS = ("S", "N", "B")


@dataclass(frozen=True, slots=True)
class Subject:
    """Who (`value`, which the attribute of this name holds), and the key for what is theirs."""

    value: str = field(repr=False)
    attribute: str
    key: HashKey


@dataclass(frozen=True, slots=True)
class Subjects:
    """By table, the path of the attribute that names the subject; of other tables nobody knows one."""

    tables: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def of(self, table: str, images: Sequence[Any]) -> list[str | None]:
        """The subject of each image of one row: its own, else that of the last image that names one. Images may be of any shape."""
        path = self.tables.get(table)
        if path is None:
            return [None] * len(images)
        own = [_at(image, path) for image in images]
        usual = next((each for each in reversed(own) if each), None)
        return [each or usual for each in own]

    def attribute(self, table: str) -> str:
        return self.tables[table][-1]


def subjects(text: str) -> Subjects:
    """Read `table:attribute;table:map.attribute`. Raises ValueError that names the part."""
    tables: dict[str, tuple[str, ...]] = {}
    for place, part in enumerate(filter(None, (each.strip() for each in text.split(";"))), start=1):
        table, _, path = (each.strip() for each in part.partition(":"))
        if not _TABLE.fullmatch(table) or not _PATH.fullmatch(path):
            raise ValueError(f"table {place} is not of the form table:attribute")
        if table in tables:
            raise ValueError(f"table {place} is named twice: a table has one subject")
        tables[table] = tuple(path.split("."))
    return Subjects(tables)


@lru_cache(maxsize=1024)
def words_of(value: str) -> re.Pattern[str]:
    """Finds the subject as a word of a text, in group 1; and hashes, so that nothing is found within them."""
    return re.compile(rf"hmac:(?:s:)?[\w-]{{1,32}}:[0-9a-f]{{64}}|(?<![\w-])({re.escape(value)})(?![\w-])")


def _at(image: Any, path: Sequence[str]) -> str | None:
    """The scalar at this path of an item, as text."""
    found: Any = {"M": image}
    for name in path:
        inner = found.get("M") if isinstance(found, Mapping) else None
        found = inner.get(name) if isinstance(inner, Mapping) else None
    if not isinstance(found, Mapping):
        return None
    return next((value for kind in _SCALARS if isinstance(value := found.get(kind), str) and value), None)
