"""The world around a running fleet: customers, browsers, schedules and operators, all through public interfaces."""

import asyncio
import hashlib
import json
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Self

import aioboto3
import aiohttp
import boto3

from fleet.dev.deploy import session
from fleet.dev.dev import Ground
from fleet.dev.stand_ins import server
from shared.message.identity import ATTRIBUTE
from shared.settings import variable
from tests.waiting import until

PATIENCE = 240.0
"""Seconds within which every effect has to come, on two slow cores that run everything at once."""


@dataclass
class Outside:
    """What a test may do to the fleet, and where it may look for effects."""

    ground: Ground
    environment: Mapping[str, str]
    door: str
    _client: aiohttp.ClientSession | None = field(default=None, repr=False)

    async def __aenter__(self) -> Self:
        self._client = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *_error: object) -> None:
        assert self._client is not None
        await self._client.close()

    def name(self, variable_name: str) -> str:
        return self.environment[variable_name]

    @cached_property
    def aws(self) -> boto3.Session:
        return session(self.ground.endpoint)

    def client(self, service: str) -> Any:
        url = self.ground.endpoint.url_of(service)
        # One of many service names, which the stubs know only as literals.
        return self._clients.setdefault(service, self.aws.client(service, endpoint_url=url))  # type: ignore[call-overload]

    def asynchronous(self, service: str) -> AbstractAsyncContextManager[Any]:
        endpoint = self.ground.endpoint
        made = aioboto3.Session(endpoint.access_key_id, endpoint.secret_access_key, region_name=endpoint.region)
        # One of many service names, which the stubs know only as literals.
        opened: AbstractAsyncContextManager[Any] = made.client(service, endpoint_url=endpoint.url_of(service))  # type: ignore[call-overload]
        return opened

    @cached_property
    def _clients(self) -> dict[str, Any]:
        return {}

    # Queues

    def send(self, queue: str, body: str, **options: Any) -> str:
        answer = self.client("sqs").send_message(
            QueueUrl=self.name(f"{variable(queue)}_QUEUE_URL"), MessageBody=body, **options
        )
        return str(answer["MessageId"])

    async def letter(self, queue: str, body: str) -> dict[str, Any]:
        """Wait for the dead letter with this body; its reason, and take it off the queue."""
        url = self.name(f"{variable(queue)}_DLQ_URL")

        def look() -> dict[str, Any] | None:
            found = self.client("sqs").receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], VisibilityTimeout=1
            )
            for message in found.get("Messages", []):
                if message["Body"] == body:
                    self.client("sqs").delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                    reason: dict[str, Any] = json.loads(message["MessageAttributes"][ATTRIBUTE]["StringValue"])
                    return reason
            return None

        return await until(look, seconds=PATIENCE, what=f"a dead letter of {queue}")

    def waiting(self, queue: str) -> int:
        """Messages on a queue: visible, in flight and delayed."""
        found = self.client("sqs").get_queue_attributes(
            QueueUrl=self.name(f"{variable(queue)}_QUEUE_URL"), AttributeNames=["All"]
        )["Attributes"]
        return sum(int(count) for name, count in found.items() if name.startswith("ApproximateNumberOf"))

    # Sessions and browsers

    def session(self, tenant: str, **fields: Any) -> str:
        session_id = f"s-{uuid.uuid4().hex[:12]}"
        now = datetime.now(UTC)
        item = {
            "sessionId": {"S": session_id},
            "tenantId": {"S": tenant},
            "status": {"S": "AWAITING_SCAN"},
            "createdAt": {"S": now.isoformat()},
            "expiresAt": {"N": str(int((now + timedelta(hours=1)).timestamp()))},
            **fields,
        }
        self.client("dynamodb").put_item(TableName=self.name("SESSIONS_TABLE_NAME"), Item=item)
        return session_id

    def session_row(self, session_id: str) -> dict[str, Any]:
        key = {"sessionId": {"S": session_id}}
        found = self.client("dynamodb").get_item(
            TableName=self.name("SESSIONS_TABLE_NAME"), Key=key, ConsistentRead=True
        )
        return plain(found.get("Item", {}))

    @asynccontextmanager
    async def browser(self, session_id: str) -> AsyncIterator["Browser"]:
        """A browser that waits on its WebSocket."""
        assert self._client is not None
        url = f"{self.stand_ins}{server.GATEWAY}/ws?sessionId={session_id}"
        async with self._client.ws_connect(url) as socket:
            browser = Browser(socket)
            yield browser
            browser.reader.cancel()

    def upload(self, key: str, content: bytes) -> None:
        self.client("s3").put_object(Bucket=self.name("UPLOAD_BUCKET_NAME"), Key=key, Body=content)

    # Webhooks

    def endpoint(self, tenant: str, path: str, *event_types: str, secret: str | None = None) -> str:
        """Register an endpoint at the receiver's `path` (/ok/anna, /flaky/bert, /gone/carl); its id."""
        endpoint_id = f"ep-{uuid.uuid4().hex[:12]}"
        item = {
            "PK": {"S": f"TENANT#{tenant}"},
            "SK": {"S": f"ENDPOINT#{endpoint_id}"},
            "GSI1PK": {"S": f"ENDPOINT#{tenant}#{endpoint_id}"},
            "GSI1SK": {"S": "ENDPOINT"},
            "entity": {"S": "endpoint"},
            "tenantId": {"S": tenant},
            "endpointId": {"S": endpoint_id},
            "url": {"S": f"{self.stand_ins}{server.WEBHOOKS}{path}"},
            "secret": {"S": secret or self.environment["STAND_INS_WEBHOOK_SECRET"]},
            "eventTypes": {"L": [{"S": each} for each in event_types or ("*",)]},
            "enabled": {"BOOL": True},
            "createdAt": {"S": datetime.now(UTC).isoformat()},
        }
        self.client("dynamodb").put_item(TableName=self.name("WEBHOOKS_TABLE_NAME"), Item=item)
        return endpoint_id

    def put_event(self, detail_type: str, detail: Mapping[str, Any], *, source: str = "shop") -> None:
        entry = {
            "EventBusName": self.name("EVENT_BUS_NAME"),
            "Source": source,
            "DetailType": detail_type,
            "Detail": json.dumps(detail),
        }
        assert self.client("events").put_events(Entries=[entry])["FailedEntryCount"] == 0

    async def received(self, path: str) -> list[dict[str, Any]]:
        """What came to the receiver's endpoint, in order."""
        every = await self._received_at(f"{server.WEBHOOKS}/received")
        return [each for each in every if each["endpoint"] == path]

    def last_attempt(self, tenant: str, event_id: str, endpoint_id: str) -> dict[str, Any]:
        """Its row, of an `order.placed` of the shop's."""
        identity = json.dumps([tenant, "shop", "order.placed", event_id], separators=(",", ":"))
        webhook_id = f"msg_{hashlib.sha256(identity.encode()).hexdigest()}"
        found = self.client("dynamodb").query(
            TableName=self.name("WEBHOOKS_TABLE_NAME"),
            KeyConditionExpression="PK = :pk",
            ExpressionAttributeValues={":pk": {"S": f"DELIVERY#{webhook_id}#{tenant}#{endpoint_id}"}},
            ConsistentRead=True,
            ScanIndexForward=False,
        )
        return plain(found["Items"][0]) if found["Items"] else {}

    # Reminders

    def reminder(self, due: datetime, **fields: Any) -> tuple[str, str]:
        """Write an occurrence as an API would; (reminderId, dueAt)."""
        reminder_id = f"r-{uuid.uuid4().hex[:12]}"
        due_at = due.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        # As docs/data-model.md tells a producer to do it, and not with the worker's own code.
        shard = int(hashlib.sha256(reminder_id.encode()).hexdigest()[:8], 16) % 16
        item = {
            "PK": {"S": f"REMINDER#{reminder_id}"},
            "SK": {"S": f"AT#{due_at}"},
            "GSI1PK": {"S": f"DUE#{due_at[:16]}#{shard:02d}"},
            "GSI1SK": {"S": f"{due_at}#{reminder_id}"},
            "entity": {"S": "occurrence"},
            "reminderId": {"S": reminder_id},
            "dueAt": {"S": due_at},
            "status": {"S": "PENDING"},
            "timeZone": {"S": "Europe/Berlin"},
            "title": {"S": "Stretch"},
            "body": {"S": "Five minutes"},
            **fields,
        }
        self.client("dynamodb").put_item(TableName=self.name("REMINDERS_TABLE_NAME"), Item=item)
        return reminder_id, due_at

    def reminder_row(self, reminder_id: str, due_at: str) -> dict[str, Any]:
        key = {"PK": {"S": f"REMINDER#{reminder_id}"}, "SK": {"S": f"AT#{due_at}"}}
        found = self.client("dynamodb").get_item(
            TableName=self.name("REMINDERS_TABLE_NAME"), Key=key, ConsistentRead=True
        )
        return plain(found.get("Item", {}))

    def tick(self, at: datetime | None = None) -> None:
        moment = (at or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.send("reminder-ticks", json.dumps({"source": "scheduler", "time": moment}))

    async def pushes(self, token: str) -> list[dict[str, Any]]:
        every = await self._received_at(f"{server.EXPO}/received")
        return [each for each in every if each["to"] == token]

    # Watching

    async def until(self, predicate: Any, what: str, seconds: float = PATIENCE) -> Any:
        return await until(predicate, seconds=seconds, what=f"{what} ({self.door})", pause=0.05)

    @property
    def stand_ins(self) -> str:
        return f"http://{self.environment['STAND_INS_HOST']}:{self.environment['STAND_INS_PORT']}"

    async def _received_at(self, path: str) -> list[dict[str, Any]]:
        assert self._client is not None
        async with self._client.get(f"{self.stand_ins}{path}") as answer:
            found: list[dict[str, Any]] = (await answer.json())["received"]
            return found


class Browser:
    """One WebSocket; `messages` as they came, each with the clock at its arrival."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.messages: list[dict[str, Any]] = []
        self.arrived: list[float] = []
        self.reader = asyncio.create_task(self._read(socket))

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            self.messages.append(json.loads(message.data))
            self.arrived.append(time.monotonic())


def plain(item: Mapping[str, Any]) -> dict[str, Any]:
    """A row's strings, numbers and booleans by name."""
    return {name: next(iter(value.values())) for name, value in item.items()}
