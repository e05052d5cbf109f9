"""Endpoints, attempts and deliveries in the webhooks table: every claim and every result a conditional write."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from shared.telemetry.drops import dropped
from shared.telemetry.logging import customer
from workers.webhook_delivery.event import DeliveryJob
from workers.webhook_delivery.fan_out import WORKER
from workers.webhook_delivery.life import Change, Owed, gone
from workers.webhook_delivery.rules import (
    Attempt,
    Claim,
    Claimed,
    Endpoint,
    Gone,
    Held,
    Page,
    Result,
    Reused,
)
from workers.webhook_delivery.signing import Seals, SecretError
from workers.webhook_delivery.store import delivered, endpoint_items, items
from workers.webhook_delivery.store.shared_reads import SharedReads, recent_endpoints
from workers.webhook_delivery.store.typed import Item, Write

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

NO_SEALS: Final = Seals(None)
Asked = TypeVar("Asked")
TRIES, PAUSE, LONGEST_PAUSE = 5, 0.05, 0.5
"""Writes of one result, and seconds: before the second up to the pause, before each later one up to twice as long as before the last."""

_CONDITION_FAILED: Final = "ConditionalCheckFailed"
_PASSING: Final = frozenset(
    {
        "TransactionConflict",
        "TransactionConflictException",
        "ThrottlingError",
        "ProvisionedThroughputExceeded",
        "ThrottlingException",
        "ProvisionedThroughputExceededException",
        "TransactionInProgressException",
    }
)


class DynamoDbStore:
    """The webhooks table through an aiobotocore client. Raises botocore's errors: the pipeline tries again.

    An endpoint is taken to be as it was read `fresh` seconds ago at most.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        *,
        table: str,
        fresh: float = 0.0,
        now: Callable[[], float] = time.time,
        seals: Seals = NO_SEALS,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._client = client
        self._table = table
        self._now = now
        self._seals = seals
        self._dice = dice
        self._endpoints = recent_endpoints(SharedReads(self._endpoint), fresh=fresh)

    async def subscriptions(self, tenant_id: str, after: str = "") -> Page:
        """A page of a tenant's endpoints, enabled or not, behind the place `after`."""
        return endpoint_items.page(
            await self._client.query(TableName=self._table, **endpoint_items.endpoints_of(tenant_id, after=after))
        )

    async def endpoint(self, tenant_id: str, endpoint_id: str) -> Endpoint | None:
        return await self._endpoints(tenant_id, endpoint_id)

    async def _endpoint(self, tenant_id: str, endpoint_id: str) -> Endpoint | None:
        key = endpoint_items.endpoint_key(tenant_id, endpoint_id)
        # Deliveries to a missing endpoint end for good, and an answer that was emptied on its way looks like a missing one.
        item = await self._get(key) or await self._get(key)
        if item is None:
            return None
        if odd := endpoint_items.odd_life(item, at=self._now()):
            await self._begin_anew(item, odd, tenant_id=tenant_id, endpoint_id=endpoint_id)
            item = {name: value for name, value in item.items() if name not in odd}
        found = endpoint_items.endpoint(item, tenant_id=tenant_id, endpoint_id=endpoint_id, at=self._now())
        return await opened(found, self._seals)

    async def _begin_anew(self, item: Item, odd: Sequence[str], *, tenant_id: str, endpoint_id: str) -> None:
        """What is noted of its failures and cannot be read would stay for ever, and nothing be noted any more: it goes, and is counted."""
        write = endpoint_items.beginning_anew(item, odd)
        if await self._holds(self._client.update_item(TableName=self._table, **write)):
            names = {"tenant": customer(tenant_id), "endpoint_id": endpoint_id}
            dropped(WORKER, "endpoint_life_unreadable", attributes=" ".join(odd), **names)

    async def attempt(self, job: DeliveryJob) -> Attempt | None:
        """What is known of this attempt; None if nobody has begun it."""
        item = await self._get(items.attempt_key(job))
        return items.attempt(item) if item is not None else None

    async def claim(
        self, job: DeliveryJob, *, now: datetime, lease: float, take_over: bool = True, reserved: bool = False
    ) -> Claim:
        """Take the attempt for `lease` seconds if it is free, or, to `take_over`, whoever has it did not finish within his.
        What is reserved for a resend is the resend's, or, to `reserved`, anybody's.

        Reused where it was begun with another payload.
        """
        claimed = Claimed(until=math.ceil(now.timestamp() + lease))
        put = partial(items.claim, job, claimed, now=now, take_over=take_over, reserved=reserved)
        if await self._holds(self._client.put_item(TableName=self._table, **put())):
            return claimed
        # Read again and not from the failed condition: DynamoDB Local does not return the item there.
        item = await self._get(items.attempt_key(job))
        if item is None:
            return Held(until=now.timestamp())
        if items.is_expunged(item):
            asked = self._client.put_item(TableName=self._table, **put(without_payload=True))
            if await self._holds(asked):
                return claimed
        return Reused() if items.is_reused(item, job) else items.attempt(item)

    async def is_overtaken(self, job: DeliveryJob) -> bool:
        """Whether somebody has begun a later attempt of the delivery."""
        rows = await self._client.query(TableName=self._table, **delivered.rows_of(job), ScanIndexForward=False)
        return any(delivered.is_begun(row, after=job.attempt) for row in rows["Items"])

    async def record(self, job: DeliveryJob, claimed: Claimed, result: Result, *, endpoint: Endpoint) -> bool:
        """Write the attempt's result and, on 410, the endpoint's end, all or nothing.

        False: the claim has passed to somebody else, and nothing was written.
        """
        write = items.result(job, claimed, result)
        if isinstance(result.verdict, Gone) and not await self._written(
            self._together, [{"Update": write}, {"Update": endpoint_items.disabling(endpoint, _gone(job))}]
        ):
            self._endpoints.forget(endpoint.tenant_id, endpoint.endpoint_id)
            return True
        # Disabled, deleted or given another URL meanwhile: a 410 no longer speaks of the endpoint, only of this delivery.
        return not await self._written(self._alone, write)

    async def announce(self, job: DeliveryJob, *, now: datetime, seconds: float) -> bool:
        """Take it on to tell of the endpoint's exhausted deliveries for so long; False where another delivery did."""
        write = self._client.put_item(TableName=self._table, **items.announcement(job, now=now, seconds=seconds))
        return await self._holds(write)

    async def settle(self, job: DeliveryJob) -> None:
        """Note that what follows from a failed attempt was done: a duplicate of its message finds nothing left to do."""
        await self._holds(self._client.update_item(TableName=self._table, **items.settlement(job)))

    async def cancel(self, job: DeliveryJob, *, now: datetime) -> bool:
        """End a delivery whose endpoint is gone; False where it had ended already, and stays as it ended."""
        rows = await self._client.query(TableName=self._table, **delivered.rows_of(job), ScanIndexForward=False)
        if rows["Items"] and delivered.delivery(rows["Items"]).state != "PENDING":
            return False
        write = items.cancellation(job, now=now, keeps=not any(map(items.is_expunged, rows["Items"])))
        return await self._holds(self._client.put_item(TableName=self._table, **write))

    async def live(self, endpoint: Endpoint, change: Change) -> bool:
        """Write what an attempt says of its endpoint's life; False where somebody else has written meanwhile."""
        write = endpoint_items.living(endpoint.tenant_id, endpoint.endpoint_id, change)
        self._endpoints.forget(endpoint.tenant_id, endpoint.endpoint_id)
        return await self._holds(self._client.update_item(TableName=self._table, **write))

    async def forget_owed(self, endpoint: Endpoint) -> None:
        """Forget what an endpoint owed."""
        self._endpoints.forget(endpoint.tenant_id, endpoint.endpoint_id)
        await self._holds(self._client.update_item(TableName=self._table, **endpoint_items.telling(endpoint)))

    async def _get(self, key: Item) -> Item | None:
        found = await self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        return found.get("Item")

    async def _holds(self, write: Awaitable[Any]) -> bool:
        try:
            await write
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    async def _written(self, write: Callable[[Asked], Awaitable[list[str]]], asked: Asked) -> list[str]:
        """No codes where it was written, else one for each part of it.

        What passes (a conflict with another transaction, a throttle, a table that does not answer) is tried again here,
        for a second or two: whoever asks sets the limit, and parks the result then.
        """
        for tried in range(1, TRIES + 1):
            try:
                return await write(asked)
            except Exception as error:
                if tried == TRIES or not _passes(error):
                    raise
            await asyncio.sleep(self._dice() * min(LONGEST_PAUSE, PAUSE * 2 ** (tried - 1)))
        raise AssertionError("the last try has raised")

    async def _alone(self, update: Write) -> list[str]:
        is_held = await self._holds(self._client.update_item(TableName=self._table, **update))
        return [] if is_held else [_CONDITION_FAILED]

    async def _together(self, writes: Sequence[Write]) -> list[str]:
        """All of them or none."""
        entries: list[Any] = [
            {kind: {"TableName": self._table, **request}} for write in writes for kind, request in write.items()
        ]
        try:
            await self._client.transact_write_items(TransactItems=entries)
        except self._client.exceptions.TransactionCanceledException as error:
            codes = _codes(error)
            if _CONDITION_FAILED in codes:
                return codes
            raise
        return []


