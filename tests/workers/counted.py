"""A process's clients that count: which AWS calls a worker makes, and what its writes cost."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from shared.clients import Clients

WRITES = {"PutItem": "Put", "UpdateItem": "Update", "DeleteItem": "Delete"}


@dataclass
class Counts:
    """`base`, `index` and `stream` in write units of rows of 1 KB at most: of the table, of its index, and of the row that the
    audit worker writes for each change.

    A refused condition costs the table its unit, and a write within a transaction two.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
    """

    calls: Counter[str] = field(default_factory=Counter)
    base: int = 0
    index: int = 0
    stream: int = 0

    def per_message(self, count: int) -> dict[str, float]:
        units = {"base": self.base, "index": self.index, "stream": self.stream}
        return {name: each / count for name, each in {**self.calls, **units}.items() if each}


class Counted:
    """A client whose calls are counted."""

    def __init__(self, client: Any, counts: Counts) -> None:
        self._client = client
        self._counts = counts

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        operation = self._client.meta.method_to_api_mapping.get(name)
        return found if operation is None else partial(self._call, operation, found)

    async def _call(self, operation: str, method: Callable[..., Any], **asked: Any) -> Any:
        self._counts.calls[operation] += 1
        writes = _writes(operation, asked)
        price = 2 if operation.startswith("Transact") else 1
        self._counts.base += price * len(writes)
        indexed = [await self._is_indexed(each) for each in writes]
        answer = await method(**asked)
        self._counts.stream += len(writes)
        self._counts.index += sum(indexed)
        return answer

    async def _is_indexed(self, write: Mapping[str, Any]) -> bool:
        """Whether the row is in the index, before or after this write."""
        row = write.get("Item")
        if row is None:
            found = await self._client.get_item(TableName=write["TableName"], Key=write["Key"])
            row = found.get("Item", {})
        return "GSI1PK" in row


def _writes(operation: str, asked: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if operation in WRITES:
        return [asked]
    if operation == "TransactWriteItems":
        kinds = WRITES.values()
        return [entry[kind] for entry in asked["TransactItems"] for kind in kinds if kind in entry]
    return []


class CountingClients(Clients):
    """Clients whose calls are counted from `begin` on."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__(environment)
        self.counts = Counts()

    def begin(self) -> None:
        self.counts.calls.clear()
        self.counts.base = self.counts.index = self.counts.stream = 0

    async def open(self, service: str, *, endpoint_url: str | None = None, attempts: int = 3) -> Any:
        return Counted(await super().open(service, endpoint_url=endpoint_url, attempts=attempts), self.counts)
