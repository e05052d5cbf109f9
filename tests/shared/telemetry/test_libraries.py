"""What the event loop says again and again is said once a minute."""

import logging as stdlib
from collections.abc import Callable

from structlog.testing import capture_logs

from shared.telemetry.libraries import EACH_SAID, FromLoop


def said(text: str, error: Exception | None = None) -> stdlib.LogRecord:
    return stdlib.makeLogRecord(
        {"msg": text, "levelno": stdlib.ERROR, "exc_info": error and (type(error), error, None)}
    )


def raised(fault: Callable[[], object]) -> Exception:
    try:
        fault()
    except ValueError as error:
        return error
    raise AssertionError("nothing was raised")


def test_the_same_is_said_once_a_minute_with_how_often_it_was() -> None:
    now = 1_000.0
    loop = FromLoop(clock=lambda: now)
    with capture_logs() as lines:
        for _ in range(10_000):
            loop.emit(said("socket.accept() out of system resource", OSError(24, "Too many open files")))
        now += EACH_SAID
        loop.emit(said("socket.accept() out of system resource", OSError(24, "Too many open files")))
    assert [(each["why"], each.get("repeated", 0)) for each in lines] == [
        ("socket.accept", 0),
        ("socket.accept", 9_999),
    ]


def test_faults_at_two_places_are_two_things() -> None:
    loop = FromLoop(clock=lambda: 0.0)

    def here() -> int:
        return int("")

    def there() -> int:
        return int("")

    with capture_logs() as lines:
        for error in (raised(here), raised(there), KeyError(), raised(here)):
            loop.emit(said("Task exception was never retrieved", error))
    assert len(lines) == 3