async def opened(endpoint: Endpoint, seals: Seals) -> Endpoint:
    """The endpoint with its secrets open. One that does not open stays sealed, and signs nothing: the customer's attempts show it."""
    secrets: list[str] = []
    for each in endpoint.secrets:
        try:
            secrets.append(await seals.open(each, tenant_id=endpoint.tenant_id, endpoint_id=endpoint.endpoint_id))
        except SecretError:
            secrets.append(each)
    return endpoint if tuple(secrets) == endpoint.secrets else replace(endpoint, secrets=tuple(secrets))


def _gone(job: DeliveryJob) -> Owed:
    return gone(tenant_id=job.tenant_id, endpoint_id=job.endpoint_id, event_id=job.event_id)


def _passes(error: Exception) -> bool:
    response: Any = getattr(error, "response", None)
    if not isinstance(response, dict):
        return True  # it was not answered
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    codes = {*_codes(error), response.get("Error", {}).get("Code", "")}
    return status >= 500 or not _PASSING.isdisjoint(codes)


def _codes(error: BaseException) -> list[str]:
    """The reason for each write of a cancelled transaction, `None` where it was not the cause."""
    response: Any = getattr(error, "response", {})
    return [str(reason.get("Code")) for reason in response.get("CancellationReasons", [])]
