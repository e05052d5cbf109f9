"""The items of claims in the ledger table (hash key `key`, TTL attribute `expiresAt`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from workers.audit_archive.store.claims import FULL, Item

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_dynamodb.type_defs import AttributeValueTypeDef

_SHORT = 12
"""Letters of an event's name; no other attribute's name is as long."""


class DynamoDbItems:
    """Each entry is an attribute: its name the event's short name, its value binary. `filled` counts them."""

    def __init__(self, client: DynamoDBClient, *, table: str, full: int = FULL) -> None:
        self._client = client
        self._table = table
        self._full = full

    async def add(self, place: str, entries: Mapping[str, bytes], *, folder: str, expires: int) -> Item | None:
        absent = [f"attribute_not_exists(#{number})" for number in range(len(entries))]
        return await self._write(
            place,
            entries,
            condition=" AND ".join([*absent, "(attribute_not_exists(filled) OR filled < :full)"]),
            values={":full": {"N": str(self._full)}, ":more": {"N": str(len(entries))}, **_rest(folder, expires)},
            count=" ADD filled :more",
        )

    async def swap(
        self, place: str, entries: Mapping[str, bytes], formers: Mapping[str, bytes], *, folder: str, expires: int
    ) -> Item | None:
        former: dict[str, AttributeValueTypeDef] = {
            f":f{number}": {"B": formers[name]} for number, name in enumerate(entries)
        }
        return await self._write(
            place,
            entries,
            condition=" AND ".join(f"#{number} = :f{number}" for number in range(len(entries))),
            values={**former, **_rest(folder, expires)},
        )

    async def _write(
        self,
        place: str,
        entries: Mapping[str, bytes],
        *,
        condition: str,
        values: Mapping[str, AttributeValueTypeDef],
        count: str = "",
    ) -> Item | None:
        sets = ",".join(f"#{number}=:{number}" for number in range(len(entries)))
        try:
            await self._client.update_item(
                TableName=self._table,
                Key={"key": {"S": place}},
                UpdateExpression=f"SET {sets},folder=:folder,expiresAt=:expires{count}",
                ConditionExpression=condition,
                ExpressionAttributeNames={f"#{number}": name for number, name in enumerate(entries)},
                ExpressionAttributeValues={
                    **{f":{number}": {"B": entry} for number, entry in enumerate(entries.values())},
                    **values,
                },
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self._client.exceptions.ConditionalCheckFailedException as error:
            refused: Any = (
                error.response
            )  # DynamoDB Local returns no item; one read later tells as much, for no entry goes
            return self._item(refused.get("Item") or await self._read(place))
        return None

    async def _read(self, place: str) -> Mapping[str, AttributeValueTypeDef]:
        found = await self._client.get_item(TableName=self._table, Key={"key": {"S": place}}, ConsistentRead=True)
        return found.get("Item", {})

    def _item(self, found: Mapping[str, AttributeValueTypeDef]) -> Item:
        entries = {name: bytes(value["B"]) for name, value in found.items() if len(name) == _SHORT and "B" in value}
        filled = int(found.get("filled", {}).get("N", "0"))
        return Item(entries, found.get("folder", {}).get("S", ""), filled >= self._full)


def _rest(folder: str, expires: int) -> dict[str, AttributeValueTypeDef]:
    return {":folder": {"S": folder}, ":expires": {"N": str(expires)}}
