"""A sessions table: a test that asks for it runs on the stand-in and on the emulator."""

from collections.abc import AsyncIterator

import pytest

from tests.aws import Aws
from tests.workers.upload_notification.tables import InDynamoDb, InMemory, Table


@pytest.fixture(params=["in memory", "in DynamoDB"])
async def table(request: pytest.FixtureRequest) -> AsyncIterator[Table]:
    if request.param == "in memory":
        yield InMemory()
        return
    aws: Aws = request.getfixturevalue("aws")
    async with aws.open("dynamodb") as client:
        yield InDynamoDb(client, aws.table_like("sessions"))
