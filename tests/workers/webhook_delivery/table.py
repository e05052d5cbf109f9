"""The real webhooks table as a test sees it: the store, and a look behind its back."""

from dataclasses import dataclass
from typing import Any

from tests.workers.webhook_delivery.fakes import Delivery
from workers.webhook_delivery.event import DeliveryJob
from workers.webhook_delivery.rules import Endpoint
from workers.webhook_delivery.store import delivered
from workers.webhook_delivery.store.table import DynamoDbStore


@dataclass
class InDynamoDb:
    store: DynamoDbStore
    client: Any
    name: str

    async def add(self, new: Endpoint, *event_types: str) -> None:
        await self.client.put_item(TableName=self.name, Item=row(new, *event_types))

    async def delivery(self, job: DeliveryJob) -> Delivery | None:
        rows = (await self.client.query(TableName=self.name, **delivered.rows_of(job)))["Items"]
        if not rows:
            return None
        found = delivered.delivery(rows)
        ended = [each for each in found.attempts if each.status != "SENDING"]
        if not ended:
            return Delivery(found.state, 0, 0) if found.state != "PENDING" else None
        return Delivery(found.state, ended[-1].number, ended[-1].http_status)

    async def item(self, job: DeliveryJob, sort_key: str) -> dict[str, Any]:
        key = {"PK": {"S": f"DELIVERY#{job.event_id}#{job.tenant_id}#{job.endpoint_id}"}, "SK": {"S": sort_key}}
        found = await self.client.get_item(TableName=self.name, Key=key, ConsistentRead=True)
        item: dict[str, Any] = found.get("Item", {})
        return item


def row(new: Endpoint, *event_types: str) -> dict[str, Any]:
    """An endpoint as the customer's registration writes it."""
    current, *previous = new.secrets
    return {
        "PK": {"S": f"TENANT#{new.tenant_id}"},
        "SK": {"S": f"ENDPOINT#{new.endpoint_id}"},
        "GSI1PK": {"S": f"ENDPOINT#{new.tenant_id}#{new.endpoint_id}"},
        "GSI1SK": {"S": "ENDPOINT"},
        "entity": {"S": "endpoint"},
        "tenantId": {"S": new.tenant_id},
        "endpointId": {"S": new.endpoint_id},
        "url": {"S": new.url},
        "secret": {"S": current},
        "previousSecrets": {"L": [{"S": secret} for secret in previous]},
        "eventTypes": {"L": [{"S": event_type} for event_type in event_types or ("*",)]},
        "enabled": {"BOOL": new.enabled},
        "createdAt": {"S": "2026-11-01T00:00:00Z"},
    }
