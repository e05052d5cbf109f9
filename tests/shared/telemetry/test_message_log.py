"""The one line that each message leaves in the log."""

from typing import Any

import pytest
import structlog
from opentelemetry.trace import NonRecordingSpan, SpanContext, use_span
from structlog.testing import capture_logs

from shared.consumer import lay_road
from shared.message.delivery import Attribute
from shared.outcome import Dead, Done, Later, Outcome, Reject, Retry
from shared.road.ports import Ports
from shared.telemetry import logging
from shared.telemetry.message_log import Record
from tests.fakes import delivery
from tests.made import make_worker

CANARY = "canary-7f3a"
FAILURE = Dead("KeyError", "no such session", "0123456789abcdef", ("workers.sample.handler:handle:12",))
ABOUT = {"worker": "sample", "queue": "uploads", "message_id": "m-7", "attempt": 3}


def line_of(
    outcome: Outcome | None, *, hidden: float | None = None, trouble: Exception | None = None, seconds: float = 0.0
) -> dict[str, Any]:
    dying = delivery(message_id="m-7", attempt=3)
    with (
        capture_logs(processors=[logging.add_about]) as lines,
        Record("sample", dying, seconds=seconds) as record,
    ):
        record.outcome, record.hidden, record.trouble = outcome, hidden, trouble
    [line] = lines
    return dict(line)


def test_a_done_message_says_how_long_it_took() -> None:
    line = line_of(Done())
    assert 0 <= line.pop("duration_ms") < 1_000
    assert line == {"event": "message_done", "log_level": "info", "outcome": "done", **ABOUT}


def test_work_that_was_shared_by_a_batch_counts_in_each_duration() -> None:
    assert 1_500 <= line_of(Done(), seconds=1.5)["duration_ms"] < 2_500


def test_a_hidden_message_says_why_and_for_how_long_and_alarms_nobody() -> None:
    line = line_of(Retry("endpoint is slow", after=61.25), hidden=61.25)
    line.pop("duration_ms")
    assert line == {
        "event": "message_hidden",
        "log_level": "info",
        "outcome": "retry",
        "why": "endpoint is slow",
        "hidden_s": 61.2,
        **ABOUT,
    }


def test_a_buried_message_says_everything_that_its_letter_says() -> None:
    line = line_of(FAILURE)
    line.pop("duration_ms")
    assert line == {
        "event": "message_buried",
        "log_level": "error",
        "outcome": "dead",
        "error_type": "KeyError",
        "why": "no such session",
        "fingerprint": "0123456789abcdef",
        "failed_at": ("workers.sample.handler:handle:12",),
        **ABOUT,
    }


def test_a_burial_that_failed_is_not_called_one() -> None:
    line = line_of(FAILURE, hidden=4.0, trouble=ConnectionResetError(CANARY))
    assert (line["event"], line["settle_error"]) == ("burial_failed", "ConnectionResetError")
    assert CANARY not in repr(line)


def test_trouble_while_hiding_is_told_by_its_type() -> None:
    assert line_of(Retry("x"), trouble=TimeoutError(CANARY))["settle_error"] == "TimeoutError"


def test_a_message_that_is_traced_names_its_trace_and_span() -> None:
    with use_span(NonRecordingSpan(SpanContext(trace_id=10, span_id=11, is_remote=False))):
        line = line_of(Done())
    assert (line["trace_id"], line["span_id"]) == (f"{10:032x}", f"{11:016x}")


def test_a_message_whose_end_is_unknown_leaves_no_line() -> None:
    with capture_logs() as lines, Record("sample", delivery()):
        """It was cut: the drain or the lost lease has its own line."""
    assert lines == []


def test_an_error_of_the_road_itself_passes_and_leaves_nothing_bound() -> None:
    with pytest.raises(RuntimeError), Record("sample", delivery()):
        raise RuntimeError
    assert logging.ABOUT.get() == {}


def test_everything_that_a_handler_logs_carries_the_message() -> None:
    with capture_logs(processors=[logging.add_about]) as lines:
        with Record("sample", delivery(message_id="m-7", attempt=3)):
            structlog.get_logger().info("session_found")
        structlog.get_logger().info("afterwards")
    assert lines[0] == {"event": "session_found", "log_level": "info", **ABOUT}
    assert "message_id" not in lines[1]


@pytest.mark.parametrize(
    "error", [None, ValueError(CANARY), Later("not yet", after=5), Reject("gone"), KeyError(CANARY)]
)
@pytest.mark.parametrize("attempt", [1, 5])
async def test_no_line_of_a_message_on_its_road_holds_anything_of_its_payload(
    error: Exception | None, attempt: int
) -> None:
    async def handle(_body: str) -> None:
        if error is not None:
            raise error

    async def ending(*_: object) -> None:
        """Hidden or buried."""

    worker = make_worker(decode=lambda each: each.body, handle=handle)
    secret = delivery(
        CANARY, attempt=attempt, attributes={CANARY: Attribute("String", CANARY)}, group=CANARY, trace_header=CANARY
    )
    with capture_logs(processors=[logging.add_about]) as lines:
        await lay_road(worker, Ports(hide=lambda *_: None, bury=ending)).travel(secret)
    assert len(lines) == 1
    assert CANARY not in repr(lines)


def test_what_is_said_around_a_message_is_in_its_line_too() -> None:
    token = logging.ABOUT.set({"request_id": "c6af9ac6"})
    try:
        assert line_of(Done())["request_id"] == "c6af9ac6"
    finally:
        logging.ABOUT.reset(token)
