"""Log lines: one JSON object each on stdout, constant event names, no payload and no secret."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, BinaryIO

import orjson
import structlog

HIDDEN = frozenset(
    {"body", "payload", "secret", "secrets", "authorization", "password", "token", "tokens", "signature", "email"}
)
"""Field names that are blanked whoever logs them: the last line of defence, not the first."""


def configure(level: str = "info", *, stream: BinaryIO | None = None) -> None:
    """Called once by a door. Each line is flushed, so that a killed process loses none."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            hide,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_serialize),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.BytesLoggerFactory(file=stream or sys.stdout.buffer),
        cache_logger_on_first_use=True,
    )


def hide(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blank the fields whose names say that they hold what logs must not."""
    for name in HIDDEN & event.keys():
        event[name] = "[hidden]"
    return event


def _serialize(event: Any, **_options: Any) -> bytes:
    return orjson.dumps(event, default=repr, option=orjson.OPT_NON_STR_KEYS)
