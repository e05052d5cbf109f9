"""What OpenTelemetry's own environment variables say of this process: whether a signal is sent, and in whose name.

https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

from shared.settings import SettingsError

Signal = Literal["TRACES", "METRICS"]

PROTOCOL = "http/protobuf"
"""The only one whose exporter is installed."""


def is_exported(environment: Mapping[str, str], signal: Signal) -> bool:
    """Whether spans or metrics are sent over OTLP: an endpoint is named, and no variable turns them off.

    Raises SettingsError for an exporter or a protocol that is not installed: the SDK would be silent about it.
    """
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = environment.get(f"OTEL_{signal}_EXPORTER") or "otlp"
    if exporter not in ("otlp", "none"):
        raise _not_installed(f"OTEL_{signal}_EXPORTER", "otlp or none")
    if exporter == "none" or not _given(environment, signal, "ENDPOINT")[1]:
        return False
    name, protocol = _given(environment, signal, "PROTOCOL")
    if protocol and protocol != PROTOCOL:
        raise _not_installed(name, PROTOCOL)
    return True


def resource(environment: Mapping[str, str], *, service: str) -> dict[str, str]:
    """Attributes that name the sender, where OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES, which the SDK reads itself, do not."""
    pairs = environment.get("OTEL_RESOURCE_ATTRIBUTES", "").split(",")
    if environment.get("OTEL_SERVICE_NAME") or any(each.partition("=")[0].strip() == "service.name" for each in pairs):
        return {}
    return {"service.name": service}


@contextmanager
def read_by_the_sdk(environment: Mapping[str, str]) -> Iterator[None]:
    """Around what makes the SDK read its variables. Raises SettingsError with the names of those that are set where it takes one of them
    for impossible, such as a queue of spans below a batch: its own errors name none, and may quote a value.
    """
    try:
        yield
    except (ValueError, StopIteration) as error:
        names = ", ".join(sorted(name for name in environment if name.startswith("OTEL_")))
        raise SettingsError(
            f"mend one of these environment variables: {names}: OpenTelemetry cannot begin with them"
        ) from error


def _given(environment: Mapping[str, str], signal: Signal, what: str) -> tuple[str, str]:
    """The variable of this signal before that of all, and what it says."""
    names = (f"OTEL_EXPORTER_OTLP_{signal}_{what}", f"OTEL_EXPORTER_OTLP_{what}")
    return next(((name, text) for name in names if (text := environment.get(name, ""))), (names[1], ""))


def _not_installed(name: str, use: str) -> SettingsError:
    return SettingsError(
        f"set or mend these environment variables: {name}: what it names is not installed here; use {use}"
    )
