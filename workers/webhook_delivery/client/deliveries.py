"""Deliveries of an endpoint: looked at, sent again, expunged."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from shared import Send, json_members
from workers.webhook_delivery.client.endpoints import Endpoints, Refused
from workers.webhook_delivery.client.registration import id_fault, name_fault
from workers.webhook_delivery.client.terms import WrongField
from workers.webhook_delivery.event import EVENT_ID, DeliveryJob
from workers.webhook_delivery.fan_out import message
from workers.webhook_delivery.store import delivered, items
from workers.webhook_delivery.store.delivered import Attempted, Delivery
from workers.webhook_delivery.store.kept import KeptPayloads
from workers.webhook_delivery.store.typed import Item, Write

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

BY_HAND: Final = "hand"
MOST_ATTEMPTS: Final = 9999
TRIES: Final = 5
"""Numbers that are tried where somebody else takes one at the same time."""


class Overtaken(Exception):
    """Somebody has sent it again meanwhile: look at it anew."""


class NoSuchDelivery(LookupError):
    """The endpoint has no delivery of this webhook-id on record."""


class Deliveries:
    """Over an aiobotocore client of DynamoDB, whose errors it raises; `send` puts jobs on `webhook-deliveries`."""

    def __init__(
        self,
        client: DynamoDBClient,
        endpoints: Endpoints,
        kept: KeptPayloads,
        *,
        table: str,
        send: Send,
        now: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._endpoints = endpoints
        self._kept = kept
        self._table = table
        self._send = send
        self._now = now

    async def list(
        self, tenant_id: str, endpoint_id: str, *, since: datetime, until: datetime | None = None
    ) -> AsyncIterator[Attempted]:
        """The attempts of the endpoint's deliveries that began from `since` to `until`, the oldest delivery first; also attempts in that
        time that ended an older one without success, or were asked for by hand. One under way at its first attempt is not seen yet.
        Raises WrongField.
        """
        if until is not None and until < since:
            raise WrongField("until", "not before since")
        told: set[tuple[str, int]] = set()
        async for row in self.rows(tenant_id, endpoint_id, since=since, until=until):
            if delivered.is_attempt(row):
                for each in await self._begun(tenant_id, endpoint_id, delivered.attempted(row)):
                    if (each.webhook_id, each.number) not in told:
                        told.add((each.webhook_id, each.number))
                        yield each

    async def show(self, tenant_id: str, webhook_id: str, endpoint_id: str, *, with_payload: bool = True) -> Delivery:
        """Raises NoSuchDelivery. `with_payload`: read from wherever it is kept; raises SettingsError where that is a bucket that is
        not named here.
        """
        rows = [each async for each in self._pages(delivered.rows_of(_named(tenant_id, webhook_id, endpoint_id)))]
        if not rows:
            raise NoSuchDelivery(webhook_id)
        found = delivered.delivery(rows)
        if found.payload or not with_payload:
            return found
        return replace(found, payload=await self._kept.read(tenant_id, webhook_id))

    async def resend(self, tenant_id: str, webhook_id: str, endpoint_id: str, *, by: str = BY_HAND) -> int:
        """Have it sent again, now, as an attempt of its own whose number is answered; filters are not asked. A schedule that is running goes
        on from this attempt: the one that was to come finds its number made.

        Raises NoSuchEndpoint, NoSuchDelivery, or Refused where the endpoint is disabled or the payload is kept no longer.
        """
        await self.check_enabled(tenant_id, endpoint_id)
        return await self.send_again(await self.show(tenant_id, webhook_id, endpoint_id), tenant_id, endpoint_id, by=by)

    async def check_enabled(self, tenant_id: str, endpoint_id: str) -> None:
        """Raises NoSuchEndpoint or Refused."""
        if not (await self._endpoints.show(tenant_id, endpoint_id)).enabled:
            raise Refused(f"{endpoint_id} is disabled: enable it first")

    async def send_again(self, found: Delivery, tenant_id: str, endpoint_id: str, *, by: str) -> int:
        """Take the next free number, and send its job. Raises Refused, or, of an order, Overtaken where the number is not free any more."""
        if found.payload is None:
            raise Refused(f"the payload of {found.webhook_id} is kept no longer, or was expunged")
        begun = [each for each in found.attempts if each.resent == by and each.status == "SENDING" and by != BY_HAND]
        job = self._job(found, tenant_id, endpoint_id, by=by)
        if begun:  # the same order, given again: its number is taken, and whether its job was sent nobody knows
            job = job.model_copy(update={"attempt": begun[-1].number})
        else:
            job = await self._numbered(job)
        await self._send([message(job, self._now())])
        return job.attempt

    async def expunge(self, tenant_id: str, webhook_id: str, *endpoint_ids: str) -> int:
        """Take the event's payload out of every place where it is kept, also for endpoints that were removed where `endpoint_ids` names them.
        What is known of its deliveries stays. The number of places; a job that is still to be attempted carries its own copy,
        and where that is its delivery's first attempt a small one is kept again.
        """
        named = [each.endpoint_id async for each in self._endpoints.list(tenant_id)]
        count = int(await self._kept.expunge(tenant_id, webhook_id))
        for endpoint_id in dict.fromkeys([*named, *endpoint_ids]):
            job = _named(tenant_id, webhook_id, endpoint_id)
            for key in (items.attempt_key(job), items.delivery_key(job)):
                count += await self._kept.expunge(tenant_id, webhook_id, key)
        return count

    async def rows(
        self, tenant_id: str, endpoint_id: str, *, since: datetime, until: datetime | None
    ) -> AsyncIterator[Item]:
        """Of the index, the oldest first."""
        asked = delivered.attempts_of(_named(tenant_id, "msg_0", endpoint_id), since=since, until=until)
        async for row in self._pages(asked):
            yield row

    async def _begun(self, tenant_id: str, endpoint_id: str, found: Attempted) -> Sequence[Attempted]:
        """An attempt, and those that followed where it was a delivery's first one."""
        if found.number > 1 or found.status == "DELIVERED":
            return [found]
        rows = delivered.rows_of(_named(tenant_id, found.webhook_id, endpoint_id))
        return delivered.delivery([each async for each in self._pages(rows)]).attempts

    async def _pages(self, asked: Write) -> AsyncIterator[Item]:
        start: Write = {}
        while True:
            answer = await self._client.query(TableName=self._table, **asked, **start)
            for row in answer.get("Items", []):
                yield row
            if not answer.get("LastEvaluatedKey"):
                return
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def _job(self, found: Delivery, tenant_id: str, endpoint_id: str, *, by: str) -> DeliveryJob:
        payload, now = found.payload or "", self._now()
        return DeliveryJob(
            eventId=found.webhook_id,
            eventType=found.event_type or json_members(payload)["type"].value,
            tenantId=tenant_id,
            endpointId=endpoint_id,
            attempt=min(found.next_number, MOST_ATTEMPTS),
            payload=payload,
            fingerprint=found.fingerprint,
            correlationId=found.correlation_id,
            firstAttemptAt=now,
            notBefore=now,
            resent=by,
            nonce=by,  # with its number it is nobody else's, and the same where an order is given again
            ended=found.state == "EXHAUSTED",
        )

    async def _numbered(self, job: DeliveryJob) -> DeliveryJob:
        tries = TRIES if job.resent == BY_HAND else 1  # an order may have been given twice at once
        for number in range(job.attempt, min(job.attempt + tries, MOST_ATTEMPTS + 1)):
            asked = job.model_copy(update={"attempt": number})
            try:
                write = items.placeholder(asked, now=self._now())
                await self._client.put_item(TableName=self._table, **write)
            except self._client.exceptions.ConditionalCheckFailedException:
                continue
            return asked
        if job.resent != BY_HAND:
            raise Overtaken(job.event_id)
        raise Refused(f"{job.event_id} has no free number for another attempt: others send it again at the same time")


def _named(tenant_id: str, webhook_id: str, endpoint_id: str) -> DeliveryJob:
    """A job that has a delivery's names alone. Raises WrongField."""
    for name, why in (("tenantId", name_fault(tenant_id)), ("endpointId", id_fault(endpoint_id))):
        if why:
            raise WrongField(name, why)
    if not re.fullmatch(EVENT_ID, webhook_id):
        raise WrongField("webhookId", "1 to 128 letters, digits, '_' or '-', as the header webhook-id has it")
    return DeliveryJob.model_construct(
        event_id=webhook_id, tenant_id=tenant_id, endpoint_id=endpoint_id, attempt=1, payload=""
    )
