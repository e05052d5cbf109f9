"""When a letter disappears: a standard queue counts from its first sending, also after SQS moved it; pure.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/setting-up-dead-letter-queue-retention.html
"""

from __future__ import annotations

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
