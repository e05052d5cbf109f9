"""Every worker of the fleet in one table: how it reads its queues behind each door, which variables it is given, and why."""

from dataclasses import dataclass, field
from typing import Final

# Measured: the worst body budget of a process fits; Lambda gives a third of a processor with it.
MEMORY: Final = 512  # MiB
DRAIN: Final = 60  # seconds from SIGTERM to the end: the longest handler (45 s) ends by itself
STOP_TIMEOUT: Final = 90  # seconds that ECS waits before SIGKILL; 120 is its most


@dataclass(frozen=True, slots=True)
class Source:
    """One queue of a worker as Lambda reads it. `window` in seconds; AWS wants one of 1 or more above ten messages.

    `concurrency`: invocations at once, 2 or more.
    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
    """

    queue: str
    batch: int
    window: int
    concurrency: int
    reason: str

    @property
    def stem(self) -> str:
        """The CamelCase stem of the queue's outputs."""
        return camel(self.queue)


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """One worker. `timeout`: seconds of one invocation. Its variables come from outputs of `messaging` (`variables`) and of `access`
    (`kept`), and from parameters of the deployment (`asked`), where an empty one counts as unset. `backlog`: messages that wait for each task of
    Fargate before another is started.
    """

    name: str
    package: str
    sources: tuple[Source, ...]
    timeout: int
    backlog: int
    variables: dict[str, str]
    kept: dict[str, str] = field(default_factory=dict)
    asked: dict[str, str] = field(default_factory=dict)

    @property
    def stem(self) -> str:
        """The CamelCase stem of its logical ids, parameters and outputs."""
        return camel(self.name)

    @property
    def handler(self) -> str:
        """Lambda's door in the zip."""
        return f"workers.{self.package}.app.lambda_handler"

    @property
    def concurrency(self) -> int:
        """Invocations at once of all its queues: what is reserved for it, and no less, or its mappings are throttled."""
        return sum(source.concurrency for source in self.sources)


def camel(name: str) -> str:
    """`reminder-ticks` is `ReminderTicks`."""
    return "".join(word.capitalize() for word in name.split("-"))


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
)
