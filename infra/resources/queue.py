"""What a queue of the fleet is told: how long a message is hidden and kept, and the numbers that all queues share."""

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
