"""What the event loop and the libraries say by Python's own logging, as lines of ours."""

from __future__ import annotations

import logging
import re
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import structlog

LONGEST_SAYING = 200
"""Characters kept of what a library says."""
FILLED_IN = re.compile(r"[:='\"`<({\[]|\S*[/@]|\S*\d")
"""Where the words of a text end and a value may begin."""
WARNINGS, WARNED = "py.warnings", re.compile(r"[\w.<>-]+:\d+: \w+")
"""How Python calls its own warnings, and where one says its place and its category."""
TELEMETRY = "opentelemetry"
"""No trouble of a collector is an error: those call a person, and no message waits for it."""
EACH_SAID, MOST_SAID = 60.0, 100
"""Seconds between two lines of the same that the loop says, and how many different things are known as said."""
LEVELS = ((40, "error"), (30, "warning"), (20, "info"))
"""Those of Python's logging, and our word for each and for what is above it."""


class FromLoop(logging.Handler):
    """What the event loop says of a task or a callback that nobody waits for: a line like the others, without the error's text and without
    what the callback was given. Python would print both. What raised in a task of a connection that was reset was raised to
    its call as well, which tells it.

    The same is said once a minute: a loop without a free descriptor would say thousands of times a second that it accepts nobody.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._told: dict[tuple[object, ...], float] = {}
        self._repeated: Counter[tuple[object, ...]] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if record.levelno < logging.WARNING or isinstance(error, ConnectionError):
            return
        why = record.getMessage().partition("\n")[0].partition("(")[0]
        said = (why, type(error), *_raised_at(error))
        now = self._clock()
        if now - self._told.get(said, -EACH_SAID) < EACH_SAID:
            self._repeated[said] += 1
            return
        if len(self._told) >= MOST_SAID:
            self._told.clear()
        self._told[said] = now
        about: dict[str, Any] = {"exc_info": error} if error else {}
        if repeated := self._repeated.pop(said, 0):
            about["repeated"] = repeated
        structlog.get_logger().error("unhandled_in_loop", why=why, **about)


def _raised_at(error: BaseException | None) -> Iterable[tuple[str, int]]:
    frames = [*traceback.walk_tb(error.__traceback__)] if error is not None else []
    return [(frame.f_code.co_filename, line) for frame, line in frames[-1:]]


def say_what_nobody_catches() -> None:
    """Threads' errors, and those that Python itself passes over, as lines of ours: its own words on stderr quote the error's text. What an
    embedding program has put there stays.
    """
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _in_thread
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = _passed_over
    logging.captureWarnings(capture=True)


def _in_thread(about: threading.ExceptHookArgs) -> None:
    if about.exc_type is not SystemExit:
        name = about.thread.name if about.thread is not None else ""
        structlog.get_logger().error("unhandled_in_thread", thread=name, exc_info=about.exc_value)


def _passed_over(about: sys.UnraisableHookArgs) -> None:
    structlog.get_logger().error("unhandled_in_python", exc_info=about.exc_value)


class FromLibraries(logging.Handler):
    """Makes a line of ours of what a library logs by Python's own logging: whose it is, and what kind of trouble. What it fills in may
    quote a payload or an address with a secret in it, and is left out; of a text that is filled in already, so is all that may be
    that. An error is told by its type, as everywhere, and a warning of Python's by its place and category.
    """

    def emit(self, record: logging.LogRecord) -> None:
        said = record.msg.partition("\n")[0][:LONGEST_SAYING] if isinstance(record.msg, str) else ""
        if record.name == WARNINGS:
            said = "".join(WARNED.findall(said)[:1])
        elif not record.args:
            said = FILLED_IN.split(said, 1)[0].strip()
        worst = logging.WARNING if record.name.partition(".")[0] == TELEMETRY else record.levelno
        level = next((name for number, name in LEVELS if min(worst, record.levelno) >= number), "debug")
        getattr(structlog.get_logger(), level)(
            "library_logged", logger=record.name, said=said, exc_info=record.exc_info
        )
