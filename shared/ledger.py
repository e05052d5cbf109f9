"""Who is doing a piece of work, and whether it is done: for handlers without a conditional write of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient


@dataclass(frozen=True, slots=True)
class Claimed:
    """The work is ours until the lease ends."""


@dataclass(frozen=True, slots=True)
class AlreadyDone:
    """The work was completed before: nothing is left to do."""


@dataclass(frozen=True, slots=True)
class Busy:
    """Somebody else holds the claim for `seconds` more."""

    seconds: float


Claim = Claimed | AlreadyDone | Busy


class Ledger(Protocol):
    """Claims on keys, each conditioned on its owner; times in epoch seconds."""

    async def claim(self, key: str, *, owner: str, now: float, lease: float) -> Claim: ...
    async def complete(self, key: str, *, owner: str, now: float, keep: float) -> bool: ...
    async def release(self, key: str, *, owner: str) -> None: ...
    async def note(self, key: str, *, now: float, keep: float) -> None: ...


class DynamoDbLedger:
    """The ledger in a DynamoDB table (hash key `key`, TTL attribute `expiresAt`). Two writes for one piece of work."""

    def __init__(self, client: DynamoDBClient, *, table: str) -> None:
        self._client = client
        self._table = table

    async def claim(self, key: str, *, owner: str, now: float, lease: float) -> Claim:
        """Take the key if it is free, ours already, or its holder's lease has ended.

        What has expired counts as gone: DynamoDB itself takes up to two days to remove it.
        """
        try:
            await self._client.put_item(
                TableName=self._table,
                Item={
                    "key": {"S": key},
                    "owner": {"S": owner},
                    "state": {"S": "CLAIMED"},
                    "claimedUntil": {"N": f"{now + lease:.3f}"},
                    "expiresAt": {"N": str(int(now + lease) + 86_400)},
                },
                ConditionExpression="attribute_not_exists(#key) OR expiresAt <= :now OR "
                "(#state = :claimed AND (#owner = :owner OR claimedUntil <= :now))",
                ExpressionAttributeNames={"#key": "key", "#state": "state", "#owner": "owner"},
                ExpressionAttributeValues={
                    ":claimed": {"S": "CLAIMED"},
                    ":owner": {"S": owner},
                    ":now": {"N": f"{now:.3f}"},
                },
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return await self._held(key, now=now)
        return Claimed()

    async def complete(self, key: str, *, owner: str, now: float, keep: float) -> bool:
        """Record that the work is done, for `keep` seconds; False where the claim is no longer this owner's."""
        return await self._if_owned(
            self._client.update_item(
                TableName=self._table,
                Key={"key": {"S": key}},
                UpdateExpression="SET #state = :done, expiresAt = :expires REMOVE claimedUntil",
                ConditionExpression="#owner = :owner AND #state = :claimed",
                ExpressionAttributeNames={"#owner": "owner", "#state": "state"},
                ExpressionAttributeValues={
                    ":owner": {"S": owner},
                    ":claimed": {"S": "CLAIMED"},
                    ":done": {"S": "DONE"},
                    ":expires": {"N": str(int(now + keep))},
                },
            )
        )

    async def note(self, key: str, *, now: float, keep: float) -> None:
        """Write down that something is done, whoever asks, for `keep` seconds."""
        await self._client.put_item(
            TableName=self._table,
            Item={"key": {"S": key}, "state": {"S": "DONE"}, "expiresAt": {"N": str(int(now + keep))}},
        )

    async def release(self, key: str, *, owner: str) -> None:
        """Give an unfinished claim back, so that the next receipt need not wait for the lease to end."""
        await self._if_owned(
            self._client.delete_item(
                TableName=self._table,
                Key={"key": {"S": key}},
                ConditionExpression="#owner = :owner AND #state = :claimed",
                ExpressionAttributeNames={"#owner": "owner", "#state": "state"},
                ExpressionAttributeValues={":owner": {"S": owner}, ":claimed": {"S": "CLAIMED"}},
            )
        )

    async def _held(self, key: str, *, now: float) -> Claim:
        # Read again and not from the failed condition: DynamoDB Local does not return the item there.
        found = await self._client.get_item(TableName=self._table, Key={"key": {"S": key}}, ConsistentRead=True)
        item = found.get("Item")
        if item is None:
            return Busy(seconds=0.0)  # released between the two calls: the next receipt gets it
        if item["state"]["S"] == "DONE":
            return AlreadyDone()
        return Busy(seconds=max(0.0, float(item["claimedUntil"]["N"]) - now))

    async def _if_owned(self, write: Any) -> bool:
        try:
            await write
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True
