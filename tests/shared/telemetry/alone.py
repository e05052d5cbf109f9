"""Runs a module of the tests as a process of its own, for what is global and for good, and reads what it tells."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]


def report_of(module: str, **environment: str) -> Any:
    """The JSON in the last line of stdout; log lines may stand above it. Nothing of the developer's own settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "OTEL_"))}
    run = subprocess.run(
        [sys.executable, "-m", f"tests.shared.telemetry.{module}"],
        cwd=ROOT,
        env={**inherited, "AWS_EC2_METADATA_DISABLED": "true", **environment},
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(run.stdout.splitlines()[-1])
