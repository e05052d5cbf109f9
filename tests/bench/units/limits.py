"""What a message may cost (most.json), and what is counted now beside it."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.bench.units.stories import AUDIT_ROW
from tests.bench.units.tally import dollars

FOLDER = Path(__file__).parent
BYTES = ("sent", "received")
ROOM = 1.05
"""Ids and times have more digits in one run than in another."""

Costs = Mapping[str, Mapping[str, float]]


def most() -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = json.loads((FOLDER / "most.json").read_text())
    return found


def prices() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / "prices.json").read_text())
    return found


def risen(found: Mapping[str, float], limit: Mapping[str, float]) -> list[str]:
    """What costs more than it may, and what it may cost."""
    return [
        f"{name}: {each}, {limit.get(name, 0)} at most"
        for name, each in found.items()
        if each > limit.get(name, 0) * (ROOM if name in BYTES else 1) + 0.0005
    ]


def table(found: Costs) -> Iterator[str]:
    """Markdown: a line for each story."""
    priced = prices()
    row = found.get(AUDIT_ROW) or most()[AUDIT_ROW]
    audit_row = row.get("base", 0) + row.get("index", 0)
    yield "| message | AWS calls | write units: table + index + audit | read units | SQS requests | bytes | a million, $ |"
    yield "|---|---|---|---:|---:|---:|---:|"
    for name, each in found.items():
        calls = ", ".join(f"{count:g} {operation}" for operation, count in each.items() if operation[0].isupper())
        units = " + ".join(f"{each.get(kind, 0):g}" for kind in ("base", "index", "changes"))
        weight = sum(each.get(kind, 0) for kind in BYTES)
        cost = dollars(each, priced["dollars_per_million"], audit_row=audit_row)
        yield (
            f"| {name} | {calls} | {units} | {each.get('reads', 0):g} | {each.get('sqs', 0):g} | {weight:.0f} | {cost:.2f} |"
        )
    yield f"\nPrices as of {priced['as_of']}, {priced['region']}; a change that is archived costs {audit_row:g} write units."
