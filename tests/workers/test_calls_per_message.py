"""What a message costs in AWS calls and write units, by concern: each number may fall, and none may rise unseen."""

import asyncio
import base64
import json
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.aws import Aws
from tests.fakes import delivery
from tests.workers.counted import CountingClients
from tests.workers.reminder_dispatch.expo_server import ExpoServer
from tests.workers.reminder_dispatch.fakes import daily, due, row
from tests.workers.upload_notification.scripted_server import Reply, ScriptedServer
from tests.workers.webhook_delivery.egress.servers import answering, response, serving
from tests.workers.webhook_delivery.fakes import endpoint
from tests.workers.webhook_delivery.table import row as endpoint_row
from workers.audit_archive.app import open_workers as open_audit
from workers.reminder_dispatch.app import open_workers as open_reminders
from workers.reminder_dispatch.table.store import DynamoReminders
from workers.upload_notification.app import open_workers as open_uploads
from workers.webhook_delivery.app import open_workers as open_webhooks

EVENTS = Path(__file__).parents[1] / "events"
BURST = 80


@pytest.fixture
def environment(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    made = aws.environment | {
        "WEBHOOKS_TABLE_NAME": aws.table_like("webhooks"),
        "REMINDERS_TABLE_NAME": aws.table_like("reminders"),
        "SESSIONS_TABLE_NAME": aws.table_like("sessions"),
        "LEDGER_TABLE_NAME": aws.table_like("ledger"),
        "AUDIT_BUCKET_NAME": aws.bucket("audit"),
        "AUDIT_HASH_KEYS": f"k1:{base64.b64encode(b'a' * 32).decode()}",
        "WEBHOOK_ALLOW_LOOPBACK": "true",
        "WEBHOOK_RETRY_SCHEDULE": "0,1",
    }
    queues = ("WEBHOOK_EVENTS", "WEBHOOK_DELIVERIES", "REMINDERS", "REMINDER_TICKS")
    made |= {f"{name}_QUEUE_URL": aws.queue(name.lower()) for name in queues}
    for name, value in made.items():
        monkeypatch.setenv(name, value)
    return made


def check(found: Mapping[str, float], most: Mapping[str, float]) -> None:
    assert found.keys() == most.keys()
    more = {name: each for name, each in found.items() if each > most.get(name, 0)}
    assert more == {}, f"these rose; at most {dict(most)}, found {dict(found)}"


async def handle(worker: Any, *bodies: str) -> None:
    """Each message alone, all at the same time, as a container's slots do."""
    events = [worker.decode(delivery(body, queue=worker.queue)) for body in bodies]
    await asyncio.gather(*(worker.do.handle(each) for each in events))


def uploaded(bucket: str, session_id: str) -> str:
    body = json.loads((EVENTS / "s3-classic-2.6-put.json").read_text())
    record = body["Records"][0]["s3"]
    record["bucket"]["name"] = bucket
    record["object"]["key"] = f"session-uploads/{session_id}/a.jpg"
    return json.dumps(body)


@pytest.mark.parametrize("is_gated", [False, True])
async def test_an_upload(aws: Aws, environment: dict[str, str], *, is_gated: bool) -> None:
    session_id = uuid.uuid4().hex
    item: dict[str, Any] = {
        "sessionId": {"S": session_id},
        "status": {"S": "AWAITING_SCAN"},
        "expiresAt": {"N": str(int(time.time()) + 600)},
        "wsConnectionId": {"S": "b="},
    }
    if is_gated:
        item["allowedTypes"] = {"L": [{"S": "image/png"}]}
    aws.dynamodb.put_item(TableName=environment["SESSIONS_TABLE_NAME"], Item=item)
    async with (
        ScriptedServer([Reply()]).serving("/live") as url,
        CountingClients(environment) as clients,
        open_uploads({**environment, "WS_API_ENDPOINT": url}, clients) as (worker,),
    ):
        clients.begin()
        body = uploaded(environment["UPLOAD_BUCKET_NAME"], session_id)
        record = json.loads(body)["Records"][0]["s3"]["object"]
        content = b"\x89PNG\r\n\x1a\n".ljust(record["size"], b"\0")
        answer = aws.s3.put_object(Bucket=environment["UPLOAD_BUCKET_NAME"], Key=record["key"], Body=content)
        await handle(worker, body.replace(record["eTag"], answer["ETag"].strip('"')))
    most = {"UpdateItem": 2, "PutEvents": 1, "PostToConnection": 1, "base": 2, "stream": 2}
    most |= {"GetObject": 1} if is_gated else {}
    check(clients.counts.per_message(1), most)


def published(number: int) -> str:
    event = json.loads((EVENTS / "bus-upload-completed.json").read_text())
    event["id"] = f"event-{number}"
    event["detail"]["id"] = f"event-{number}"
    return json.dumps(event)


@pytest.mark.parametrize(
    ("count", "status", "most"),
    [
        (1, 200, {"Query": 1, "SendMessageBatch": 1, "GetItem": 1, "PutItem": 1, "TransactWriteItems": 1,
                  "base": 5, "index": 2, "stream": 3}),
        (1, 500, {"Query": 1, "SendMessageBatch": 2, "GetItem": 1, "PutItem": 1, "TransactWriteItems": 1, "UpdateItem": 1,
                  "base": 6, "index": 3, "stream": 4}),
        (5, 200, {"Query": 0.2, "SendMessageBatch": 0.4, "GetItem": 0.2, "PutItem": 1, "TransactWriteItems": 1,
                  "base": 5, "index": 2, "stream": 3}),
    ],
)  # fmt: skip
async def test_a_webhook_at_its_first_attempt(
    aws: Aws, environment: dict[str, str], count: int, status: int, most: dict[str, float]
) -> None:
    """Five at the same time are as many as an endpoint has places at first."""
    async with serving(answering(response(status))) as server, CountingClients(environment) as clients:
        row = endpoint_row(endpoint(url=server.url()), "upload.*")
        aws.dynamodb.put_item(TableName=environment["WEBHOOKS_TABLE_NAME"], Item=row)
        async with open_webhooks(environment, clients) as (events, deliveries):
            clients.begin()
            await handle(events, *(published(number) for number in range(count)))
            jobs: list[str] = []
            while len(jobs) < count:
                jobs += aws.bodies(environment["WEBHOOK_DELIVERIES_QUEUE_URL"])
            await handle(deliveries, *jobs)
    check(clients.counts.per_message(count), most)


async def test_a_burst_of_events_that_become_jobs(aws: Aws, environment: dict[str, str]) -> None:
    row = endpoint_row(endpoint(), "upload.*")
    aws.dynamodb.put_item(TableName=environment["WEBHOOKS_TABLE_NAME"], Item=row)
    async with CountingClients(environment) as clients, open_webhooks(environment, clients) as (events, _):
        clients.begin()
        await handle(events, *(published(number) for number in range(BURST)))
    check(clients.counts.per_message(BURST), {"Query": 0.1, "SendMessageBatch": 0.3})


@pytest.mark.parametrize(
    ("is_series", "most"),
    [
        (False, {"GetItem": 1, "BatchGetItem": 0.1, "UpdateItem": 2, "base": 2, "index": 2, "stream": 2}),
        (True, {"GetItem": 1, "BatchGetItem": 0.1, "UpdateItem": 2, "PutItem": 1, "base": 3, "index": 3, "stream": 3}),
    ],
)
async def test_a_reminder_by_push(environment: dict[str, str], *, is_series: bool, most: dict[str, float]) -> None:
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=2)
    async with ExpoServer().serving() as url, CountingClients(environment) as clients:
        names = {**environment, "EXPO_PUSH_URL": url}
        async with open_reminders(names, clients) as (_, worker):
            table = DynamoReminders(await clients.open("dynamodb"), table=names["REMINDERS_TABLE_NAME"])
            ids = [f"r-{number}" for number in range(10)]
            for each in ids:
                await table.add(daily(each, at) if is_series else row(each, at))
            clients.begin()
            handled: Any = worker.do
            assert await handled.handle([due(each, at) for each in ids]) == [None] * len(ids)
    check(clients.counts.per_message(len(ids)), most)


async def test_an_audit_row(environment: dict[str, str]) -> None:
    bodies = [path.read_text() for path in sorted(EVENTS.glob("stream-*.json"))]
    async with CountingClients(environment) as clients, open_audit(environment, clients) as (worker,):
        events = [worker.decode(delivery(body, queue="audit")) for body in bodies]
        clients.begin()
        handled: Any = worker.do
        assert await handled.handle(events) == [None] * len(events)
    found = clients.counts.per_message(len(events))
    check({name: each for name, each in found.items() if name in {"PutItem", "base"}}, {"PutItem": 1, "base": 1})
