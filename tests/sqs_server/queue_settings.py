"""The attributes of a queue: their defaults, their ranges, and how they read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from tests.sqs_server.errors import SqsError

DEFAULTS = {
    "VisibilityTimeout": "30",
    "MaximumMessageSize": "1048576",
    "MessageRetentionPeriod": "345600",
    "DelaySeconds": "0",
    "ReceiveMessageWaitTimeSeconds": "0",
    "SqsManagedSseEnabled": "true",
}
FIFO_DEFAULTS = {
    "FifoQueue": "true",
    "ContentBasedDeduplication": "false",
    "DeduplicationScope": "queue",
    "FifoThroughputLimit": "perQueue",
}
RANGES = {
    "VisibilityTimeout": (0, 43_200),
    "MaximumMessageSize": (1_024, 1_048_576),
    "MessageRetentionPeriod": (60, 1_209_600),
    "DelaySeconds": (0, 900),
    "ReceiveMessageWaitTimeSeconds": (0, 20),
    "KmsDataKeyReusePeriodSeconds": (60, 86_400),
}
CHOICES = {
    "FifoQueue": ("true", "false"),
    "ContentBasedDeduplication": ("true", "false"),
    "DeduplicationScope": ("queue", "messageGroup"),
    "FifoThroughputLimit": ("perQueue", "perMessageGroupId"),
    "SqsManagedSseEnabled": ("true", "false"),
}
FREE = {"Policy", "RedrivePolicy", "RedriveAllowPolicy", "KmsMasterKeyId"}
COUNTS = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)
READ_ONLY = {*COUNTS, "CreatedTimestamp", "LastModifiedTimestamp", "QueueArn"}
EVERY = {*RANGES, *CHOICES, *FREE, *READ_ONLY, "All"}


@dataclass(slots=True)
class QueueSettings:
    """`given` as written; beside it what the hot road needs, as numbers."""

    given: dict[str, str] = field(default_factory=dict)
    visibility: float = 30.0
    delay: float = 0.0
    retention: float = 345_600.0
    wait: float = 0.0
    largest: int = 1_048_576
    dead_letter_arn: str = ""
    max_receives: int = 0
    deduplicates_content: bool = False
    deduplicates_in_group: bool = False

    def change(self, attributes: Mapping[str, Any]) -> None:
        """Take these on. Raises where SQS refuses one; then none is taken."""
        given = {**self.given, **checked(attributes)}
        for name in ("Policy", "RedrivePolicy", "RedriveAllowPolicy"):
            if given.get(name) == "":
                del given[name]
        policy = _redrive(given.get("RedrivePolicy"))
        self.given = given
        self.visibility = float(given["VisibilityTimeout"])
        self.delay = float(given["DelaySeconds"])
        self.retention = float(given["MessageRetentionPeriod"])
        self.wait = float(given["ReceiveMessageWaitTimeSeconds"])
        self.largest = int(given["MaximumMessageSize"])
        self.dead_letter_arn, self.max_receives = policy
        self.deduplicates_content = given.get("ContentBasedDeduplication") == "true"
        self.deduplicates_in_group = given.get("DeduplicationScope") == "messageGroup"


def settings_of(attributes: Mapping[str, Any], *, fifo: bool) -> QueueSettings:
    made = QueueSettings()
    made.change({**DEFAULTS, **(FIFO_DEFAULTS if fifo else {}), **attributes})
    return made


def checked(attributes: Mapping[str, Any]) -> dict[str, str]:
    """Attributes as text. Raises InvalidAttributeName or InvalidAttributeValue."""
    found = {}
    for name, value in attributes.items():
        text = str(value)
        if name in READ_ONLY or name not in EVERY or name == "All":
            raise SqsError("InvalidAttributeName", f"Unknown Attribute {name}.")
        if not _fits(name, text):
            raise SqsError("InvalidAttributeValue", f"Invalid value for the parameter {name}.")
        found[name] = text
    return found


def _fits(name: str, text: str) -> bool:
    if name in RANGES:
        least, most = RANGES[name]
        return text.isdecimal() and least <= int(text) <= most
    return name not in CHOICES or text in CHOICES[name]


def _redrive(policy: str | None) -> tuple[str, int]:
    if not policy:
        return "", 0
    try:
        read = orjson.loads(policy)
        arn, most = str(read["deadLetterTargetArn"]), int(read["maxReceiveCount"])
    except (ValueError, KeyError, TypeError) as error:
        raise SqsError("InvalidAttributeValue", "Invalid value for the parameter RedrivePolicy.") from error
    if not 1 <= most <= 1_000:
        raise SqsError(
            "InvalidAttributeValue",
            f"Value {policy} for parameter RedrivePolicy is invalid. Reason: Invalid value for maxReceiveCount: {most}, "
            "valid values are from 1 to 1000 both inclusive.",
        )
    return arn, most
