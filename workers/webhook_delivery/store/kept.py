"""Payloads kept for a resend: written before an event's first job, read and expunged by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import structlog
from pydantic import Field

from shared import Clients, Settings, read_settings
from shared.telemetry.logging import customer
from workers.webhook_delivery.event import Published
from workers.webhook_delivery.store import payloads
from workers.webhook_delivery.store.typed import Item, flag_of, iso, text_of

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_s3 import S3Client

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
        except self._client.exceptions.ConditionalCheckFailedException:
            return  # a duplicate of the event

    async def read(self, tenant_id: str, event_id: str) -> str | None:
        """None where it is kept no longer, or never was."""
        found = await self._client.get_item(
            TableName=self._table, Key=payloads.event_key(tenant_id, event_id), ConsistentRead=True
        )
        item: Item = found.get("Item", {})
        text = text_of(item, payloads.PAYLOAD)
        if flag_of(item, "inS3") and self._s3 is not None:
            try:
                answer = await self._s3.get_object(Bucket=self._bucket, Key=self._object(tenant_id, event_id))
            except self._s3.exceptions.NoSuchKey:
                return None
            async with answer["Body"] as body:
                text = (await body.read()).decode()
        return payloads.unpacked(text) if text else None

    async def expunge(self, tenant_id: str, event_id: str, row: Item | None = None) -> bool:
        """Take the payload out of the event's own row, or of `row` (a key) of one of its deliveries. False where there is none."""
        if row is None and self._s3 is not None:
            await self._s3.delete_object(Bucket=self._bucket, Key=self._object(tenant_id, event_id))
        write = payloads.expunging(row or payloads.event_key(tenant_id, event_id), now=iso(self._now()))
        try:
            await self._client.update_item(TableName=self._table, **write)
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

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
