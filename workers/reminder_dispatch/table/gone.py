"""Push tokens and e-mail addresses that are known to be gone, until they are registered anew."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING, Any

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from shared import code_of
from workers.reminder_dispatch.table.attributes import typed
from workers.reminder_dispatch.table.keys import Key, due_text

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

MOST_KEYS = 100
"""Of one BatchGetItem."""

LONGEST_KEY = 2_048
"""Bytes of a partition key: no table holds a longer one, and who asks for it is refused the others that were asked for, too."""

log = structlog.get_logger()


class Gone:
    """Their marks in the table. What was found of a push says nothing of who registered after it was sent, and is often told later: so a
    registration is noted, too, and each mark says when that was sent which it is of.
    """

    def __init__(self, client: DynamoDBClient, *, table: str) -> None:
        self._client = client
        self._table = table

    async def among(self, recipients: Collection[Key]) -> Collection[Key]:
        """Those that are gone. What cannot be answered now is not among them: it is sent to, and the channel says it again."""
        marked = await self._read(recipients, "deadSince")
        if not marked:
            return ()
        anew = await self._read([_registered(key) for key in marked], "registeredAt")
        return {key for key, since in marked.items() if since > anew.get(_registered(key), "")}

    async def mark(self, recipient: Key, *, why: str, at: datetime, forget_at: int) -> None:
        """`at`: when that was sent of which it was found."""
        about = {
            "entity": "deadToken" if recipient.pk.startswith("TOKEN#") else "deadAddress",
            "reason": why,
            "deadSince": due_text(at),
            "TTL": forget_at,
        }
        await self._put(recipient, about)

    async def register(self, recipient: Key, *, at: datetime, forget_at: int) -> bool:
        """Whether it was marked. `forget_at` is later than that of any mark made of what was sent before."""
        await self._put(
            _registered(recipient), {"entity": "registered", "registeredAt": due_text(at), "TTL": forget_at}
        )
        gone = await self._client.delete_item(
            TableName=self._table, Key=typed({"PK": recipient.pk, "SK": recipient.sk}), ReturnValues="ALL_OLD"
        )
        return "Attributes" in gone

    async def _put(self, key: Key, about: dict[str, Any]) -> None:
        await self._client.put_item(TableName=self._table, Item=typed({"PK": key.pk, "SK": key.sk, **about}))

    async def _read(self, wanted: Collection[Key], attribute: str) -> dict[Key, str]:
        """The attribute of each that there is; of one without it, what is later than any time."""
        keys = [key for key in dict.fromkeys(wanted) if len(key.pk.encode()) <= LONGEST_KEY]
        found: dict[Key, str] = {}
        for first in range(0, len(keys), MOST_KEYS):
            asked: Any = [typed({"PK": key.pk, "SK": key.sk}) for key in keys[first : first + MOST_KEYS]]
            try:
                answer = await self._client.batch_get_item(
                    RequestItems={
                        self._table: {
                            "Keys": asked,
                            "ProjectionExpression": "PK, SK, #a",
                            "ExpressionAttributeNames": {"#a": attribute},
                        }
                    }
                )
            except (ClientError, BotoCoreError) as error:
                log.warning("dead_tokens_not_read", error_type=code_of(error))
                return found
            for item in answer.get("Responses", {}).get(self._table, []):
                found[Key(item["PK"]["S"], item["SK"]["S"])] = item.get(attribute, {}).get("S", "~")
        return found


def _registered(recipient: Key) -> Key:
    return Key(recipient.pk, "REGISTERED")
