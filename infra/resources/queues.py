"""Every queue of the fleet in one table: how long a message is hidden, how long it is kept, and why."""

from dataclasses import dataclass
from typing import Final

MINUTE: Final = 60
DAY: Final = 24 * 60 * MINUTE

# The last net: workers count runs themselves and bury with a reason; a deploy or an outage costs receipts and no runs.
MAX_RECEIVES: Final = 100  # Limits.max_receives of every worker
DLQ_RETENTION: Final = 14 * DAY  # the most SQS allows
DLQ_VISIBILITY: Final = 30  # a person browses: what was looked at is back soon
LONG_POLL: Final = 20  # the longest wait SQS offers, and the cheapest
# AWS asks for a visibility timeout of at least six times the function's; less is refused or doubles work.
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
VISIBILITY_PER_HANDLER: Final = 6


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """One source queue; its dead-letter queue follows from it. Times in seconds."""

    name: str
    handler_timeout: int
    visibility: int
    retention: int
    reason: str

    @property
    def logical_id(self) -> str:
        """The CamelCase stem of its logical ids and outputs: `reminder-ticks` becomes `ReminderTicks`."""
        return "".join(word.capitalize() for word in self.name.split("-"))


# A dead letter keeps the enqueue time of its source, so a source's retention is taken off the 14 days of its DLQ.
# Seven days leave a person another seven.
QUEUES: Final[tuple[QueueSettings, ...]] = (
    QueueSettings(
        "reminder-ticks",
        handler_timeout=30,
        visibility=180,
        retention=DAY,
        reason="each tick catches up what earlier ones missed, so yesterday's tick is worth nothing",
    ),
    QueueSettings(
        "reminders",
        handler_timeout=30,
        visibility=180,
        retention=4 * DAY,
        reason="one push or e-mail; a reminder four days late is not sent any more",
    ),
    QueueSettings(
        "reminder-receipts",
        handler_timeout=30,
        visibility=180,
        retention=DAY,
        reason="Expo keeps a receipt for a day, so yesterday's question has no answer",
    ),
    QueueSettings(
        "webhook-events",
        handler_timeout=30,
        visibility=180,
        retention=7 * DAY,
        reason="reads endpoints and sends batches; an outage of a week loses no event",
    ),
    QueueSettings(
        "webhook-deliveries",
        handler_timeout=30,
        visibility=180,
        retention=7 * DAY,
        reason="one POST of at most 15 s and its record; each retry is a new message with a fresh retention",
    ),
    QueueSettings(
        "uploads",
        handler_timeout=30,
        visibility=180,
        retention=7 * DAY,
        reason="one conditional write, one WebSocket post, one bus event",
    ),
    QueueSettings(
        "audit",
        handler_timeout=150,
        visibility=900,
        retention=7 * DAY,
        reason="gathers a batch before it writes one object, and a lost record would be a gap in the archive",
    ),
)

EVENTS_UNDELIVERED: Final = "events-undelivered"
