"""Every queue of the fleet in one table: how long a message is hidden, how long it is kept, and why."""

from typing import Final

from infra.concerns import CONCERNS
from infra.resources.queue import DAY, QueueSettings

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
    *(each.queue for each in CONCERNS),
)

EVENTS_UNDELIVERED: Final = "events-undelivered"
