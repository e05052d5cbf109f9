"""The environment, read once at a door into a frozen pydantic model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

BODY_BUDGET: Final = 16 * 1_048_576
"""Bytes; with what the worst of these bodies becomes while it is read, a process stays inside of 512 MiB."""


class SettingsError(Exception):
    """The environment lacks or misspells something; the text names every variable and never quotes a value."""


class Settings(BaseModel):
    """Base of every settings model: field `upload_bucket_name` is read from UPLOAD_BUCKET_NAME."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class RuntimeSettings(Settings):
    """How a door consumes, whatever the worker. Times in seconds. Raises where the watchdog would bite a long poll, or where
    what a long poll brings would have lost most of its lease on arrival.
    """

    concurrency: int | None = Field(default=None, ge=1, le=1000)
    poll_wait_seconds: int = Field(default=20, ge=0, le=20)
    visibility_seconds: int = Field(default=60, ge=5, le=43_200)
    drain_seconds: float = Field(default=25.0, ge=1, le=3600)
    startup: Literal["wait", "fail"] = "wait"
    watchdog_seconds: float = Field(default=60.0, ge=1, le=3600)
    health_host: str = "127.0.0.1"
    health_port: int = Field(default=8080, ge=0, le=65535)
    aws_calls: Literal["fast", "aioboto3"] = "fast"
    sqs_client: Literal["fast", "aioboto3"] = "fast"
    telemetry_detail: Literal["sampled", "full"] = "sampled"
    log_level: str = Field(default="info", pattern="(?i)^(debug|info|warning|error)$")
    body_budget_bytes: int = Field(default=BODY_BUDGET, ge=1_048_576, le=68_719_476_736)
    lambda_raise_when_all_failed: bool = False

    @model_validator(mode="after")
    def _lets_a_long_poll_end(self) -> Self:
        if self.watchdog_seconds <= self.poll_wait_seconds:
            raise ValueError("WATCHDOG_SECONDS must be longer than POLL_WAIT_SECONDS")
        if self.visibility_seconds < 1.5 * self.poll_wait_seconds:  # a lease counts from the question
            raise ValueError("VISIBILITY_SECONDS must be at least one and a half times POLL_WAIT_SECONDS")
        return self


class ClaimCheckSettings(Settings):
    """Bodies that go through S3 because no queue takes them; without a bucket it is off. Sizes in bytes."""

    claim_check_bucket_name: str | None = Field(default=None, pattern="^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
    claim_check_prefix: str | None = Field(default=None, pattern="^[A-Za-z0-9_-][A-Za-z0-9._/-]{0,899}$")
    claim_check_threshold_bytes: int = Field(default=1_048_576, ge=0, le=1_048_576)
    claim_check_max_bytes: int = Field(default=67_108_864, ge=1_048_576, le=2_147_483_648)


Model = TypeVar("Model", bound=Settings)


def read_settings(model: type[Model], environment: Mapping[str, str]) -> Model:
    """Build `model` from `environment`; an empty variable counts as unset. Raises SettingsError naming every fault."""
    given = {field: environment[field.upper()] for field in model.model_fields if environment.get(field.upper())}
    try:
        return model.model_validate(given)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])).upper() or model.__name__}: {_safe_text(fault, given)}"
            for fault in error.errors(include_url=False, include_input=False, include_context=False)
        )
    # Raised outside the handler so that no traceback carries pydantic's error, which knows the values.
    raise SettingsError(f"set or mend these environment variables: {faults}")


def _safe_text(fault: Mapping[str, Any], given: Mapping[str, str]) -> str:
    """Pydantic's text, or only its kind where the text quotes the value, as that of a time zone does."""
    text, place = str(fault["msg"]), fault["loc"]
    values = [given.get(str(place[0]), "")] if place else list(given.values())
    return str(fault["type"]) if any(value and value in text for value in values) else text
