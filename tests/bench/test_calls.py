"""How many of the library's functions run for a message, counted in a process of its own: telemetry is set up once for each."""

import subprocess
import sys

import pytest

from tests.bench.files import ROOT


@pytest.mark.slow
def test_a_message_that_succeeds_takes_few_calls() -> None:
    counted = [sys.executable, "-m", "tests.bench.calls"]
    done = subprocess.run(counted, check=False, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
