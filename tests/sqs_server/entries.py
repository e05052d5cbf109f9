"""The lines of a ledger as values."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

ENVELOPE = {"n", "kind", "at", "queue", "message_id", "receipt"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened, `at` seconds of the server's clock; `more` is what only this kind has."""

    kind: str
    at: float
    queue: str = ""
    message_id: str = ""
    receipt: int = 0
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def asked(self) -> float:
        """When the request came that did this: a fault may have kept it waiting."""
        return float(self.more.get("asked", self.at))


def read(lines: Iterable[Mapping[str, Any]]) -> list[Entry]:
    """From what `Controls.ledger` returns."""
    return [
        Entry(
            line["kind"],
            float(line["at"]),
            line.get("queue", ""),
            line.get("message_id", ""),
            int(line.get("receipt", 0)),
            {name: value for name, value in line.items() if name not in ENVELOPE},
        )
        for line in lines
    ]
