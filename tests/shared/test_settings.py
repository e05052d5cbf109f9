"""The environment: read once, every fault named, no value quoted."""

import traceback
from datetime import datetime
from enum import Enum
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from pydantic import AnyUrl, Field, SecretStr, ValidationError

from shared.settings import RuntimeSettings, Settings, SettingsError, read_settings

CANARY = "canary-7f3a"


class Colour(Enum):
    RED = "red"


class Sample(Settings):
    upload_bucket_name: str = Field(description="the bucket")
    retries: int = Field(default=3, ge=0, le=9)
    loopback: bool = False


class Every(Settings):
    """One field of each kind that a worker may want."""

    number: int
    fraction: float
    flag: bool
    word: Literal["a", "b"]
    colour: Colour
    address: AnyUrl
    moment: datetime
    unique: UUID
    zone: ZoneInfo
    short: str = Field(max_length=3)
    matching: str = Field(pattern="^[0-9]+$")
    hidden: SecretStr = Field(min_length=50)


def refusal(model: type[Settings], environment: dict[str, str]) -> SettingsError:
    with pytest.raises(SettingsError) as info:
        read_settings(model, environment)
    return info.value


def test_a_field_is_read_from_the_variable_of_its_name() -> None:
    assert read_settings(Sample, {"UPLOAD_BUCKET_NAME": "b", "RETRIES": "5", "LOOPBACK": "true"}) == Sample(
        upload_bucket_name="b", retries=5, loopback=True
    )


def test_variables_that_nobody_asked_for_are_left_alone() -> None:
    assert (
        read_settings(Sample, {"UPLOAD_BUCKET_NAME": "b", "PATH": "/bin", "upload_bucket_name": "c"}).upload_bucket_name
        == "b"
    )


@pytest.mark.parametrize("environment", [{}, {"UPLOAD_BUCKET_NAME": ""}])
def test_an_empty_variable_counts_as_unset(environment: dict[str, str]) -> None:
    assert "UPLOAD_BUCKET_NAME is not set: the bucket" in str(refusal(Sample, environment))
    assert read_settings(Sample, {"UPLOAD_BUCKET_NAME": "b", "RETRIES": ""}).retries == 3


def test_every_fault_is_named_at_once() -> None:
    message = str(refusal(Sample, {"RETRIES": "many", "LOOPBACK": "perhaps"}))
    assert all(
        name in message
        for name in (
            "UPLOAD_BUCKET_NAME is not set",
            "RETRIES: must be a whole number",
            "LOOPBACK: must be true or false",
        )
    )


def test_no_fault_quotes_a_value() -> None:
    error = refusal(Every, {name.upper(): CANARY for name in Every.model_fields})
    assert all(f"{name.upper()}: " in str(error) for name in Every.model_fields)
    assert CANARY not in str(error)


def test_no_traceback_carries_the_values() -> None:
    error = refusal(Every, {name.upper(): CANARY for name in Every.model_fields})
    assert (error.__context__, error.__cause__) == (None, None)
    assert CANARY not in "".join(traceback.format_exception(error))


def test_settings_do_not_change() -> None:
    settings = read_settings(Sample, {"UPLOAD_BUCKET_NAME": "b"})
    with pytest.raises(ValidationError):
        settings.retries = 4


def test_a_container_needs_no_setting_of_its_own() -> None:
    assert read_settings(RuntimeSettings, {}) == RuntimeSettings(
        concurrency=None,
        poll_wait_seconds=20,
        visibility_seconds=60,
        drain_seconds=25.0,
        health_host="127.0.0.1",
        health_port=8080,
        log_level="info",
    )


def test_the_watchdog_lets_a_long_poll_end() -> None:
    message = str(refusal(RuntimeSettings, {"WATCHDOG_SECONDS": "15"}))
    assert "WATCHDOG_SECONDS must be longer than POLL_WAIT_SECONDS" in message
    assert read_settings(RuntimeSettings, {"WATCHDOG_SECONDS": "1.5", "POLL_WAIT_SECONDS": "1"}).watchdog_seconds == 1.5


def test_a_lease_outlasts_the_poll_that_brings_it() -> None:
    message = str(refusal(RuntimeSettings, {"VISIBILITY_SECONDS": "29", "POLL_WAIT_SECONDS": "20"}))
    assert "VISIBILITY_SECONDS must be at least one and a half times POLL_WAIT_SECONDS" in message
    assert (
        read_settings(RuntimeSettings, {"VISIBILITY_SECONDS": "30", "POLL_WAIT_SECONDS": "20"}).visibility_seconds == 30
    )


@pytest.mark.parametrize(("given", "raises"), [({}, False), ({"LAMBDA_RAISE_WHEN_ALL_FAILED": "true"}, True)])
def test_whether_lambda_raises_is_said_in_words(given: dict[str, str], raises: object) -> None:
    assert read_settings(RuntimeSettings, given).lambda_raise_when_all_failed is raises


@pytest.mark.parametrize("level", ["debug", "INFO", "Warning", "error"])
def test_a_log_level_is_taken_in_any_case(level: str) -> None:
    assert read_settings(RuntimeSettings, {"LOG_LEVEL": level}).log_level == level


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CONCURRENCY", "0"),
        ("CONCURRENCY", "ten"),
        ("POLL_WAIT_SECONDS", "21"),
        ("POLL_WAIT_SECONDS", "-1"),
        ("VISIBILITY_SECONDS", "4"),
        ("VISIBILITY_SECONDS", "43201"),
        ("DRAIN_SECONDS", "0"),
        ("DRAIN_SECONDS", "nan"),
        ("DRAIN_SECONDS", "inf"),
        ("WATCHDOG_SECONDS", "0"),
        ("LAMBDA_RAISE_WHEN_ALL_FAILED", "perhaps"),
        ("HEALTH_PORT", "65536"),
        ("LOG_LEVEL", "infos"),
        ("LOG_LEVEL", "critical\n"),
    ],
)
def test_what_sqs_or_the_machine_would_refuse_later_is_refused_now(name: str, value: str) -> None:
    assert str(refusal(RuntimeSettings, {name: value})).startswith(f"set or mend these environment variables: {name}: ")


def test_a_rule_over_several_fields_names_the_model() -> None:
    class Pair(Settings):
        low: int = 0

        def model_post_init(self, _context: Any, /) -> None:
            raise ValueError("low must be below high")

    assert "Pair: low must be below high" in str(refusal(Pair, {}))
