"""What the event loop says again and again is said once a minute."""

import json
import logging as stdlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from shared.telemetry.libraries import EACH_SAID, FromLoop

ROOT = Path(__file__).parents[3]


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


NOISE = """
import gc, logging, threading, warnings
from shared.telemetry import logging as ours
ours.configure("info")

def boom():
    raise ValueError("anna@example.com")

class Ended:
    def __del__(self):
        boom()

warnings.warn("careful with anna@example.com", stacklevel=1)
logging.getLogger("library").error("said %s", "anna@example.com")
thread = threading.Thread(target=boom, name="exporter")
thread.start()
thread.join()
Ended()
gc.collect()
"""


@pytest.mark.slow
def test_threads_warnings_and_what_python_passes_over_are_lines_without_their_text() -> None:
    ran = subprocess.run([sys.executable, "-c", NOISE], capture_output=True, text=True, check=True, cwd=ROOT)
    assert ran.stderr == ""
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert "anna" not in ran.stdout
    assert [(each["event"], each["level"]) for each in lines] == [
        ("library_logged", "warning"),
        ("library_logged", "error"),
        ("unhandled_in_thread", "error"),
        ("unhandled_in_python", "error"),
    ]
    assert lines[0]["said"] == "<string>:13: UserWarning"
    assert lines[2]["thread"] == "exporter"
    assert lines[3]["exception"][0]["type"] == "ValueError"
