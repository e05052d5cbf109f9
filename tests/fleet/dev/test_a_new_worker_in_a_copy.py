"""What `fleet new worker` writes passes lint, types and tests as it is, and runs behind both doors: in a copy of the repository."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fleet.dev.environments import PROJECT
from fleet.dev.new_worker.given import SOURCES

pytestmark = [pytest.mark.long, pytest.mark.timeout(3_600)]

BUILT = (".venv", ".infra", ".emulators")
"""Environments, which the copy shares."""

KNOWS_WORKERS = ("tests/docs", "tests/e2e", "tests/fleet", "tests/infra", "tests/workers", "tests/test_architecture.py")
"""Tests that read who is in the fleet, or what stands in the places where a new worker is entered; those of the library know no worker."""

Run = Callable[..., str]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    if not (PROJECT / ".infra" / "bin" / "python").exists():
        pytest.skip("the templates are made by an environment of their own: make setup-infra")
    there = tmp_path / "fleet"
    shutil.copytree(PROJECT, there, ignore=_is_built)
    for name in BUILT:
        (there / name).symlink_to(PROJECT / name)
    return there


def _is_built(_folder: str, names: list[str]) -> list[str]:
    kept = {".ci", ".github", ".dockerignore", ".gitignore", ".mypy_cache"}
    return [name for name in names if name in {"__pycache__", "build", "dist"} or (name[0] == "." and name not in kept)]


@pytest.fixture
def run(copy: Path) -> Run:
    """Run a program in the copy, whose own sources come first; what it said."""

    def run(*command: str, python: str = sys.executable) -> str:
        own = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COVERAGE_"))}
        done = subprocess.run(
            [python, "-m", *command],
            cwd=copy,
            env={**own, "PYTHONPATH": str(copy)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-6_000:]
        return done.stdout

    return run


@pytest.mark.parametrize("source", SOURCES)
def test_a_new_worker_is_green_and_runs_as_it_was_written(copy: Path, run: Run, source: str) -> None:
    run("fleet.cli", "new", "worker", "loyalty-points", "--from", source)
    run("infra.app", python=str(copy / ".infra" / "bin" / "python"))
    run("fleet.dev.reference")
    run("ruff", "check", "--no-cache", ".")
    run("ruff", "format", "--no-cache", "--check", ".")
    run("mypy")
    run("mypy", "--python-executable", ".infra/bin/python", "infra")
    told = run("pytest", "-q", "-p", "no:cacheprovider", "tests/fleet/dev/doors_of_a_new_worker.py")
    assert "3 passed" in told
    daily = ("-m", "not localstack and not slow and not long", "--hypothesis-profile", "daily")
    run("pytest", "-q", "-n", "2", "-p", "no:cacheprovider", *daily, *KNOWS_WORKERS)
