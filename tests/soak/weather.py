"""The faults of a soak: together they spoil about one call in ten."""

import random

from tests.soak.schedule import ONCE, WORK
from tests.sqs_server.control_client import Controls
from tests.sqs_server.faults import Rule

SETTLING = ("DeleteMessageBatch", "ChangeMessageVisibilityBatch")
BATCHES = (*SETTLING, "SendMessageBatch")
SILENCE = 1.5
"""Seconds without an answer, most often."""
LONG_SILENCE = 8.0
"""Seconds without an answer, seldom: longer than a lease."""

LATE = 4.0
"""Seconds by which a receive's answer is held up, seldom: most of the lease is over when it comes."""

WHOLE_CALLS = (
    Rule("throttled", probability=0.02),
    Rule("throttling", probability=0.01),
    Rule("internal", probability=0.01),
    Rule("unavailable", probability=0.015),
    Rule("expired", probability=0.005),
    Rule("reset", probability=0.015),
    Rule("reset", probability=0.01, after=True),
    Rule("reset", probability=0.005, cut=True),
    Rule("timeout", probability=0.005, seconds=SILENCE),
    Rule("lost", probability=0.01, seconds=SILENCE),
    Rule("timeout", actions=SETTLING, probability=0.003, seconds=LONG_SILENCE),
    Rule("lost", actions=SETTLING, probability=0.003, seconds=LONG_SILENCE),
)
"""Answered with an error, with half an answer or with none."""

SINGLE_MESSAGES = (
    Rule("refuse", actions=BATCHES, probability=0.03),
    Rule("refuse", actions=BATCHES, probability=0.01, after=True),
    Rule("duplicate", actions=("ReceiveMessage",), queues=(WORK, ONCE), probability=0.05),
    Rule("forget", actions=("DeleteMessageBatch",), queues=(WORK, ONCE), probability=0.01),
)
"""What goes wrong with one message of a call. FIFO queues do neither deliver twice nor forget."""

SLOWNESS = (
    Rule("latency", probability=0.1, seconds=0.1, shape="exponential"),
    Rule("latency", probability=0.05, seconds=0.3, shape="exponential", after=True),
    Rule("latency", actions=("ReceiveMessage",), probability=0.004, seconds=LATE, after=True),
)


def brew(control: Controls, seed: int) -> None:
    """Put all faults in force, each with dice of its own."""
    dice = random.Random(seed)
    for rule in (*WHOLE_CALLS, *SINGLE_MESSAGES, *SLOWNESS):
        parts = {name: getattr(rule, name) for name in ("probability", "seconds", "shape", "after", "cut", "queues")}
        control.fault(rule.kind, *rule.actions, seed=dice.randrange(2**32), **parts)
