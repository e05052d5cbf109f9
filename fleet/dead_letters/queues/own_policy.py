"""A dead-letter queue with a redrive policy of its own: each look is a receive, and too many would move its letters away."""

from __future__ import annotations

from fleet.dead_letters.queues.catalog import QueueInfo

FEWEST = 20
"""A `maxReceiveCount` below this is not looked into at all: how often a letter was received is only known by receiving it.
Above it a look stops at the first letter that has used half, so that as many looks are left as it has used."""


class OwnPolicy(Exception):
    """Another look might move letters away."""


def check(info: QueueInfo) -> None:
    """Before anything is received. Raises OwnPolicy where the queue may not be read."""
    if receives_allowed(info) == 0:
        target = info.redrives_to.rpartition(":")[2]
        raise OwnPolicy(
            f"{info.name} was not read: its own redrive policy moves a letter to {target} after {info.most_receives} "
            f"receives, and each look is one. Raise its maxReceiveCount to {FEWEST} or more, or take the policy off "
            "while you look"
        )


def receives_allowed(info: QueueInfo) -> int | None:
    """Receives of a letter at which reading stops; 0: not one; None: no look moves anything."""
    if not info.redrives_to:
        return None
    most = info.most_receives or 0
    return most // 2 if most >= FEWEST else 0
