"""Each concern's usual messages, handled by its own worker on the emulator while its AWS calls are counted."""

import asyncio
import base64
import json
import time
import uuid
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from tests.aws import Aws
from tests.bench.units.counting import CountingClients
from tests.bench.units.tally import Tally
from tests.fakes import delivery
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

EVENTS = Path(__file__).parents[2] / "events"
BURST = 80


@dataclass(frozen=True)
class Ground:
    """The emulator, and a worker's environment with tables, queues and a bucket of its own."""

    aws: Aws
    environment: dict[str, str]


Story = Callable[[Ground], Coroutine[Any, Any, Tally]]


def ground(aws: Aws) -> Ground:
    tables = {
        f"{name.upper()}_TABLE_NAME": aws.table_like(name) for name in ("webhooks", "reminders", "sessions", "ledger")
    }
    queues = ("WEBHOOK_EVENTS", "WEBHOOK_DELIVERIES", "REMINDERS", "REMINDER_TICKS", "REMINDER_RECEIPTS", "UPLOADS")
    made = {f"{name}_{kind}_URL": aws.queue(f"{name}-{kind}".lower()) for name in queues for kind in ("QUEUE", "DLQ")}
    others = {
        "AUDIT_BUCKET_NAME": aws.bucket("audit"),
        "AUDIT_HASH_KEYS": f"k1:{base64.b64encode(b'a' * 32).decode()}",
        "WEBHOOK_ALLOW_LOOPBACK": "true",
        "WEBHOOK_RETRY_SCHEDULE": "0,0",
    }
    return Ground(aws, aws.environment | tables | made | others)


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


def waiting_session(on: Ground, **more: Any) -> str:
    """A session for whose upload a browser waits."""
    session_id = uuid.uuid4().hex
    item: dict[str, Any] = {
        "sessionId": {"S": session_id},
        "status": {"S": "AWAITING_SCAN"},
        "expiresAt": {"N": str(int(time.time()) + 600)},
        "wsConnectionId": {"S": "b="},
        **more,
    }
    on.aws.dynamodb.put_item(TableName=on.environment["SESSIONS_TABLE_NAME"], Item=item)
    return session_id


async def upload(on: Ground, *, is_gated: bool) -> Tally:
    types: Any = {"allowedTypes": {"L": [{"S": "image/png"}]}} if is_gated else {}
    session_id, bucket = waiting_session(on, **types), on.environment["UPLOAD_BUCKET_NAME"]
    async with (
        ScriptedServer([Reply()]).serving("/live") as url,
        CountingClients(on.environment) as clients,
        open_uploads({**on.environment, "WS_API_ENDPOINT": url}, clients) as (worker,),
    ):
        body = uploaded(bucket, session_id)
        record = json.loads(body)["Records"][0]["s3"]["object"]
        content = b"\x89PNG\r\n\x1a\n".ljust(record["size"], b"\0")
        answer = on.aws.s3.put_object(Bucket=bucket, Key=record["key"], Body=content)
        clients.tally.clear()
        await handle(worker, body.replace(record["eTag"], answer["ETag"].strip('"')))
    return clients.tally.of(1)


def published(number: int) -> str:
    event = json.loads((EVENTS / "bus-upload-completed.json").read_text())
    event["id"] = f"event-{number}"
    event["detail"]["id"] = f"event-{number}"
    return json.dumps(event)


async def webhook(on: Ground, *, count: int = 1, statuses: tuple[int, ...] = (200,)) -> Tally:
    """Fanned out to one endpoint and posted; as many attempts as there are statuses. Five at the same time are as many as an
    endpoint has places at first.
    """
    url = on.environment["WEBHOOK_DELIVERIES_QUEUE_URL"]
    async with (
        serving(answering(*map(response, statuses))) as server,
        CountingClients(on.environment) as clients,
    ):
        subscribed = endpoint_row(endpoint(url=server.url()), "upload.*")
        on.aws.dynamodb.put_item(TableName=on.environment["WEBHOOKS_TABLE_NAME"], Item=subscribed)
        async with open_webhooks(on.environment, clients) as (events, deliveries):
            clients.tally.clear()
            await handle(events, *(published(number) for number in range(count)))
            for _ in statuses:
                await handle(deliveries, *await taken(on, url, count))
    return clients.tally.of(count)


async def taken(on: Ground, url: str, count: int) -> list[str]:
    """So many messages off a queue; a retry's is there after a second."""
    bodies: list[str] = []
    while len(bodies) < count:
        bodies += await asyncio.to_thread(on.aws.bodies, url)
    return bodies


async def fan_out(on: Ground) -> Tally:
    subscribed = endpoint_row(endpoint(), "upload.*")
    on.aws.dynamodb.put_item(TableName=on.environment["WEBHOOKS_TABLE_NAME"], Item=subscribed)
    async with CountingClients(on.environment) as clients, open_webhooks(on.environment, clients) as (events, _):
        clients.tally.clear()
        await handle(events, *(published(number) for number in range(BURST)))
    return clients.tally.of(BURST)


async def reminders(on: Ground, *, is_series: bool) -> Tally:
    """Ten in a batch, by push."""
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=2)
    async with ExpoServer().serving() as url, CountingClients(on.environment) as clients:
        names = {**on.environment, "EXPO_PUSH_URL": url}
        async with open_reminders(names, clients) as (_, worker, _):
            table = DynamoReminders(await clients.open("dynamodb"), table=names["REMINDERS_TABLE_NAME"])
            ids = [f"r-{number}" for number in range(10)]
            for each in ids:
                await table.add(daily(each, at) if is_series else row(each, at))
            clients.tally.clear()
            handled: Any = worker.do
            assert await handled.handle([due(each, at) for each in ids]) == [None] * len(ids)
    return clients.tally.of(len(ids))


def recorded_changes() -> list[str]:
    return [path.read_text() for path in sorted(EVENTS.glob("stream-*.json"))]


def changes_of_one_second() -> list[str]:
    """A hundred, as a busy table has them."""
    change = json.loads(recorded_changes()[0])
    number = int(change["dynamodb"]["SequenceNumber"])
    return [
        json.dumps(
            {
                **change,
                "eventID": f"{each:032x}",
                "dynamodb": {**change["dynamodb"], "SequenceNumber": str(number + each)},
            }
        )
        for each in range(100)
    ]


async def audit_rows(on: Ground, *, changes: Callable[[], Sequence[str]]) -> Tally:
    async with CountingClients(on.environment) as clients, open_audit(on.environment, clients) as (worker,):
        events = [worker.decode(delivery(body, queue="audit")) for body in changes()]
        clients.tally.clear()
        handled: Any = worker.do
        assert await handled.handle(events) == [None] * len(events)
    return clients.tally.of(len(events))


AUDIT_ROW = "audit row"
STORIES: dict[str, Story] = {
    "upload, a browser waits": partial(upload, is_gated=False),
    "upload into a session with allowedTypes": partial(upload, is_gated=True),
    "webhook, delivered at its first attempt": webhook,
    "webhook, delivered at its second attempt": partial(webhook, statuses=(500, 200)),
    "webhook, five at once to one endpoint": partial(webhook, count=5),
    f"fan-out of {BURST} events at once": fan_out,
    "reminder by push": partial(reminders, is_series=False),
    "reminder with a rule": partial(reminders, is_series=True),
    AUDIT_ROW: partial(audit_rows, changes=recorded_changes),
    "audit row, a hundred of one second": partial(audit_rows, changes=changes_of_one_second),
}
