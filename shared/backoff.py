"""How long a message that failed for a passing reason stays hidden."""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_VISIBILITY_TIMEOUT = 43_200.0
"""Seconds; SQS allows twelve hours, counted from the receive."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential growth from `base` by `factor` up to `cap`, all in seconds.

    The default's five runs span up to two hours (2, 30, 450, 6,750 seconds between them): an hour of trouble that no
    breaker sees ends before the last one.
    """

    base: float = 2.0
    factor: float = 15.0
    cap: float = 7_200.0

    def delay(self, attempt: int, *, dice: float) -> float:
        """Seconds to hide the message after its `attempt`-th failure (1-based); `dice` is uniform in [0, 1).

        Full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter"), never below one second, so that a
        failing message cannot spin, and never above SQS's twelve hours.
        """
        exponent = min(max(attempt, 1) - 1, 64)  # a float overflows long before SQS stops counting receipts
        ceiling = min(self.cap, self.base * self.factor**exponent, LONGEST_VISIBILITY_TIMEOUT)
        return max(1.0, ceiling * dice)
