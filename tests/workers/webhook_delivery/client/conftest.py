"""One endpoint of one tenant, registered."""

import pytest

from tests.workers.webhook_delivery.client.ground import Ground
from tests.workers.webhook_delivery.table import InDynamoDb
from workers.webhook_delivery.client import Registration


@pytest.fixture
async def ground(dynamodb: InDynamoDb) -> Ground:
    made = Ground(dynamodb)
    await made.endpoints.add(Registration("tenant-1", "https://customer.example/hook", ("*",), "endpoint-1"))
    return made
