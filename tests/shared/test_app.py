"""What an app says of an environment that will not do."""

import pytest
from pydantic import Field

from shared import App, Settings, SettingsError
from tests.shared.sample_worker import open_workers


class Own(Settings):
    table_name: str = Field(description="the table of points")


APP = App("points", ("points",), open_workers, settings=(Own,))


def test_all_that_is_missing_is_named_at_once_with_what_it_is_for() -> None:
    with pytest.raises(SettingsError) as refused, APP.naming_all_faults({"CONCURRENCY": "0"}):
        raise SettingsError.of({"TABLE_NAME": "TABLE_NAME is not set: the table of points"})
    assert str(refused.value) == (
        "set or mend these environment variables: TABLE_NAME is not set: the table of points; "
        "POINTS_QUEUE_URL is not set: the URL of the queue points; "
        "POINTS_DLQ_URL is not set: the URL of the dead-letter queue of points; CONCURRENCY: must be at least 1"
    )


def test_a_fault_of_another_kind_stays_what_it_is() -> None:
    with pytest.raises(SettingsError, match=r"^a FIFO queue\b"), APP.naming_all_faults({}):
        raise SettingsError("a FIFO queue needs its order")


def test_an_environment_that_will_do_has_no_faults() -> None:
    given = {"TABLE_NAME": "t", "POINTS_QUEUE_URL": "https://q", "POINTS_DLQ_URL": "https://d"}
    assert APP.faults(given) == {}
