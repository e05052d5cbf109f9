"""Writes of which nobody asks what they found cost no row that is sent back, and no read."""

from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from tests.workers.upload_notification.fakes import row, session
from workers.upload_notification.store.sessions import DynamoDbSessions


class Refused(ClientError):
    """DynamoDB's answer to a condition that does not hold, without the row."""


class Refusing:
    """A table whose conditions never hold."""

    exceptions = SimpleNamespace(ConditionalCheckFailedException=Refused)

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    async def update_item(self, **asked: Any) -> Any:
        self.asked.append(asked)
        raise Refused({"Error": {"Code": "ConditionalCheckFailedException"}}, "UpdateItem")


async def test_what_is_only_noted_asks_for_no_row_and_reads_none() -> None:
    client: Any = Refusing()
    sessions = DynamoDbSessions(client, table="sessions")
    await sessions.release(session(row()), informed=frozenset(), busy_since=None)
    assert len(client.asked) == 1
    assert not any(name.startswith("ReturnValues") for asked in client.asked for name in asked)
