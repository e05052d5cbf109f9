"""From the lines that the code writes to the metrics that alarms watch."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import structlog

from shared.outcome import Dead, Done, Outcome, Retry, Stalled
from shared.telemetry import logging
from shared.telemetry.message_log import one
from tests.fakes import delivery
from tests.infra.watch.cloudwatch import key, matches, published
from tests.infra.watch.watched import NAMESPACE, filters

ROOT = Path(__file__).parents[3]


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """What is written to the log, as its reader gets it."""
    gathered: list[dict[str, Any]] = []

    def gather(_logger: Any, _method: str, event: Any) -> Any:
        gathered.append({**event})
        raise structlog.DropEvent

    before = structlog.get_config()
    logging.configure("info")
    kept = [*logging.PROCESSORS]
    logging.PROCESSORS[-1:] = [gather]
    yield gathered
    logging.PROCESSORS[:] = kept
    structlog.configure(**before)


def samples(line: dict[str, Any], worker: str) -> dict[Any, float]:
    """What one line of a worker becomes."""
    own = [each for each in filters() if each["LogGroupName"] == f"/aws/lambda/fleet-{worker}-prod"]
    found = [published(each["MetricTransformations"][0], line) for each in own if matches(each["FilterPattern"], line)]
    return dict(each for each in found if each)


DEAD = Dead(error_type="Reject", message="no", stack=(), fingerprint="f")


@pytest.mark.parametrize(
    ("outcome", "word", "failed"),
    [
        (Done(), "done", 0.0),
        (Retry("busy", after=2.0), "retry", 100.0),
        (Stalled("table"), "stalled", None),
        (DEAD, "dead", 100.0),
    ],
    ids=["done", "retry", "stalled", "dead"],
)
def test_the_line_of_a_message_becomes_its_duration_and_whether_it_failed(
    lines: list[dict[str, Any]], outcome: Outcome, word: str, failed: float | None
) -> None:
    with one("upload-notification", delivery(queue="uploads")) as record:
        record.outcome = outcome
    [line] = lines
    made = samples(line, "upload-notification")
    assert made.pop(key(NAMESPACE, "ProcessDuration", {"Queue": "uploads", "Outcome": word})) == line["duration_ms"]
    rate = key(NAMESPACE, "FailedPercent", {"Queue": "uploads"})
    assert made == ({} if failed is None else {rate: failed})


def test_an_error_asks_for_a_person_and_what_has_an_alarm_of_its_own_does_not(lines: list[dict[str, Any]]) -> None:
    log = structlog.get_logger()
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        log.exception("road_broken", queue="uploads")
    log.error("websocket_forbidden", session_id="s")
    log.error("dependency_down", dependency="table", error_type="AccessDenied", told="refuses")
    log.error("message_buried", outcome="dead", duration_ms=1.0, queue="uploads")
    log.warning("upload_orphaned", session_id="s", upload_id="u")
    log.info("upload_settled", outcome="announced", session_id="s", upload_id="u")

    asks, down = (key(NAMESPACE, f"{name}.upload-notification", {}) for name in ("AttentionLines", "DependencyDown"))
    broken, forbidden, dependency, buried, orphaned, settled = (samples(line, "upload-notification") for line in lines)
    assert broken == forbidden == orphaned == {asks: 1.0}
    assert dependency == {down: 1.0}
    assert asks not in buried
    assert settled == {key(NAMESPACE, "Uploads", {"Outcome": "announced"}): 1.0}


def test_a_door_that_is_not_used_has_no_filters() -> None:
    assert len(filters("both")) == 2 * len(filters("lambda")) == 2 * len(filters("fargate"))
    assert filters("none") == ()


def test_only_the_end_of_a_message_has_a_duration() -> None:
    """Else other lines would be counted as messages."""
    found = {
        path.relative_to(ROOT).as_posix()
        for folder in ("shared", "workers")
        for path in (ROOT / folder).rglob("*.py")
        if "duration_ms" in path.read_text()
    }
    assert found == {"shared/telemetry/message_log.py"}


def test_every_event_and_every_field_of_a_filter_is_one_that_the_code_logs() -> None:
    known = logged()
    for each in filters("both"):
        events = set(re.findall(r'\$\.event = "(\w+)"', each["FilterPattern"]))
        assert events <= known.keys(), each
        [made] = each["MetricTransformations"]
        for dimension in made.get("Dimensions", []):
            field = dimension["Value"].removeprefix("$.")
            assert all(field in known[event] for event in events), (events, field)


@cache
def logged() -> dict[str, set[str]]:
    """Each event that is logged, and the fields of its line that its folder names, besides those of every line."""
    found: dict[str, set[str]] = {}
    trees = {
        path: ast.parse(path.read_text()) for folder in ("shared", "workers") for path in (ROOT / folder).rglob("*.py")
    }
    by_folder: dict[Path, set[str]] = {}
    for path, tree in trees.items():
        by_folder.setdefault(path.parent, set()).update(_named(tree))
    for path, tree in trees.items():
        named = by_folder[path.parent]
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("log."):
                own = {each.arg for each in node.keywords if each.arg}
                spread = named if any(each.arg is None for each in node.keywords) else set()
                for event in _words(node.args[0]) if node.args else ():
                    found.setdefault(event, {"timestamp", "level", "event"}).update(own | spread | ABOUT)
    return found


ABOUT = {"worker", "queue", "message_id", "attempt", "trace_id", "span_id"}


def _named(tree: ast.Module) -> set[str]:
    """Keys of the dictionaries of a module, some of which are spread into lines, and names of keyword arguments of `dict`."""
    return {
        key.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    }


def _words(node: ast.expr) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            yield inner.value
