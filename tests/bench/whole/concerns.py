"""What is measured of each worker: its messages, the rows they are about, and what tells that they were handled."""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.aws_server.running import AwsServer
from tests.workers.reminder_dispatch.fakes import row
from tests.workers.webhook_delivery.fakes import endpoint
from tests.workers.webhook_delivery.table import row as endpoint_row
from workers.reminder_dispatch.event import due_body
from workers.reminder_dispatch.table.attributes import typed

EVENTS = Path(__file__).parents[2] / "events"
BUCKET, BUS = "fleet-uploads-dev", "fleet"
SESSIONS, WEBHOOKS, REMINDERS, LEDGER = "sessions", "webhooks", "reminders", "ledger"
TENANTS = 100
"""Of the webhooks, each with one endpoint, and with a hundredth of the events."""
Prepared = tuple[list[dict[str, Any]], list[str]]
"""Rows, and the bodies of messages."""


@dataclass(frozen=True)
class Concern:
    """`prepare` makes rows and bodies for messages of these numbers; `done` counts what was handled, by what the server's table says."""

    name: str
    worker: str
    queue: str
    table: str
    keys: tuple[str, ...]
    queues: tuple[str, ...]
    prepare: Callable[[AwsServer, range], Prepared]
    done: Callable[[AwsServer], int]


def uploads(_server: AwsServer, numbers: range) -> Prepared:
    text = json.dumps(json.loads((EVENTS / "s3-classic-2.1-put.json").read_text()))
    ends = str(int(datetime.now(UTC).timestamp()) + 3_600)
    rows = [
        {"sessionId": {"S": f"s{number}"}, "status": {"S": "AWAITING_SCAN"}, "expiresAt": {"N": ends},
         "wsConnectionId": {"S": f"c{number}="}, "tenantId": {"S": "tenant-1"}}
        for number in numbers
    ]  # fmt: skip
    return rows, [text.replace("/s1/", f"/s{number}/") for number in numbers]


def webhooks(server: AwsServer, numbers: range, *, tenants: int = TENANTS, at: str = "") -> Prepared:
    """`at`: the endpoints' own server, else they are where AWS is."""
    event = json.loads((EVENTS / "bus-upload-completed.json").read_text())
    rows = [
        endpoint_row(endpoint(tenant_id=f"tenant-{tenant}", url=f"{at or server.url}/hook/{tenant}"), "upload.*")
        for tenant in range(tenants)
    ]
    bodies = []
    for number in numbers:
        event["detail"] |= {"id": f"event-{number}", "tenantId": f"tenant-{number % tenants}"}
        bodies.append(json.dumps(event | {"id": f"event-{number}"}))
    return rows if not numbers.start else [], bodies


def reminders(_server: AwsServer, numbers: range) -> Prepared:
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=2)
    rows = [dict(typed(row(f"r{number}", at))) for number in numbers]
    return rows, [due_body(f"r{number}", at) for number in numbers]


def audits(_server: AwsServer, numbers: range) -> Prepared:
    event = json.loads((EVENTS / "stream-modify.json").read_text())
    bodies = []
    for number in numbers:
        event["dynamodb"] |= {"SequenceNumber": f"{10**20 + number}"}
        bodies.append(json.dumps(event | {"eventID": f"{number:032x}"}))
    return [], bodies


CONCERNS = (
    Concern("upload", "upload-notification", "uploads", SESSIONS, ("sessionId",), ("uploads",), uploads,
            lambda server: sum(server.values(SESSIONS, "announcedSequencer").values())),
    Concern("webhook delivered", "webhook-delivery", "webhook-events", WEBHOOKS, ("PK", "SK"),
            ("webhook-events", "webhook-deliveries"), webhooks,
            lambda server: server.calls["hook"]),
    Concern("reminder sent", "reminder-dispatch", "reminders", REMINDERS, ("PK", "SK"),
            ("reminders", "reminder-ticks", "reminder-receipts"), reminders, lambda server: server.values(REMINDERS, "status").get("SENT", 0)),
    Concern("audit row", "audit-archive", "audit", LEDGER, ("key",), ("audit",), audits,
            lambda server: server.archived),
)  # fmt: skip


def environment(server: AwsServer, sqs: str, queues: Mapping[str, str]) -> dict[str, str]:
    """What the workers read, beside what the SQS server says; all telemetry on, as in production."""
    return {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ENDPOINT_URL_SQS": sqs,
        "WS_API_ENDPOINT": f"{server.url}/live",
        "EXPO_PUSH_URL": f"{server.url}/push",
        "OTEL_EXPORTER_OTLP_ENDPOINT": server.url,
        "EVENT_BUS_NAME": BUS,
        "UPLOAD_BUCKET_NAME": BUCKET,
        "SESSIONS_TABLE_NAME": SESSIONS,
        "WEBHOOKS_TABLE_NAME": WEBHOOKS,
        "REMINDERS_TABLE_NAME": REMINDERS,
        "LEDGER_TABLE_NAME": LEDGER,
        "AUDIT_BUCKET_NAME": "audit",
        "AUDIT_HASH_KEYS": f"k1:{b64encode(bytes(32)).decode()}",
        "WEBHOOK_ALLOW_LOOPBACK": "true",
        "HEALTH_PORT": "0",
        **dict(_urls(queues)),
    }


def _urls(queues: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, url in queues.items():
        stem = name.upper().replace("-", "_")
        yield f"{stem}_QUEUE_URL", url
        yield f"{stem}_DLQ_URL", f"{url}-dlq"
