"""A process that was told to stop ends in time, whatever still runs in it."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Iterable
from pathlib import Path

import structlog

log = structlog.get_logger()

OVERRUN = 70
"""Exit code of a process that had to be ended: something did not return within its budget (sysexits.h: EX_SOFTWARE)."""


class ExitTimer:
    """Ends this process `seconds` after `start`. It runs in a thread, because the event loop itself may be blocked.

    Logs where each thread stands, flushes the output, and exits with code 70. A handler that swallows its cancellation, a
    thread that does not return, a blocked loop and a name look-up that hangs all end this way.
    """

    def __init__(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._started = False

    def start(self) -> None:
        """Start the timer; later calls do nothing."""
        if not self._started:
            self._started = True
            self._timer.start()

    def _end(self) -> None:
        log.error("process_overran_its_budget", still_running=[*_stands(threading.enumerate())], exit_code=OVERRUN)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(OVERRUN)


def _stands(threads: Iterable[threading.Thread]) -> Iterable[str]:
    """The name and innermost code line of each thread, without the values of variables."""
    frames = sys._current_frames()  # noqa: SLF001 - its documented use: to see where other threads stand
    for thread in threads:
        frame = frames.get(thread.ident or 0)
        if frame is not None and thread is not threading.current_thread():
            place = traceback.extract_stack(frame, limit=1)[0]
            yield f"{thread.name} in {place.name} ({Path(place.filename).name}:{place.lineno})"
