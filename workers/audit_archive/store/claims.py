"""Which object an event is going to: one item per event in the ledger table, changed only by condition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_dynamodb.type_defs import AttributeValueTypeDef

KEPT_SECONDS = 45 * 86_400
"""How long a claim is remembered: longer than the queue (7 days), the dead-letter queue (14), the queue again after a
replay (7) and the dead-letter queue once more (14) can keep a message together."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The event is written into `object` and nowhere else; its owner asks for peace until `until` (epoch seconds).

    `fingerprint` is of the event's payload; "" in a claim that was written without one.
    """

    object: str
    until: float
    fingerprint: str = ""


class Claims(Protocol):
    """Each call is one atomic, strongly consistent operation; whatever it raises leaves its effect unknown."""

    async def put(self, identity: str, claim: Claim) -> bool:
        """Claim an event that has no claim; False where it has one."""
        ...

    async def read(self, identity: str) -> Claim | None: ...

    async def replace(self, identity: str, claim: Claim, *, instead_of: str) -> bool:
        """Take an event over from the object `instead_of`; False where it is claimed for another."""
        ...


class DynamoDbClaims:
    """Claims in the ledger table (hash key `key`, TTL attribute `expiresAt`)."""

    def __init__(self, client: DynamoDBClient, *, table: str) -> None:
        self._client = client
        self._table = table

    async def put(self, identity: str, claim: Claim) -> bool:
        try:
            await self._client.put_item(
                TableName=self._table,
                Item=_item(identity, claim),
                ConditionExpression="attribute_not_exists(#key)",
                ExpressionAttributeNames={"#key": "key"},
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    async def read(self, identity: str) -> Claim | None:
        found = await self._client.get_item(
            TableName=self._table, Key={"key": {"S": _key(identity)}}, ConsistentRead=True
        )
        item = found.get("Item")
        if item is None:
            return None
        return Claim(item["object"]["S"], float(item["claimedUntil"]["N"]), item.get("fingerprint", {}).get("S", ""))

    async def replace(self, identity: str, claim: Claim, *, instead_of: str) -> bool:
        try:
            await self._client.put_item(
                TableName=self._table,
                Item=_item(identity, claim),
                ConditionExpression="#object = :former",
                ExpressionAttributeNames={"#object": "object"},
                ExpressionAttributeValues={":former": {"S": instead_of}},
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True


def _key(identity: str) -> str:
    return f"audit#{identity}"


def _item(identity: str, claim: Claim) -> dict[str, AttributeValueTypeDef]:
    return {
        "key": {"S": _key(identity)},
        "object": {"S": claim.object},
        "claimedUntil": {"N": f"{claim.until:.3f}"},
        "fingerprint": {"S": claim.fingerprint},
        "expiresAt": {"N": str(int(claim.until) + KEPT_SECONDS)},
    }
