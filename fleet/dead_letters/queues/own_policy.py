"""A dead-letter queue with a redrive policy of its own: each look is a receive, and too many would move its letters away."""

from __future__ import annotations

from pathlib import Path

from fleet.dead_letters.queues.catalog import QueueInfo

FEWEST = 20
"""A `maxReceiveCount` below this is not looked into at all: how often a letter was received is only known by receiving it.
Above it a look stops at the first letter that has used half, and no more looks are begun after that from this machine: the
look that stops has received as well."""


class OwnPolicy(Exception):
    """Another look might move letters away. `url`: the queue whose letters were received as often as a look may."""

    def __init__(self, words: str, *, url: str = "") -> None:
        super().__init__(words)
        self.url = url


class Spent:
    """Queues into which no more may be looked from this machine: one small file for each, below `directory`. It counts until the
    queue's policy allows more receives, or the queue is empty.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory / "spent"

    def note(self, info: QueueInfo) -> None:
        """Raises OSError."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file(info).write_text(str(info.most_receives))

    def check(self, info: QueueInfo) -> None:
        """Before anything is received. Raises OwnPolicy where the queue may not be read."""
        check(info)
        if not info.redrives_to or not self._file(info).is_file():
            return
        if not info.visible + info.in_flight or self._file(info).read_text() != str(info.most_receives):
            self._file(info).unlink(missing_ok=True)
            return
        raise OwnPolicy(
            f"{info.name} was not read: letters in it have used half of the {info.most_receives} receives after which its own "
            "redrive policy moves them away. Raise its maxReceiveCount, or take the policy off while you look"
        )

    def _file(self, info: QueueInfo) -> Path:
        return self._directory / info.arn.replace(":", "_")


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
