"""A table of the test's own, shaped like the deployed one."""

from collections.abc import AsyncIterator

import pytest

from tests.aws import Aws
from tests.workers.webhook_delivery.table import InDynamoDb
from workers.webhook_delivery.store.table import DynamoDbStore


@pytest.fixture
async def dynamodb(aws: Aws) -> AsyncIterator[InDynamoDb]:
    name = aws.table_like("webhooks")
    async with aws.open("dynamodb") as client:
        yield InDynamoDb(DynamoDbStore(client, table=name), client, name)
