"""The server's time: real seconds, moved forward on demand, and shown wrongly on demand."""

import time
from dataclasses import dataclass


@dataclass(slots=True)
class Clock:
    """`advanced` seconds are added to what leases, delays and retention see; `skew` only to what clients are shown."""

    advanced: float = 0.0
    skew: float = 0.0

    def now(self) -> float:
        """Epoch seconds by which the queues live."""
        return time.time() + self.advanced

    def skewed(self) -> float:
        """Epoch seconds as this server would tell them to others."""
        return time.time() + self.advanced + self.skew
