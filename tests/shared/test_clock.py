"""The clock of leases, where a suspended machine's clocks have come apart."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOURS = 3_600
APART = ["unshare", "--user", "--time", "--boottime", str(8 * HOURS)]
"""A time namespace (time_namespaces(7)) whose boot time is eight hours ahead, as after a suspended night."""
ASKED = "import runpy, time; print(runpy.run_path('shared/clock.py')['lease_time']() - time.monotonic())"


def test_the_time_for_which_the_machine_slept_counts_for_leases() -> None:
    if shutil.which("unshare") is None or subprocess.run([*APART, "true"], check=False).returncode:
        pytest.skip("this machine lets nobody have clocks of their own")
    told = subprocess.run([*APART, sys.executable, "-c", ASKED], cwd=ROOT, capture_output=True, text=True, check=True)
    assert 8 * HOURS <= round(float(told.stdout)) <= 8 * HOURS + 60
