"""The environment, read once at a door into a frozen pydantic model."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

BODY_BUDGET: Final = 16 * 1_048_576
"""Bytes; with what the worst of these bodies becomes while it is read, a process stays inside of 512 MiB."""


class SettingsError(Exception):
    """The environment lacks or misspells something; the text names every variable and never quotes a value.

    `faults` is the same by variable, as far as it is known: `UPLOADS_QUEUE_URL` and what is wrong with it.
    """

    def __init__(self, text: str, faults: Mapping[str, str] = MappingProxyType({})) -> None:
        super().__init__(text)
        self.faults = faults

    @classmethod
    def of(cls, faults: Mapping[str, str]) -> Self:
        """All of them in one sentence."""
        return cls(f"set or mend these environment variables: {'; '.join(faults.values())}", faults)


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
    try:
        return model.model_validate(_given(model, environment))
    except ValidationError:
        pass
    # Raised outside the handler so that no traceback carries pydantic's error, which knows the values.
    raise SettingsError.of(faults_of(model, environment))


def faults_of(model: type[Settings], environment: Mapping[str, str]) -> dict[str, str]:
    """What `model` would refuse, by variable; a rule over several is named as the model."""
    given = _given(model, environment)
    try:
        model.model_validate(given)
    except ValidationError as error:
        found = {}
        for fault in error.errors(include_url=False, include_input=False):
            field = str(fault["loc"][0]) if fault["loc"] else ""
            name = ".".join(map(str, fault["loc"])).upper() or model.__name__
            if fault["type"] == "missing":
                found[name] = unset(name, model.model_fields[field].description or "")
            else:
                found[name] = f"{name}: {_safe_text(fault, given)}"
        return found
    return {}


def unset(name: str, meaning: str = "") -> str:
    """How a missing variable is told of."""
    return f"{name} is not set: {meaning}" if meaning else f"{name} is not set"


def variable(queue: str) -> str:
    """How a logical queue name is spelt in the environment: `reminder-ticks` is REMINDER_TICKS."""
    return queue.upper().replace("-", "_")


def queue_variables(queue: str) -> tuple[str, str]:
    """The variables that say where a logical queue and its dead-letter queue are."""
    return f"{variable(queue)}_QUEUE_URL", f"{variable(queue)}_DLQ_URL"


def meaning(name: str) -> str:
    """What one of the variables that `Clients` reads by name is for."""
    stem, _, ending = name.rpartition("_")
    queue = stem.rpartition("_")[0].lower().replace("_", "-")
    match ending, stem.rpartition("_")[2]:
        case "URL", "QUEUE":
            return f"the URL of the queue {queue}"
        case "URL", "DLQ":
            return f"the URL of the dead-letter queue of {queue}"
        case _:
            return "the DynamoDB table where claims are kept" if name == "LEDGER_TABLE_NAME" else ""


def _given(model: type[Settings], environment: Mapping[str, str]) -> dict[str, str]:
    return {field: environment[field.upper()] for field in model.model_fields if environment.get(field.upper())}


WORDS: Final = {
    "missing": "missing",
    "extra_forbidden": "unknown field",
    "string_type": "must be a text",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be an object",
    "mapping_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "json_invalid": "must be JSON",
    "json_type": "must be JSON",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "string_pattern_mismatch": "must look like {pattern}",
    "string_too_short": "must have {min_length} characters or more",
    "string_too_long": "must have {max_length} characters or fewer",
    "too_short": "must have {min_length} entries or more",
    "too_long": "must have {max_length} entries or fewer",
    "datetime_type": "must be a time such as 2026-11-21T09:00:00Z",
    "datetime_parsing": "must be a time such as 2026-11-21T09:00:00Z",
    "datetime_from_date_parsing": "must be a time such as 2026-11-21T09:00:00Z",
    "timezone_aware": "must be a time with its offset from UTC",
}
"""Pydantic's kinds of faults, in our words; what is filled in are the field's own limits."""


def in_words(fault: Mapping[str, Any]) -> str:
    """One of the faults of a ValidationError, never with a word of what was given: pydantic's own texts may quote it."""
    return WORDS.get(str(fault["type"]), "cannot be so").format(**fault.get("ctx", {}))


def _safe_text(fault: Mapping[str, Any], given: Mapping[str, str]) -> str:
    """In words, or without any where the text quotes the value, as pydantic's of a time zone does."""
    text, place = str(fault["msg"]).removeprefix("Value error, "), fault["loc"]
    if fault["type"] in WORDS:
        return in_words(fault)
    values = [given.get(str(place[0]), "")] if place else list(given.values())
    return in_words(fault) if any(value and value in text for value in values) else text
