"""A process's clients that count what is asked through them."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from shared.clients import Clients
from tests.bench.units.sizes import Item, text_bytes
from tests.bench.units.tally import Tally

WRITES = {"PutItem": "Put", "UpdateItem": "Update", "DeleteItem": "Delete"}
SENT = ("MessageBody", "MessageAttributes")


class Counted:
    """A client whose calls are counted. The rows that a write touches are read before and behind it, uncounted: two that
    write one row at the same time may see each other's change.
    """

    def __init__(self, client: Any, tally: Tally, keys: dict[str, tuple[str, ...]]) -> None:
        self._client = client
        self._tally = tally
        self._keys = keys

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        operation = self._client.meta.method_to_api_mapping.get(name)
        return found if operation is None else partial(self._call, operation, found)

    async def _call(self, operation: str, method: Callable[..., Any], **asked: Any) -> Any:
        writes = [(table, await self._key(table, write)) for table, write in _writes(operation, asked)]
        price = 2 if operation.startswith("Transact") else 1
        before = [await self._item(*each) for each in writes]
        answer: Any = {}
        try:
            answer = await method(**asked)
        except self._client.exceptions.ClientError:
            for (table, _), was in zip(writes, before, strict=True):
                self._tally.refused(table, operation, was, price=price)
            raise
        finally:
            said = {name: each for name, each in answer.items() if name != "ResponseMetadata"}
            self._tally.called(operation, sent=text_bytes(asked), received=text_bytes(said))
        for (table, key), was in zip(writes, before, strict=True):
            self._tally.wrote(table, operation, was, await self._item(table, key), price=price)
        self._count_others(operation, asked, answer)
        return answer

    def _count_others(self, operation: str, asked: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        match operation:
            case "GetItem":
                self._tally.read([answer.get("Item", {})], consistent=asked.get("ConsistentRead", False))
            case "Query" | "Scan":
                self._tally.read(answer["Items"], consistent=asked.get("ConsistentRead", False), together=True)
            case "BatchGetItem":
                for table, found in answer["Responses"].items():
                    request = asked["RequestItems"][table]
                    missing: list[Item] = [{}] * (len(request["Keys"]) - len(found))
                    self._tally.read([*found, *missing], consistent=request.get("ConsistentRead", False))
            case "DeleteMessageBatch":
                self._tally.deleted += len(answer.get("Successful", []))
        if self._client.meta.service_model.service_name == "sqs":
            entries = asked.get("Entries", [asked])
            messages = [[each.get(name, "") for name in SENT] for each in entries]
            self._tally.asked_sqs(text_bytes(messages) + text_bytes(answer.get("Messages", [])))

    async def _key(self, table: str, write: Mapping[str, Any]) -> Item:
        if "Key" in write:
            key: Item = write["Key"]
            return key
        if table not in self._keys:
            found = await self._client.describe_table(TableName=table)
            self._keys[table] = tuple(each["AttributeName"] for each in found["Table"]["KeySchema"])
        return {name: write["Item"][name] for name in self._keys[table]}

    async def _item(self, table: str, key: Item) -> Item:
        found = await self._client.get_item(TableName=table, Key=key, ConsistentRead=True)
        item: Item = found.get("Item", {})
        return item


def _writes(operation: str, asked: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if operation in WRITES:
        yield asked["TableName"], asked
    if operation == "TransactWriteItems":
        for entry in asked["TransactItems"]:
            yield from ((entry[kind]["TableName"], entry[kind]) for kind in WRITES.values() if kind in entry)
    if operation == "BatchWriteItem":
        for table, requests in asked["RequestItems"].items():
            yield from ((table, each.get("PutRequest") or each["DeleteRequest"]) for each in requests)


class CountingClients(Clients):
    """Clients whose calls are counted in `tally`."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__(environment)
        self.tally = Tally()
        self._keys: dict[str, tuple[str, ...]] = {}

    async def open(self, service: str, *, endpoint_url: str | None = None, attempts: int = 3) -> Any:
        opened = await super().open(service, endpoint_url=endpoint_url, attempts=attempts)
        return Counted(opened, self.tally, self._keys)
