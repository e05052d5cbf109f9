"""What OpenTelemetry's own environment variables say of this process: whether a signal is sent, and in whose name.

https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

from __future__ import annotations

from collections.abc import Mapping
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


def _given(environment: Mapping[str, str], signal: Signal, what: str) -> tuple[str, str]:
    """The variable of this signal before that of all, and what it says."""
    names = (f"OTEL_EXPORTER_OTLP_{signal}_{what}", f"OTEL_EXPORTER_OTLP_{what}")
    return next(((name, text) for name in names if (text := environment.get(name, ""))), (names[1], ""))


def _not_installed(name: str, use: str) -> SettingsError:
    return SettingsError(
        f"set or mend these environment variables: {name}: what it names is not installed here; use {use}"
    )
