"""Every worker of the fleet in one table: how it reads its queues behind each door, which variables it is given, and why."""

from typing import Final

from infra.concerns import CONCERNS
from infra.resources.compute.settings import Source, WorkerSettings

AUDIT_WINDOW: Final = "AuditWindowSeconds"
"""Of the mapping `Workers`: the audit queue's window differs by stage."""

WORKERS: Final[tuple[WorkerSettings, ...]] = (
    WorkerSettings(
        "upload-notification",
        "upload_notification",
        (Source("uploads", 10, 0, 20, "a browser waits; each message is two writes and a post"),),
        timeout=30,
        backlog=200,
        variables={
            "SESSIONS_TABLE_NAME": "SessionsTableName",
            "UPLOAD_BUCKET_NAME": "UploadBucketName",
            "EVENT_BUS_NAME": "EventBusName",
        },
        asked={"WS_API_ENDPOINT": "WsApiEndpoint"},
    ),
    WorkerSettings(
        "webhook-delivery",
        "webhook_delivery",
        (
            Source("webhook-events", 10, 0, 10, "one query each, and a batch of messages to send"),
            Source(
                "webhook-deliveries", 10, 0, 50, "waits for other people's servers: few at once in each, many of them"
            ),
        ),
        timeout=30,
        backlog=500,
        variables={"WEBHOOKS_TABLE_NAME": "WebhooksTableName", "EVENT_BUS_NAME": "EventBusName"},
    ),
    WorkerSettings(
        "reminder-dispatch",
        "reminder_dispatch",
        (
            Source("reminder-ticks", 10, 0, 2, "one tick a minute; what an outage left is looked through together"),
            Source(
                "reminders", 100, 1, 4, "Expo takes 100 recipients in a request, and 600 in a second from one project"
            ),
            Source("reminder-receipts", 10, 1, 2, "a thousand receipts are one request, and a day is time enough"),
        ),
        timeout=30,
        backlog=1_000,
        variables={"REMINDERS_TABLE_NAME": "RemindersTableName", "EVENT_BUS_NAME": "EventBusName"},
        asked={"EMAIL_SENDER": "EmailSender", "EXPO_ACCESS_TOKEN_SECRET_ARN": "ExpoTokenSecretArn"},
    ),
    WorkerSettings(
        "audit-archive",
        "audit_archive",
        (Source("audit", 500, 60, 2, "each invocation writes one object: the larger, the fewer and the cheaper"),),
        timeout=150,
        backlog=5_000,
        variables={"AUDIT_BUCKET_NAME": "AuditBucketName"},
        kept={"AUDIT_HASH_KEYS_SECRET_ARN": "AuditHashKeysSecretArn"},
    ),
    *(each.worker for each in CONCERNS),
)
