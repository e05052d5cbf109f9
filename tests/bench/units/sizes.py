"""How DynamoDB and SQS count what is written, read and sent: pure.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
"""

import json
from collections.abc import Mapping
from typing import Any

Item = Mapping[str, Any]
"""An item in DynamoDB's typed JSON, empty where there is none."""

WRITE, READ, REQUEST = 1024, 4096, 65_536
"""Bytes of one write unit, one read unit, and one SQS request."""
INDEX_KEYS = ("GSI1PK", "GSI1SK")


def item_bytes(item: Item) -> int:
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: Mapping[str, Any]) -> int:
    [(kind, held)] = value.items()
    match kind:
        case "S" | "B":
            return len(held.encode() if isinstance(held, str) else held)
        case "N":
            return len(held.strip("-0.").replace(".", "")) // 2 + 2
        case "L":
            return 3 + sum(1 + _value_bytes(each) for each in held)
        case "M":
            return 3 + sum(1 + len(name.encode()) + _value_bytes(each) for name, each in held.items())
        case "SS" | "NS" | "BS":
            return sum(_value_bytes({kind[0]: each}) for each in held)
        case _:  # BOOL, NULL
            return 1


def _units(size: int, of: int) -> int:
    return max(1, -(-size // of))


def write_units(before: Item, after: Item) -> int:
    """Of the table: the larger of both images counts, also where a condition refused the write."""
    return _units(max(item_bytes(before), item_bytes(after)), WRITE)


def index_units(before: Item, after: Item, keys: tuple[str, ...] = INDEX_KEYS) -> int:
    """Of an index that holds whole items: none where nothing changed in it, two where an entry moves to another key."""
    was, stands = (all(key in item for key in keys) for item in (before, after))
    if was and stands and all(before[key] == after[key] for key in keys):
        return 0 if before == after else write_units(before, after)
    return was * write_units(before, {}) + stands * write_units({}, after)


def read_units(size: int, *, consistent: bool) -> float:
    return _units(size, READ) * (1.0 if consistent else 0.5)


def requests(size: int) -> int:
    """Of one call to SQS with so many bytes of messages: each 64 KiB count as one."""
    return _units(size, REQUEST)


def text_bytes(value: Any) -> int:
    """Of parameters or an answer as JSON: near to what goes over the wire, without its head."""
    if isinstance(value, bytes):
        return len(value)
    return len(
        json.dumps(value, default=lambda other: other.decode("latin-1") if isinstance(other, bytes) else str(other))
    )
