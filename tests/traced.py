"""How much CPU a test allows: where coverage is measured, its tracer looks at each line, and code is several times as slow."""

import sys

SLOWER = 5


def allowed(seconds: float) -> float:
    """So many seconds of CPU, and `SLOWER` times as many under a tracer."""
    return seconds * (SLOWER if sys.gettrace() is not None else 1)
