"""The clock of leases: SQS counts on while this machine sleeps, and so does this one."""

from __future__ import annotations

import time

_BOOT_TIME = getattr(time, "CLOCK_BOOTTIME", None)


def lease_time() -> float:
    """Seconds since some moment, also those for which the machine was suspended (clock_gettime(2), CLOCK_BOOTTIME); time.monotonic()
    leaves those out on Linux, and stands in where a platform has no such clock.
    """
    return time.clock_gettime(_BOOT_TIME) if _BOOT_TIME is not None else time.monotonic()
