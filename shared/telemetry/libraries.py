"""What the event loop and the libraries say by Python's own logging, as lines of ours."""

from __future__ import annotations

import logging
import re

import structlog

LONGEST_SAYING = 200
"""Characters kept of what a library says."""
FILLED_IN = re.compile(r"[:='\"`<({\[]|\S*[/@]|\S*\d")
"""Where the words of a text end and a value may begin."""
TELEMETRY = "opentelemetry"
"""No trouble of a collector is an error: those call a person, and no message waits for it."""
LEVELS = ((40, "error"), (30, "warning"), (20, "info"))
"""Those of Python's logging, and our word for each and for what is above it."""


class FromLoop(logging.Handler):
    """What the event loop says of a task or a callback that nobody waits for: a line like the others, without the error's text and without
    what the callback was given. Python would print both. What raised in a task of a connection that was reset was raised to
    its call as well, which tells it.
    """

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if record.levelno < logging.WARNING or isinstance(error, ConnectionError):
            return
        about = {"exc_info": error} if error else {}
        why = record.getMessage().partition("\n")[0].partition("(")[0]
        structlog.get_logger().error("unhandled_in_loop", why=why, **about)


class FromLibraries(logging.Handler):
    """Makes a line of ours of what a library logs by Python's own logging: whose it is, and what kind of trouble. What it fills in may
    quote a payload or an address with a secret in it, and is left out; of a text that is filled in already, so is all that may be
    that. An error is told by its type, as everywhere.
    """

    def emit(self, record: logging.LogRecord) -> None:
        said = record.msg.partition("\n")[0][:LONGEST_SAYING] if isinstance(record.msg, str) else ""
        said = said if record.args else FILLED_IN.split(said, 1)[0].strip()
        worst = logging.WARNING if record.name.partition(".")[0] == TELEMETRY else record.levelno
        level = next((name for number, name in LEVELS if min(worst, record.levelno) >= number), "debug")
        getattr(structlog.get_logger(), level)(
            "library_logged", logger=record.name, said=said, exc_info=record.exc_info
        )
