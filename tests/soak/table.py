"""The ledger's table, served in memory: as much of DynamoDB as claims need, and a count of what was completed."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson

from tests.soak.schedule import ONCE

Item = dict[str, dict[str, str]]


class Table:
    """One table. Nothing is awaited while a write is judged, so that every write is conditional in earnest."""

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}
        self.completed: Counter[str] = Counter()
        self.claims = 0

    def ask(self, action: str, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Status and answer to one call of shared/road/ledger.py."""
        key = asked["Item" if action == "PutItem" else "Key"]["key"]["S"]
        item = self._items.get(key)
        values = asked.get("ExpressionAttributeValues", {})
        if action == "GetItem":
            return 200, {} if item is None else {"Item": item}
        allowed = _is_free(item, values) if action == "PutItem" else _is_owned(item, values)
        if not allowed:
            return 400, {"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException", "message": "no"}
        self._write(action, key, asked, values)
        return 200, {}

    def _write(self, action: str, key: str, asked: dict[str, Any], values: Item) -> None:
        match action:
            case "PutItem":
                self.claims += 1
                self._items[key] = asked["Item"]
            case "UpdateItem":
                self.completed[key.removeprefix(f"{ONCE}#")] += 1
                left = {name: value for name, value in self._items[key].items() if name != "claimedUntil"}
                done = {"state": values[":done"], "result": values[":result"], "expiresAt": values[":expires"]}
                self._items[key] = {**left, **done}
            case _:
                del self._items[key]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
                body = await reader.readexactly(int(headers["content-length"]))
                action = head.lower().partition("dynamodb_20120810.")[2].partition("\r\n")[0]
                named = {each.lower(): each for each in ("PutItem", "GetItem", "UpdateItem", "DeleteItem")}[action]
                status, answer = self.ask(named, orjson.loads(body))
                document = orjson.dumps(answer)
                start = f"HTTP/1.1 {status} -\r\nContent-Type: application/x-amz-json-1.0\r\n"
                writer.write(f"{start}Content-Length: {len(document)}\r\n\r\n".encode() + document)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client is gone, as killed ones are
        finally:
            writer.close()


def _is_free(item: Item | None, values: Item) -> bool:
    if item is None:
        return True
    now = float(values[":now"]["N"])
    if float(item["expiresAt"]["N"]) <= now:
        return True
    is_ours = item["owner"] == values[":owner"]
    return item["state"]["S"] == "CLAIMED" and (is_ours or float(item["claimedUntil"]["N"]) <= now)


def _is_owned(item: Item | None, values: Item) -> bool:
    return item is not None and item["owner"] == values[":owner"] and item["state"] == values[":claimed"]


@asynccontextmanager
async def served() -> AsyncIterator[tuple[Table, str]]:
    """A table and its endpoint."""
    table = Table()
    server = await asyncio.start_server(table.serve, "127.0.0.1", 0)
    try:
        yield table, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
