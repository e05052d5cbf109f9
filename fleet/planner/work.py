"""What one message costs the runtime, read from what `make bench` wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any


class NoBenchmark(ValueError):
    """The file is not what `make bench` writes; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Work:
    """Medians of the runtime's own runs. CPU in seconds of one core of the machine that ran the benchmark, on `date`.

    `requests`: calls to SQS for each message under load, deletes included; `idle_requests`: of one process without messages, a minute.
    """

    date: str
    cpu: float
    cpu_of_uploads: float
    cpu_behind_lambda: float
    requests: float
    idle_requests: float


def read(text: str) -> Work:
    """Raises NoBenchmark."""
    try:
        found = json.loads(text)
        [lambda_run] = [each for each in found["extras"]["lambda"] if each["contestant"] == "fleet"]
        [idle] = [each for each in found["extras"]["idle"] if each["contestant"] == "fleet"]
        jobs = _runs(found, "production")
        return Work(
            date=str(found["about"]["date"]),
            cpu=median(run["cpu"] / run["messages"] for run in jobs),
            cpu_of_uploads=median(run["cpu"] / run["messages"] for run in _runs(found, "s3")),
            cpu_behind_lambda=float(lambda_run["us_per_record"]) / 1e6,
            requests=median(run["requests"] for run in jobs),
            idle_requests=float(idle["per_minute"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise NoBenchmark(f"this is not the output of `make bench`: {type(error).__name__} {error}") from error


def _runs(found: Mapping[str, Any], round_: str) -> list[Mapping[str, Any]]:
    return [run for run in found["rounds"][round_]["runs"] if run["contestant"] == "fleet"]
