"""The environment of a running fleet as a file: shell can source it, and every command can read it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path


def write(path: Path, environment: Mapping[str, str]) -> None:
    """Write `environment`, readable by its owner alone from the first byte on: it holds secrets."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{name}={shlex.quote(value)}\n" for name, value in sorted(environment.items())]
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.writelines(["# Written by a running fleet. To use it: set -a; . this file; set +a\n", *lines])
    fresh.replace(path)  # a reader sees the old file or the new one, never half of it


def read(path: Path) -> dict[str, str]:
    """Read such a file. Raises OSError, and ValueError naming the line that is no NAME=value."""
    found: dict[str, str] = {}
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        text = line.strip().removeprefix("export ")
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise ValueError(f"line {number} is no NAME=value")
        try:
            words = shlex.split(value)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error
        found[name] = words[0] if words else ""
    return found
