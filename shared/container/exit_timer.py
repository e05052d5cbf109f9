"""A process that was told to stop ends in time, whatever still runs in it."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import structlog

from shared.telemetry.troubles import place_of

log = structlog.get_logger()

TELLING = 0.4
"""Seconds, at most, for saying what still runs."""
OVERRUN = 70
"""Exit code of a process that had to be ended: something did not return within its budget (sysexits.h: EX_SOFTWARE)."""


class ExitTimer:
    """Ends this process `seconds` after `start`. It runs in a thread, because the event loop itself may be blocked.

    Logs where each task and thread stands, flushes the output, and exits with code 70. A handler that swallows its cancellation, a
    thread that does not return, a blocked loop, a name look-up that hangs and an output that nobody reads all end this way.
    """

    def __init__(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._started = False
        self._returned = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Start the timer; later calls do nothing. Called in the thread of the event loop, whose tasks are named at the end."""
        if not self._started:
            self._started = True
            with suppress(RuntimeError):
                self._loop = asyncio.get_running_loop()
            self._timer.start()

    def returned(self) -> None:
        """The program goes on: from now on its process is ended only where it is at its end, and does not come to it."""
        self._returned = True

    def _end(self) -> None:
        if self._returned and not _is_at_its_end():
            return
        # In a thread of its own: where the output is a pipe that nobody reads, whoever writes to it stands still.
        telling = threading.Thread(target=self._tell, daemon=True)
        telling.start()
        telling.join(TELLING)
        os._exit(OVERRUN)

    def _tell(self) -> None:
        standing = [
            *_tasks(self._loop),
            *_stands(set(threading.enumerate()) - {threading.current_thread(), self._timer}),
        ]
        log.error("process_overran_its_budget", still_running=standing, exit_code=OVERRUN)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()


def _is_at_its_end() -> bool:
    """Whether the interpreter shuts down: it waits for threads, or for what is to be done at the exit."""
    main = threading.main_thread()
    stands = traceback.walk_stack(sys._current_frames().get(main.ident or 0))  # noqa: SLF001 - see _stands
    waits = any(frame.f_globals is vars(threading) and frame.f_code.co_name == "_shutdown" for frame, _ in stands)
    return waits or not main.is_alive()


def _tasks(loop: asyncio.AbstractEventLoop | None) -> list[str]:
    """Where the tasks of handlers wait, and how many at each place. The library's own tasks only wait for those."""
    try:
        places = Counter(map(place_of, asyncio.all_tasks(loop))) if loop is not None else Counter[str]()
    except RuntimeError:  # the loop makes tasks meanwhile, again and again
        return []
    return [f"{count} in {place}" for place, count in places.most_common() if place and not place.startswith("shared.")]


def _stands(threads: Iterable[threading.Thread]) -> Iterable[str]:
    """The name and innermost code line of each thread, without the values of variables."""
    frames = sys._current_frames()  # noqa: SLF001 - its documented use: to see where other threads stand
    for thread in threads:
        frame = frames.get(thread.ident or 0)
        if frame is not None:
            place = traceback.extract_stack(frame, limit=1)[0]
            yield f"{thread.name} in {place.name} ({Path(place.filename).name}:{place.lineno})"
