"""Who is doing a piece of work, and whether it is done: for handlers without a conditional write of their own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from shared.outcome import Unavailable, code_of, is_outage, status_of

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient


Answer = TypeVar("Answer")

LEDGER = "the ledger"
"""What fails together, whichever call it is: a table that is not made as ours is."""


class LedgerRefuses(Unavailable):
    """DynamoDB says that a call of ours is wrong: no message can be at fault, for what they bring is no more than a text of a legal
    length. The table has another key, say.
    """


@dataclass(frozen=True, slots=True)
class Claimed:
    """The work is ours until the lease ends."""


@dataclass(frozen=True, slots=True)
class AlreadyDone:
    """The work was completed before, from the same payload; `result` is what was stored with it, "" where nothing was."""

    result: str = ""


@dataclass(frozen=True, slots=True)
class Reused:
    """The key was completed before with another payload: this is another piece of work under a used key."""


@dataclass(frozen=True, slots=True)
class Busy:
    """Somebody else holds the claim for `seconds` more."""

    seconds: float


Claim = Claimed | AlreadyDone | Reused | Busy


class Ledger(Protocol):
    """Claims on keys, each conditioned on its owner; times in epoch seconds. An owner may repeat any call whose answer
    was lost.
    """

    async def claim(self, key: str, *, owner: str, now: float, lease: float, fingerprint: str) -> Claim: ...
    async def complete(self, key: str, *, owner: str, now: float, keep: float, result: str = "") -> bool: ...
    async def release(self, key: str, *, owner: str) -> None: ...
    async def note(self, key: str, *, now: float, keep: float) -> None: ...
    async def count(self, key: str, *, by: int, now: float, keep: float) -> int: ...


class DynamoDbLedger:
    """The ledger in a DynamoDB table (hash key `key`, TTL attribute `expiresAt`). Two writes for one piece of work.

    `refused` hears the code with which a call was said to be wrong, `answered` of each that was not. Such a call raises
    LedgerRefuses, others botocore's error.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        *,
        table: str,
        refused: Callable[[str], None] = lambda _code: None,
        answered: Callable[[], None] = lambda: None,
    ) -> None:
        self._client = client
        self._table = table
        self._refused = refused
        self._answered = answered

    async def claim(self, key: str, *, owner: str, now: float, lease: float, fingerprint: str) -> Claim:
        """Take the key if it is free, ours already, or its holder's lease has ended.

        `fingerprint` stands for the payload. It is compared with that of completed work only: work that is still going
        on may yet fail, and then the other payload (a dead letter that was mended, say) is as good as the first.
        An expired item counts as absent: DynamoDB itself takes up to two days to remove it.
        """
        try:
            claiming = self._client.put_item(
                TableName=self._table,
                Item={
                    "key": {"S": key},
                    "owner": {"S": owner},
                    "state": {"S": "CLAIMED"},
                    "fingerprint": {"S": fingerprint},
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
            await self._asked(claiming)
        except self._client.exceptions.ConditionalCheckFailedException:
            return await self._look_at_holder(key, now=now, fingerprint=fingerprint)
        return Claimed()

    async def complete(self, key: str, *, owner: str, now: float, keep: float, result: str = "") -> bool:
        """Record that the work is done, and its result, for `keep` seconds; False where the claim is no longer this
        owner's. The whole item may have 400 KB.
        """
        if await self._if_owned(
            self._client.update_item(
                TableName=self._table,
                Key={"key": {"S": key}},
                UpdateExpression="SET #state = :done, #result = :result, expiresAt = :expires REMOVE claimedUntil",
                ConditionExpression="#owner = :owner AND #state = :claimed",
                ExpressionAttributeNames={"#owner": "owner", "#state": "state", "#result": "result"},
                ExpressionAttributeValues={
                    ":owner": {"S": owner},
                    ":claimed": {"S": "CLAIMED"},
                    ":done": {"S": "DONE"},
                    ":result": {"S": result},
                    ":expires": {"N": str(int(now + keep))},
                },
            )
        ):
            return True
        item = await self._read(key)  # a call whose first answer was lost finds its own mark
        return item is not None and item["state"]["S"] == "DONE" and item.get("owner") == {"S": owner}

    async def note(self, key: str, *, now: float, keep: float) -> None:
        """Record for `keep` seconds that something is done, without a claim."""
        await self._client.put_item(
            TableName=self._table,
            Item={"key": {"S": key}, "state": {"S": "DONE"}, "expiresAt": {"N": str(int(now + keep))}},
        )

    async def count(self, key: str, *, by: int, now: float, keep: float) -> int:
        """Add to a counter that is remembered for `keep` seconds; its new value. A call whose answer was lost may add twice."""
        counting = self._client.update_item(
            TableName=self._table,
            Key={"key": {"S": key}},
            UpdateExpression="ADD runs :by SET expiresAt = :expires",
            ExpressionAttributeValues={":by": {"N": str(by)}, ":expires": {"N": str(int(now + keep))}},
            ReturnValues="UPDATED_NEW",
        )
        answer = await self._asked(counting)
        return int(answer["Attributes"]["runs"]["N"])

    async def release(self, key: str, *, owner: str) -> None:
        """Release an unfinished claim, so that the next receipt does not wait for the lease to end."""
        await self._if_owned(
            self._client.delete_item(
                TableName=self._table,
                Key={"key": {"S": key}},
                ConditionExpression="#owner = :owner AND #state = :claimed",
                ExpressionAttributeNames={"#owner": "owner", "#state": "state"},
                ExpressionAttributeValues={":owner": {"S": owner}, ":claimed": {"S": "CLAIMED"}},
            )
        )

    async def _look_at_holder(self, key: str, *, now: float, fingerprint: str) -> Claim:
        item = await self._read(key)
        if item is None:
            return Busy(seconds=0.0)  # released between the two calls: the next receipt gets it
        return judge_held(item, now=now, fingerprint=fingerprint)

    async def _read(self, key: str) -> Any:
        # A call of its own and not the item of a failed condition: DynamoDB Local does not return that.
        reading = self._client.get_item(TableName=self._table, Key={"key": {"S": key}}, ConsistentRead=True)
        return (await self._asked(reading)).get("Item")

    async def _if_owned(self, write: Awaitable[object]) -> bool:
        try:
            await self._asked(write)
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    async def _asked(self, call: Awaitable[Answer]) -> Answer:
        try:
            answer = await call
        except self._client.exceptions.ConditionalCheckFailedException:
            self._answered()
            raise
        except Exception as error:
            if status_of(error) is None or is_outage(error):
                raise
            code = code_of(error)
            self._refused(code)
            raise LedgerRefuses(f"the ledger refuses every call: {code}", code=code) from error
        self._answered()
        return answer


def judge_held(item: Mapping[str, Any], *, now: float, fingerprint: str) -> Claim:
    """What an item that could not be claimed means for a payload with this fingerprint."""
    if item["state"]["S"] != "DONE":
        return Busy(seconds=max(0.0, float(item["claimedUntil"]["N"]) - now))
    if item.get("fingerprint", {"S": fingerprint}) != {"S": fingerprint}:
        return Reused()
    return AlreadyDone(result=item.get("result", {"S": ""})["S"])
