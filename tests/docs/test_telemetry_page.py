"""docs/telemetry.md says what the code says."""

import pytest

from tests.docs.telemetry_page import PAGE, events, metrics, written

pytestmark = pytest.mark.slow  # the code is parsed


def test_the_tables_are_those_of_the_code() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == written(page), "python -m tests.docs.telemetry_page writes them anew"


def test_events_and_metrics_that_everybody_knows_are_found_with_what_they_say() -> None:
    found = events()
    assert {"outcome", "error_type"} & found["message_buried"].fields
    assert found["dependency_down"].levels
    assert {"messaging.process.duration", "fleet.message.dwell", "fleet.dropped", "fleet.uploads"} <= metrics().keys()


def test_an_event_is_a_constant_phrase() -> None:
    assert [name for name in events() if not name.replace("_", "").isalnum() or name != name.lower()] == []
