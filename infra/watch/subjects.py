"""What is watched, and the number from which each of it is worth a person's time."""

from dataclasses import dataclass
from typing import Final

from infra.concerns import CONCERNS
from infra.resources.compute import table
from infra.resources.concern import BusEvents
from infra.resources.queue import DAY, DLQ_RETENTION
from infra.resources.queues import QUEUES

HOUR: Final = 3600
MINUTE: Final = 60

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html: with periods of an hour, seven days.
LONGEST_WATCH: Final = 7 * DAY
LETTERS_MARGIN: Final = DAY  # what is left of a letter's life when its alarm comes


@dataclass(frozen=True, slots=True)
class Number:
    """A parameter of the alarms: its default is what the documentation promises."""

    name: str
    default: float
    description: str


ERROR_PERCENT: Final = Number("ErrorPercent", 5, "Messages that failed, of all that were processed in a minute")
ERROR_MINIMUM: Final = Number("ErrorMinimumMessages", 20, "Messages in a minute below which no rate is formed")
LATENCY: Final = Number("LatencyMilliseconds", 2000, "p99 of the time that a handler takes")
SLOW_LATENCY: Final = Number(
    "LatencyMillisecondsDeliveries", 16_000, "The same of webhook deliveries, 15 s of them a customer's"
)
DEPTH: Final = Number("DepthMessages", 1000, "Messages that wait in a queue")
AGE: Final = Number("AgeSeconds", 300, "Age of the oldest message of a queue")
SLOW_AGE: Final = Number("AgeSecondsDeliveries", 1800, "The same of webhook deliveries, which are delayed up to 900 s")
AUDIT_AGE: Final = Number("AgeSecondsAudit", 1800, "The same of the audit queue, whose messages are hidden for 900 s")
LETTERS: Final = Number("DlqMessages", 1, "Letters in a dead-letter queue")
STALE_MINUTES: Final = Number("StaleMinutes", 10, "Minutes without a success while messages wait")
THROTTLES: Final = Number("LambdaThrottles", 0, "Throttled invocations of a function in a minute that are borne")
LAMBDA_ERRORS: Final = Number("LambdaErrors", 5, "Failed invocations of a function in 5 minutes that are borne")
LAMBDA_DURATION: Final = Number("LambdaMilliseconds", 3000, "Average duration of a function's invocations")
SLOW_DURATION: Final = Number("LambdaMillisecondsDeliveries", 20_000, "The same of the webhook worker's function")
TABLE_THROTTLES: Final = Number("TableThrottles", 0, "Throttled requests to a table in a minute that are borne")

QUEUE_NUMBERS: Final = (
    ERROR_PERCENT,
    ERROR_MINIMUM,
    LATENCY,
    SLOW_LATENCY,
    DEPTH,
    AGE,
    SLOW_AGE,
    AUDIT_AGE,
    STALE_MINUTES,
)
SERVICE_NUMBERS: Final = (THROTTLES, LAMBDA_ERRORS, LAMBDA_DURATION, SLOW_DURATION, TABLE_THROTTLES)


@dataclass(frozen=True, slots=True)
class WatchedWorker:
    """A worker of the roster, and the queues that it reads."""

    name: str
    queues: tuple[str, ...]

    @property
    def duration(self) -> Number:
        """The worker whose time is other people's has a number of its own."""
        return SLOW_DURATION if self.name == "webhook-delivery" else LAMBDA_DURATION


WORKERS: Final = tuple(
    WatchedWorker(each.name, tuple(source.queue for source in each.sources)) for each in table.WORKERS
)

AGES: Final = {"webhook-deliveries": SLOW_AGE, "audit": AUDIT_AGE}
LATENCIES: Final = {"webhook-deliveries": SLOW_LATENCY}

# Rules by their resource names, and whether they are on the fleet's own bus; schedules live on the default one.
RULES: Final = {
    "tick": False,
    "digest": False,
    "tenant-events": True,
    "upload-scans": False,
    "mail-feedback": False,
    **{each.name: True for each in CONCERNS if isinstance(each.filled_by, BusEvents)},
}


def stem_of(name: str) -> str:
    """`webhook-events` as part of a logical id: `WebhookEvents`."""
    return "".join(word.capitalize() for word in name.split("-"))


def hours_until_letters_expire(queue: str) -> int:
    """For how many hours a dead-letter queue may hold letters without a break before one of them is within a day of its end.

    A letter that SQS moved keeps the time of its first sending, so it may come with its source's whole retention used up.
    """
    [retention] = [settings.retention for settings in QUEUES if settings.name == queue]
    return min(DLQ_RETENTION - retention - LETTERS_MARGIN, LONGEST_WATCH) // HOUR
