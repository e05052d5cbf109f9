"""Log lines: JSON, one each, and nothing in them that a log must not hold."""

import asyncio
import gc
import io
import logging as stdlib
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from structlog.typing import FilteringBoundLogger

from shared.telemetry import logging
from shared.telemetry.libraries import FromLibraries
from tests.fakes import delivery

CANARY = "canary-7f3a"


@dataclass(frozen=True)
class Written:
    """A stream and a logger of the test's own."""

    stream: io.BytesIO

    @property
    def log(self) -> FilteringBoundLogger:
        logger: FilteringBoundLogger = structlog.get_logger()
        return logger

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def written() -> Iterator[Written]:
    before = structlog.get_config()
    stream = io.BytesIO()
    logging.configure("info", stream=stream)
    yield Written(stream)
    structlog.configure(**before)
    root = stdlib.getLogger()
    for each in [each for each in root.handlers if isinstance(each, FromLibraries)]:
        root.removeHandler(each)


def failing(text: str) -> None:
    raise ValueError(text)


def test_a_line_is_one_json_object_with_time_level_and_event(written: Written) -> None:
    written.log.warning("lease_lost", queue="uploads", count=3)
    [line] = written.lines
    assert line.pop("timestamp").endswith("Z")
    assert line == {"level": "warning", "event": "lease_lost", "queue": "uploads", "count": 3}


def test_what_is_bound_around_a_line_is_in_it(written: Written) -> None:
    with structlog.contextvars.bound_contextvars(worker="sample"):
        written.log.info("inside")
    written.log.info("outside")
    assert ["worker" in line for line in written.lines] == [True, False]


def test_lines_below_the_level_are_not_written(written: Written) -> None:
    written.log.debug("chatter")
    assert written.lines == []
    logging.configure("DEBUG", stream=written.stream)
    written.log.debug("chatter")
    assert [line["event"] for line in written.lines] == ["chatter"]


def test_a_line_break_in_a_field_cannot_forge_a_second_line(written: Written) -> None:
    written.log.info("key_seen", key='a\n{"event": "forged"}\r')
    assert [line["event"] for line in written.lines] == ["key_seen"]


@pytest.mark.parametrize("name", [*sorted(logging.HIDDEN), "Authorization", "SECRET"])
def test_a_field_that_names_a_secret_is_blanked_at_any_depth(written: Written, name: str) -> None:
    written.log.info("oops", **{name: CANARY}, nested={"list": [{name: {"deep": CANARY}}]})
    assert CANARY not in written.stream.getvalue().decode()
    assert written.lines[0][name] == "[hidden]"


def test_hiding_changes_the_line_and_not_the_value_that_was_logged(written: Written) -> None:
    headers = {"Authorization": CANARY}
    written.log.info("called", headers=headers)
    assert headers == {"Authorization": CANARY}


def test_an_error_is_told_by_types_and_places_and_never_by_text(written: Written) -> None:
    try:
        try:
            failing(CANARY)
        except ValueError as error:
            raise KeyError(CANARY) from error
    except KeyError:
        written.log.exception("road_broken")
    [line] = written.lines
    assert [each["type"] for each in line["exception"]] == ["KeyError", "ValueError"]
    assert line["exception"][1]["stack"][-1].startswith("tests.shared.telemetry.test_logging:failing:")
    assert CANARY not in written.stream.getvalue().decode()


def test_an_error_that_was_handed_over_is_told_the_same_way(written: Written) -> None:
    with pytest.raises(ValueError, match=CANARY) as info:
        failing(CANARY)
    written.log.error("road_broken", exc_info=info.value)
    assert [each["type"] for each in written.lines[0]["exception"]] == ["ValueError"]
    assert CANARY not in written.stream.getvalue().decode()


