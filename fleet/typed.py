"""A command as a person types it who wants it to look where this one looks."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

STAGE, ENV_FILE = "FLEET_TYPED_STAGE", "FLEET_TYPED_ENV_FILE"
"""Variables of this process that tell what was given, so that commands that the console runs name the same."""


def given_stage(project: str, stage: str) -> None:
    """`--stage` was given: commands that are named from now on have it, too."""
    os.environ[STAGE] = shlex.join(["--project", project, "--stage", stage])


def given_file(file: Path) -> None:
    """`--env-file` was given."""
    os.environ[ENV_FILE] = str(file)


def typed(*arguments: str) -> str:
    """`fleet` with these arguments, and with the stage or the file of variables that this command was given."""
    file = os.environ.get(ENV_FILE)
    options = ["--env-file", file] if file else []
    at = arguments.index("--") if "--" in arguments else len(arguments)
    stage = shlex.split(os.environ.get(STAGE, ""))
    return shlex.join(["fleet", *stage, *arguments[:at], *options, *arguments[at:]])
