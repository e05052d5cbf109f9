"""DynamoDB's typed JSON, written and read: what is missing or of another type is empty."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

Item = Mapping[str, Any]
Write = dict[str, Any]
"""Arguments of a PutItem, UpdateItem, Query or DeleteItem, without the table's name."""


def string(text: str) -> dict[str, str]:
    return {"S": text}


def number(value: int | str) -> dict[str, str]:
    return {"N": str(value)}


def iso(at: datetime) -> str:
    """In UTC and of one width, so that text order is time order."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def text_of(item: Item, name: str) -> str:
    return str(item.get(name, {}).get("S", ""))


def texts_of(item: Item, name: str) -> tuple[str, ...]:
    """The texts of a list or a set."""
    value = item.get(name, {})
    return tuple(value.get("SS", ())) + tuple(each["S"] for each in value.get("L", ()) if "S" in each)


def flag_of(item: Item, name: str) -> bool:
    return item.get(name, {}).get("BOOL") is True


def number_of(item: Item, name: str) -> float | None:
    text = item.get(name, {}).get("N")
    return None if text is None else float(text)


def moment_of(item: Item, name: str) -> datetime | None:
    """As `iso` wrote it; None where it is missing or no time."""
    try:
        found = datetime.fromisoformat(text_of(item, name))
        return found.astimezone(UTC) if found.tzinfo is not None else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # a zone can carry the first and the last day out of the calendar
        return None


def numbers_of(item: Item, name: str) -> tuple[float, ...]:
    """The numbers of a list."""
    return tuple(float(each["N"]) for each in item.get(name, {}).get("L", ()) if "N" in each)
