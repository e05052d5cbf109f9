"""The sum of what a worker asked of AWS: filled by clients that count (counting.py), or by a server that does."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from tests.bench.units.sizes import Item, index_units, item_bytes, read_units, requests, write_units


def is_streamed(table: str) -> bool:
    """Whether the audit archive follows a table (infra/resources/storage.py): all but the ledger."""
    return "ledger" not in table


@dataclass
class Tally:
    """`calls` by operation. `base`, `index` and `reads` in DynamoDB's units; `changes`, rows of the stream, each of which the audit
    worker archives. `sqs` in requests as they are billed, `deleted` messages; `sent` and `received` in bytes. `where` says which table and operation
    took which units, of so many `messages`.
    """

    calls: Counter[str] = field(default_factory=Counter)
    where: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    base: int = 0
    index: int = 0
    changes: int = 0
    reads: float = 0.0
    sqs: int = 0
    deleted: int = 0
    sent: int = 0
    received: int = 0
    messages: int = 1
    streamed: Callable[[str], bool] = is_streamed

    def clear(self) -> None:
        self.calls.clear()
        self.where.clear()
        self.base = self.index = self.changes = self.sqs = self.deleted = self.sent = self.received = 0
        self.reads = 0.0

    def called(self, operation: str, *, sent: int, received: int) -> None:
        self.calls[operation] += 1
        self.sent += sent
        self.received += received

    def asked_sqs(self, size: int) -> None:
        self.sqs += requests(size)

    def wrote(self, table: str, operation: str, before: Item, after: Item, *, price: int = 1) -> None:
        """A write that was carried out; `price` 2 within a transaction."""
        self._add(table, operation, "base", price * write_units(before, after))
        if before == after:
            return
        self._add(table, operation, "index", index_units(before, after))
        self._add(table, operation, "changes", int(self.streamed(table)))

    def refused(self, table: str, operation: str, before: Item, *, price: int = 1) -> None:
        """A write whose condition did not hold costs as much in the table."""
        self._add(table, operation, "base", price * write_units(before, {}))

    def read(self, items: Iterable[Item], *, consistent: bool, together: bool = False, price: int = 1) -> None:
        """`together`: of one query, whose items' sizes are added before they are rounded up."""
        sizes = [item_bytes(each) for each in items]
        parts = [sum(sizes)] if together or not sizes else sizes
        self.reads += price * sum(read_units(each, consistent=consistent) for each in parts)

    def of(self, messages: int) -> "Tally":
        """The same, of so many messages."""
        self.messages = messages
        return self

    def places(self) -> Iterator[str]:
        """Where a message's write units go, a line for each table, operation and kind."""
        for (table, operation, kind), units in sorted(self.where.items()):
            yield f"{table}, {operation}: {units / self.messages:g} {kind}"

    def per_message(self) -> dict[str, float]:
        """All that is not 0."""
        units = {
            "base": self.base,
            "index": self.index,
            "changes": self.changes,
            "reads": self.reads,
            "sqs": self.sqs,
            "sent": self.sent,
            "received": self.received,
        }
        return {name: round(each / self.messages, 3) for name, each in {**self.calls, **units}.items() if each}

    def _add(self, table: str, operation: str, kind: str, units: int) -> None:
        if units:
            self.where[table, operation, kind] += units
            setattr(self, kind, getattr(self, kind) + units)


def dollars(found: Mapping[str, float], prices: Mapping[str, float], *, audit_row: float) -> float:
    """Of a million messages that cost this each. `audit_row`: write units that the archive spends for one change."""
    writes = found.get("base", 0) + found.get("index", 0) + audit_row * found.get("changes", 0)
    cost = writes * prices["write"] + found.get("reads", 0) * prices["read"] + found.get("sqs", 0) * prices["sqs"]
    return cost + sum(each * found.get(name, 0) for name, each in prices.items())
