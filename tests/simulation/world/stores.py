"""DynamoDB and S3 in memory, behind objects that stand where their clients stand."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Self

from botocore.exceptions import ClientError

from tests.simulation.world.expressions import Expression, Item
from tests.simulation.world.weather import Exchange, Weather, client_error, closed


class ConditionalCheckFailed(ClientError):
    """DynamoDB's answer to a condition that does not hold."""


class DynamoDbClient:
    """One table with the hash key `key`, shared by all processes; `see` is called with each item that was written."""

    exceptions = SimpleNamespace(ConditionalCheckFailedException=ConditionalCheckFailed)

    def __init__(self, table: dict[str, Item], weather: Weather, see: Callable[[str, Item | None], None]) -> None:
        self._table = table
        self._weather = weather
        self._see = see

    async def get_item(self, **params: Any) -> Any:
        def work(exchange: Exchange) -> None:
            found = self._table.get(params["Key"]["key"]["S"])
            exchange.done({} if found is None else {"Item": {**found}})

        return await self._weather.ask("GetItem", work)

    async def put_item(self, **params: Any) -> Any:
        return await self._write("PutItem", params["Item"]["key"]["S"], params, lambda _: {**params["Item"]})

    async def update_item(self, **params: Any) -> Any:
        def new(old: Item) -> Item:
            return {**params["Key"], **_expression("UpdateExpression", params, old).carried_out()}

        return await self._write("UpdateItem", params["Key"]["key"]["S"], params, new)

    async def delete_item(self, **params: Any) -> Any:
        return await self._write("DeleteItem", params["Key"]["key"]["S"], params, lambda _: None)

    async def _write(self, action: str, key: str, params: dict[str, Any], new: Callable[[Item], Item | None]) -> Any:
        def work(exchange: Exchange) -> None:
            old = self._table.get(key, {})
            if "ConditionExpression" in params and not _expression("ConditionExpression", params, old).holds():
                exchange.fail(client_error("ConditionalCheckFailedException", 400, kind=ConditionalCheckFailed))
                return
            item = new(old)
            if item is None:
                self._table.pop(key, None)
            else:
                self._table[key] = item
            self._see(key, item)
            exchange.done({"Attributes": {**(item or {})}} if params.get("ReturnValues", "NONE") != "NONE" else {})

        return await self._weather.ask(action, work)


def _expression(name: str, params: dict[str, Any], item: Item) -> Expression:
    return Expression(
        params[name],
        item,
        params.get("ExpressionAttributeNames", {}),
        params.get("ExpressionAttributeValues", {}),
    )


class S3Client:
    """One bucket, shared by all processes."""

    def __init__(self, objects: dict[str, bytes], weather: Weather) -> None:
        self._objects = objects
        self._weather = weather

    async def put_object(self, **params: Any) -> Any:
        def work(exchange: Exchange) -> None:
            self._objects[params["Key"]] = params["Body"]
            exchange.done({})

        return await self._weather.ask("PutObject", work)

    async def get_object(self, **params: Any) -> Any:
        def work(exchange: Exchange) -> None:
            content = self._objects.get(params["Key"])
            if content is None:
                exchange.fail(client_error("NoSuchKey", 404))
                return
            whole = not self._weather.strikes(self._weather.odds.odd)
            exchange.done({"Body": _Body(content, whole=whole), "ContentLength": len(content)})

        return await self._weather.ask("GetObject", work)


class _Body:
    """A body that is streamed; one that is not `whole` ends early, with an error as aiohttp's."""

    def __init__(self, content: bytes, *, whole: bool) -> None:
        self._content = content
        self._whole = whole

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._content = b""

    async def read(self) -> bytes:
        if not self._whole:
            raise closed()
        return self._content
