"""Environments: built once from a hash-pinned lock, rebuilt when it changes, refused without hashes."""

import subprocess
import sys
from pathlib import Path

import pytest

from fleet.dev.environments import EnvironmentBroken, ensure, index_variables


@pytest.mark.slow
def test_an_environment_is_built_once_and_again_when_its_lock_changes(tmp_path: Path) -> None:
    lock, home = tmp_path / "lock.txt", tmp_path / "home"
    lock.write_text("# nothing\n")
    python = ensure(home, lock)
    assert (
        subprocess.run([python, "-c", "print('alive')"], capture_output=True, text=True, check=True).stdout == "alive\n"
    )

    (home / "witness").touch()
    built_at = (home / ".lock.sha256").stat().st_mtime_ns
    assert ensure(home, lock) == python
    assert (home / ".lock.sha256").stat().st_mtime_ns == built_at

    lock.write_text("# still nothing\n")
    ensure(home, lock)
    assert (home / ".lock.sha256").stat().st_mtime_ns > built_at


@pytest.mark.slow
def test_a_lock_without_hashes_is_refused(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("structlog==26.1.0\n")
    with pytest.raises(EnvironmentBroken, match="hash"):
        ensure(tmp_path / "home", lock)


def test_what_pip_knows_of_mirrors_is_told_to_uv() -> None:
    variables = index_variables(
        "global.index-url='https://mirror.example/simple'\n"
        "global.extra-index-url='https://more.example/simple'\n"
        "global.find-links='/wheels\\n/more-wheels'\n"
        "global.timeout='60'\n"
    )
    assert variables == {
        "UV_DEFAULT_INDEX": "https://mirror.example/simple",
        "UV_EXTRA_INDEX_URL": "https://more.example/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "/wheels,/more-wheels",
    }


def test_pips_environment_outranks_its_files() -> None:
    variables = index_variables(
        ":env:.index-url='https://env.example/simple'\nglobal.index-url='https://file.example/simple'\n"
    )
    assert variables == {"UV_DEFAULT_INDEX": "https://env.example/simple"}


def test_the_command_line_builds_it_and_says_so_once(tmp_path: Path) -> None:
    lock, home = tmp_path / "lock.txt", tmp_path / "home"
    lock.write_text("# nothing\n")
    command = [sys.executable, "-m", "fleet.dev.environments", str(home), str(lock)]
    first = subprocess.run(command, capture_output=True, text=True, check=True)
    second = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "building" in first.stderr
    assert second.stderr == ""
    assert (home / "bin" / "python").exists()


@pytest.mark.slow
def test_the_command_line_fails_with_the_reason(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("structlog==26.1.0\n")
    command = [sys.executable, "-m", "fleet.dev.environments", str(tmp_path / "home"), str(lock)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "cannot build" in done.stderr
