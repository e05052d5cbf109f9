"""When a letter disappears: a standard queue counts from its first sending, also after SQS moved it; pure.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/setting-up-dead-letter-queue-retention.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

METRIC = "fleet_dead_letter_expires_in"
"""Seconds until the oldest letter of a queue disappears; of an empty queue there is none."""

SOON = 86_400.0
"""Seconds of remaining life below which a letter is flagged."""


def expires_at(sent_at: float, *, retention: float) -> float:
    """Epoch seconds; `retention` in seconds is that of the dead-letter queue, read at this moment."""
    return sent_at + retention


def is_soon(left: float) -> bool:
    return left < SOON


def spelled(seconds: float) -> str:
    """How long is left, as people say it: `3 d 4 h`, `59 min`, `gone`."""
    minutes = int(seconds // 60)
    if seconds <= 0:
        return "gone"
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def prometheus(left: Mapping[str, float]) -> str:
    """The metric by queue, as Prometheus reads it; "" where no queue has a letter.
    https://prometheus.io/docs/instrumenting/exposition_formats/
    """
    about = f"# HELP {METRIC} Seconds until the oldest letter disappears.\n# TYPE {METRIC} gauge\n" if left else ""
    return about + "".join(f'{METRIC}{{queue="{queue}"}} {seconds:.0f}\n' for queue, seconds in left.items())


def embedded(left: Mapping[str, float], *, namespace: str, now: datetime) -> str:
    """The metric in CloudWatch's embedded metric format, a line for each queue: by `Queue`, and without a dimension, of which the
    minimum is that of all queues.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    metrics = [{"Name": METRIC, "Unit": "Seconds"}]
    about = {"Namespace": namespace, "Dimensions": [[], ["Queue"]], "Metrics": metrics}
    told = {"_aws": {"Timestamp": int(now.timestamp() * 1000), "CloudWatchMetrics": [about]}}
    lines = ({**told, "Queue": queue, METRIC: round(seconds)} for queue, seconds in left.items())
    return "".join(f"{json.dumps(line)}\n" for line in lines)
