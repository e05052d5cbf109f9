"""How many requests a second one endpoint gets from this process: a token bucket that holds one second's worth. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

SLOWEST, FASTEST = 0.001, 1000.0
"""Requests a second that may be asked for."""
LONGEST_TURN: Final = 900.0
"""Seconds for which SQS delays a message: who has to wait for longer asks again then."""


@dataclass(slots=True)
class Bucket:
    """In any `t` seconds at most `rate * t` requests and one second's worth beside them, one at least."""

    tokens: float = math.inf
    at: float = 0.0
    line: float = 0.0

    def take(self, rate: float, now: float) -> float:
        """0: a request may begin. Else the seconds after which to ask again: one waits behind the other, so that what waits comes
        back as fast as it may go.
        """
        self.tokens = min(max(1.0, rate), self.tokens + max(0.0, now - self.at) * rate)
        self.at = max(self.at, now)
        if self.tokens >= 1.0:
            self.tokens -= 1.0
            return 0.0
        turn = max(now + (1.0 - self.tokens) / rate, self.line)
        self.line = min(turn + 1.0 / rate, now + LONGEST_TURN)
        return min(LONGEST_TURN, max(1.0, turn - now))
