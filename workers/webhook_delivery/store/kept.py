"""Payloads kept for a resend: written before an event's first job, read and expunged by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final

import structlog
from pydantic import Field

from shared import Clients, Settings, SettingsError, read_settings
from shared.telemetry.logging import customer
from workers.webhook_delivery.event import Published
from workers.webhook_delivery.store import payloads
from workers.webhook_delivery.store.typed import Item, flag_of, iso, text_of

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_s3 import S3Client

_IN_S3: Final = "inS3"

log = structlog.get_logger()


class KeptSettings(Settings):
    """Where payloads are kept: the bucket is the one of bodies that no queue takes."""

    webhooks_table_name: str = Field(description="the DynamoDB table of endpoints and deliveries")
    claim_check_bucket_name: str | None = Field(default=None, description="the bucket of payloads that no row takes")
    claim_check_prefix: str | None = Field(default=None, description="the beginning of their keys there")


class KeptPayloads:
    """In the webhooks table and, above payloads.IN_TABLE, in `bucket`, where there is one. Raises botocore's errors."""

    def __init__(
        self,
        client: DynamoDBClient,
        *,
        table: str,
        now: Callable[[], datetime],
        s3: S3Client | None,
        bucket: str,
        prefix: str,
    ) -> None:
        self._client = client
        self._table = table
        self._now = now
        self._s3 = s3
        self._bucket = bucket
        self._prefix = prefix

    async def keep(self, event: Published) -> None:
        """Once for an event; a small one goes with its attempts' rows."""
        if payloads.fits_beside(event.payload):
            return
        text = payloads.packed(event.payload)
        in_s3 = self._s3 is not None and len(text) > payloads.IN_TABLE
        if in_s3 and self._s3 is not None:
            if await self._row(event.tenant_id, event.event_id):
                return  # a duplicate of the event: what was expunged shall not come back
            key = self._object(event.tenant_id, event.event_id)
            await self._s3.put_object(Bucket=self._bucket, Key=key, Body=text.encode())
        elif len(text) > payloads.LARGEST_ITEM:
            log.warning(
                "webhook_payload_not_kept", event_id=event.event_id, tenant=customer(event.tenant_id), bytes=len(text)
            )
            return
        write = payloads.keeping(event, text=text, in_s3=in_s3, now=self._now())
        try:
            await self._client.put_item(TableName=self._table, **write)
        except self._client.exceptions.ConditionalCheckFailedException:  # a duplicate of the event
            if in_s3 and self._s3 is not None and not flag_of(await self._row(event.tenant_id, event.event_id), _IN_S3):
                # It was expunged since we looked, and what was put meanwhile shall not stay behind.
                await self._s3.delete_object(Bucket=self._bucket, Key=self._object(event.tenant_id, event.event_id))

    async def read(self, tenant_id: str, event_id: str) -> str | None:
        """None where it is kept no longer, never was, or cannot be read, which is logged. Raises SettingsError where it is in a bucket that is not named here."""
        item = await self._row(tenant_id, event_id)
        text = text_of(item, payloads.PAYLOAD)
        if flag_of(item, _IN_S3):
            s3 = self._opened(event_id)
            try:
                answer = await s3.get_object(Bucket=self._bucket, Key=self._object(tenant_id, event_id))
            except s3.exceptions.NoSuchKey:
                return None
            async with answer["Body"] as body:
                text = (await body.read()).decode(errors="replace")
        try:
            return payloads.unpacked(text) if text else None
        except payloads.UNPACKING:
            log.warning("webhook_payload_unreadable", event_id=event_id, tenant=customer(tenant_id))
            return None

    async def expunge(self, tenant_id: str, event_id: str, row: Item | None = None) -> bool:
        """Take the payload out of the event's own row, or of `row` (a key) of one of its deliveries. False where there is none.
        Raises SettingsError where it is in a bucket that is not named here: nothing is done then.
        """
        if row is None and self._s3 is None and flag_of(await self._row(tenant_id, event_id), _IN_S3):
            self._opened(event_id)
        write = payloads.expunging(row or payloads.event_key(tenant_id, event_id), now=iso(self._now()))
        try:
            await self._client.update_item(TableName=self._table, **write)
            was_kept = True
        except self._client.exceptions.ConditionalCheckFailedException:
            was_kept = False
        if row is None and self._s3 is not None:
            # Always: whoever began an expunction may have died here.
            await self._s3.delete_object(Bucket=self._bucket, Key=self._object(tenant_id, event_id))
        return was_kept

    async def _row(self, tenant_id: str, event_id: str) -> Item:
        """The event's own, {} where there is none."""
        key = payloads.event_key(tenant_id, event_id)
        found = await self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        return found.get("Item", {})

    def _opened(self, event_id: str) -> S3Client:
        if self._s3 is None:
            raise SettingsError(f"CLAIM_CHECK_BUCKET_NAME is not set: the bucket that keeps the payload of {event_id}")
        return self._s3

    def _object(self, tenant_id: str, event_id: str) -> str:
        return self._prefix + payloads.object_name(tenant_id, event_id)


async def open_kept(environment: Mapping[str, str], clients: Clients, *, now: Callable[[], datetime]) -> KeptPayloads:
    """Raises SettingsError."""
    settings = read_settings(KeptSettings, environment)
    bucket = settings.claim_check_bucket_name or ""
    return KeptPayloads(
        await clients.open("dynamodb"),
        table=settings.webhooks_table_name,
        now=now,
        s3=await clients.open("s3") if bucket else None,
        bucket=bucket,
        prefix=settings.claim_check_prefix or "",
    )