async def test_what_the_loop_says_of_an_error_that_nobody_waits_for_is_a_line_without_its_text(
    written: Written, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fail(error: Exception) -> None:
        raise error

    for error in (ValueError(CANARY), ConnectionResetError(CANARY)):
        task = asyncio.ensure_future(fail(error))
        await asyncio.sleep(0)
        del task
        gc.collect()
    asyncio.get_running_loop().call_exception_handler({"message": f"Exception in callback told({CANARY!r})"})
    lost, called = written.lines
    assert (lost["event"], lost["why"]) == ("unhandled_in_loop", "Task exception was never retrieved")
    assert lost["exception"][0]["type"] == "ValueError"
    assert called["why"] == "Exception in callback told"
    assert CANARY not in str(written.lines) + "".join(capsys.readouterr())


def test_an_error_raised_from_none_hides_what_was_before(written: Written) -> None:
    try:
        try:
            failing("first")
        except ValueError:
            raise KeyError("second") from None
    except KeyError:
        written.log.exception("road_broken")
    assert [each["type"] for each in written.lines[0]["exception"]] == ["KeyError"]


def test_a_circle_of_causes_ends(written: Written) -> None:
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first
    written.log.error("road_broken", exc_info=first)
    assert len(written.lines[0]["exception"]) == logging.LONGEST_CHAIN


def test_an_object_in_a_field_is_told_by_its_type(written: Written) -> None:
    written.log.info("oops", found=delivery(CANARY), error=ValueError(CANARY), raw=CANARY.encode())
    assert CANARY not in written.stream.getvalue().decode()
    assert (written.lines[0]["found"], written.lines[0]["error"]) == ("<Delivery>", "<ValueError>")


def test_plain_values_that_json_does_not_know_are_still_told(written: Written) -> None:
    written.log.info("seen", size=Decimal("1.10"), where=Path("a/b"), names={"b", "a"}, nothing=float("nan"))
    line = written.lines[0]
    assert (line["size"], line["where"], line["names"], line["nothing"]) == ("1.10", "a/b", ["a", "b"], None)


@pytest.mark.parametrize(
    "value", ["\ud800", 2**70, -(2**70), {"a": ["\udfff", 1.5, None]}, {"\ud800"}, {2**70: 1}, {(1, 2): 3}]
)
def test_a_value_that_json_cannot_hold_does_not_cost_the_line(written: Written, value: object) -> None:
    written.log.info("seen", value=value)
    assert [line["event"] for line in written.lines] == ["seen"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters()), inner, max_size=3),
        max_leaves=8,
    )
)
def test_no_value_breaks_a_log_line(value: object) -> None:
    line = logging.render(None, "info", logging.hide(None, "info", {"event": "seen", "value": value}))
    assert b"\n" not in line
    assert orjson.loads(line)["event"] == "seen"


def test_what_a_library_logs_is_a_line_too_and_quotes_nothing(written: Written) -> None:
    library = stdlib.getLogger("opentelemetry.exporter")
    library.error("Failed to export %s batch, reason: %s", "span", CANARY)
    try:
        failing(CANARY)
    except ValueError:
        library.exception("Exception while exporting\n%s", CANARY)
    exported, raised = written.lines
    assert {name: exported[name] for name in ("level", "event", "logger", "said")} == {
        "level": "warning",  # what an error is calls a person, and a collector's trouble should not
        "event": "library_logged",
        "logger": "opentelemetry.exporter",
        "said": "Failed to export %s batch, reason: %s",
    }
    assert (raised["said"], "ValueError" in str(raised)) == ("Exception while exporting", True)
    assert CANARY.encode() not in written.stream.getvalue()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Unclosed client session", "Unclosed client session"),
        (
            "Task exception was never retrieved\nfuture: <ValueError('canary-7f3a')>",
            "Task exception was never retrieved",
        ),
        ("Invalid header: canary-7f3a", "Invalid header"),
        ("cannot reach https://canary-7f3a/x?token=canary-7f3a", "cannot reach"),
        ("key canary-7f3a refused", "key"),
    ],
)
def test_a_text_that_a_library_filled_in_itself_ends_where_a_value_may_begin(
    written: Written, text: str, said: str
) -> None:
    stdlib.getLogger("library").error(text)
    assert [(line["level"], line["said"]) for line in written.lines] == [("error", said)]


def test_a_library_is_told_once_however_often_a_door_configures_and_no_more_than_its_warnings(written: Written) -> None:
    logging.configure("info", stream=written.stream)
    stdlib.getLogger("library").info("chatter")
    stdlib.getLogger("library").warning("trouble")
    stdlib.getLogger("botocore.credentials").warning("said by us")
    assert [line["said"] for line in written.lines] == ["trouble"]
