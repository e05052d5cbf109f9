"""A sessions table under test: the real one on the emulator, and its stand-in."""

from typing import Any, Protocol

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from tests.workers.upload_notification.fakes import FakeSessions, Row
from workers.upload_notification.ports import SessionStore
from workers.upload_notification.store.sessions import DynamoDbSessions


class Table(Protocol):
    """A sessions table under test: its port, and a way to fill and to see it."""

    @property
    def store(self) -> SessionStore: ...

    async def put(self, found: Row) -> None: ...
    async def get(self, session_id: str) -> Row | None: ...


class InMemory:
    def __init__(self) -> None:
        self.store = self._fake = FakeSessions()

    async def put(self, found: Row) -> None:
        self._fake.rows[found["sessionId"]] = dict(found)

    async def get(self, session_id: str) -> Row | None:
        return self._fake.rows.get(session_id)


class InDynamoDb:
    def __init__(self, client: Any, name: str) -> None:
        self.store = DynamoDbSessions(client, table=name)
        self._client = client
        self._name = name

    async def put(self, found: Row) -> None:
        item = {name: TypeSerializer().serialize(value) for name, value in found.items()}
        await self._client.put_item(TableName=self._name, Item=item)

    async def get(self, session_id: str) -> Row | None:
        key = {"sessionId": {"S": session_id}}
        item = (await self._client.get_item(TableName=self._name, Key=key, ConsistentRead=True)).get("Item")
        return item and {name: TypeDeserializer().deserialize(value) for name, value in item.items()}
