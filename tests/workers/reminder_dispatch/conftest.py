"""The reminders' table for tests that hold for both of its forms."""

from collections.abc import AsyncIterator

import pytest

from tests.aws import Aws
from tests.workers.reminder_dispatch.fakes import FakeReminders
from workers.reminder_dispatch.table.store import DynamoReminders, Reminders


@pytest.fixture(params=["fake", "dynamodb"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Reminders]:
    """An empty table, in memory and in the emulator."""
    if request.param == "fake":
        yield FakeReminders()
        return
    aws: Aws = request.getfixturevalue("aws")
    async with aws.open("dynamodb") as client:
        yield DynamoReminders(client, table=aws.table_like("reminders"))
