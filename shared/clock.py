"""The clock of leases: SQS counts on while this machine sleeps, and so does this one."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

lease_time: Callable[[], float] = (
    partial(time.clock_gettime, time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic
)
"""Seconds since some moment, also those for which the machine was suspended (clock_gettime(2), CLOCK_BOOTTIME); time.monotonic()
leaves those out on Linux, and stands in where a platform has no such clock.
"""
