"""The environment of a running fleet as a file: shell can source it, and every command can read it."""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Mapping
from pathlib import Path


def write(path: Path, environment: Mapping[str, str]) -> None:
    """Write `environment`, readable by its owner alone from the first byte on: it holds secrets.

    Into a file of a name that nobody knows before; then that takes the place of whatever stands there, a link as well.
    """
    lines = [f"{name}={shlex.quote(value)}\n" for name, value in sorted(environment.items())]
    descriptor, fresh = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
    with os.fdopen(descriptor, "w") as file:
        file.writelines(["# Written by a running fleet. To use it: set -a; . this file; set +a\n", *lines])
    Path(fresh).replace(path)  # a reader sees the old file or the new one, never half of it


def read(path: Path) -> dict[str, str]:
    """Read such a file. Raises OSError, and ValueError naming the line that is not NAME=value."""
    found: dict[str, str] = {}
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if "\0" in line:
            raise ValueError(f"line {number} holds a NUL character, which no variable can have")
        text = line.strip().removeprefix("export ")
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise ValueError(f"line {number} is not NAME=value")
        try:
            words = shlex.split(value)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error
        found[name] = words[0] if words else ""
    return found
