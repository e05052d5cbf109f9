"""A table of the test's own, shaped like the deployed one."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tests.aws import Aws
from tests.workers.webhook_delivery.fakes import NOON
from tests.workers.webhook_delivery.table import InDynamoDb
from workers.webhook_delivery.store.table import DynamoDbStore

LATER = NOON + timedelta(days=30)
"""What the table's store takes for now: behind all that a test writes."""


@pytest.fixture
async def dynamodb(aws: Aws) -> AsyncIterator[InDynamoDb]:
    name = aws.table_like("webhooks")
    async with aws.open("dynamodb") as client:
        yield InDynamoDb(DynamoDbStore(client, table=name, now=LATER.timestamp), client, name)
