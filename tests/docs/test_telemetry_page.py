"""docs/telemetry.md says what the code says."""

import pytest

from tests.docs.telemetry_page import PAGE, events, metrics, written

OTHERWISE_TOLD = {"message_buried", "dependency_down"}
"""Errors with an alarm of their own, as infra/watch/log_metrics.py has them."""

pytestmark = pytest.mark.slow  # the code is parsed


def test_the_tables_are_those_of_the_code() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == written(page), "python -m tests.docs.telemetry_page writes them anew"


def test_events_and_metrics_that_everybody_knows_are_found_with_what_they_say() -> None:
    found = events()
    assert {"outcome", "error_type"} & found["message_buried"].fields
    assert found["dependency_down"].levels
    assert found["worker_failed"].levels == {"error"}
    assert {"drained", "poll_failed", "message_unreadable", "orders_unreadable", "orders_unanswered"} <= found.keys()
    assert {"messaging.process.duration", "fleet.message.dwell", "fleet.dropped", "fleet.uploads"} <= metrics().keys()
    assert {f"fleet.reminders.{each}" for each in ("settled", "unknown", "receipts")} <= metrics().keys()


def test_every_metric_has_its_unit() -> None:
    assert [name for name, (_, unit, _) in metrics().items() if not unit] == []


def test_an_alarm_about_errors_leads_to_a_line_that_names_each_of_them() -> None:
    """Who is called by `asks-for-you` looks the event up there."""
    page = (PAGE.parent / "alarms.md").read_text(encoding="utf-8").partition("## Asks for you")[2].partition("\n## ")[0]
    errors = {name for name, each in events().items() if "error" in each.levels} - OTHERWISE_TOLD
    assert [name for name in sorted({*errors, "library_logged"}) if f"`{name}`" not in page] == []


def test_an_event_is_a_constant_phrase() -> None:
    assert [name for name in events() if not name.replace("_", "").isalnum() or name != name.lower()] == []
