"""Times on the command line."""

from datetime import UTC, datetime, timedelta

import click
import pytest

from fleet.cli.reminders.given import At


@pytest.mark.parametrize(("given", "seconds"), [("+5s", 5), ("+10m", 600), ("+2h", 7200), ("+1d", 86_400)])
def test_a_time_may_be_so_long_from_now(given: str, seconds: int) -> None:
    before = datetime.now(UTC)
    found = At().convert(given, None, None) - timedelta(seconds=seconds)
    assert before <= found <= datetime.now(UTC)


@pytest.mark.parametrize("given", ["+5", "5s", "+5w", "+-5s", "+1234567s", "soon"])
def test_what_is_no_time_is_refused_with_the_forms(given: str) -> None:
    with pytest.raises(click.BadParameter, match=r"or \+10m from now"):
        At().convert(given, None, None)
