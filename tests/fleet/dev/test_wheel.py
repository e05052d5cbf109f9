"""What ships: a wheel, built for real and without a network, installs everything but what is for development."""

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from fleet.cli import COMMANDS
from fleet.dev.environments import PROJECT

FOR_DEVELOPMENT = {"demo", "dev", "new", "stand-ins", "try"}
"""What needs the repository."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked as an installer does it."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=PROJECT, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def fleet(installed: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the command of the wheel with this environment's packages, but without this repository."""
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    program = f"import sys; sys.path[:0] = [{str(installed)!r}, {packages!r}]; from fleet.cli import main; main()"
    command = [sys.executable, "-I", "-S", "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=installed, env={**os.environ})


def test_it_holds_the_library_the_workers_and_the_command_and_nothing_for_development(installed: Path) -> None:
    folders = {path.relative_to(installed).as_posix() for path in installed.rglob("*") if path.is_dir()}
    assert {"shared/road", "workers/webhook_delivery", "fleet/cli", "fleet/doctor", "fleet/dead_letters"} <= folders
    assert [folder for folder in folders if folder.startswith(("fleet/dev", "tests", "infra"))] == []
    assert all((installed / package / "py.typed").exists() for package in ("shared", "workers", "fleet"))


def test_what_it_needs_is_a_range_that_the_locks_lie_in_and_that_leaves_room_beside_others(installed: Path) -> None:
    [metadata] = installed.glob("*.dist-info/METADATA")
    told = metadata.read_text()
    needs = [line.removeprefix("Requires-Dist: ") for line in told.splitlines() if line.startswith("Requires-Dist: ")]
    assert needs
    assert [need for need in needs if "==" in need.partition(";")[0] or ">=" not in need] == []
    assert "Description-Content-Type: text/markdown" in told
    assert "Classifier: Typing :: Typed" in told


@pytest.mark.parametrize("command", sorted(FOR_DEVELOPMENT))
def test_a_command_for_development_says_in_words_what_is_missing(installed: Path, command: str) -> None:
    done = fleet(installed, command)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"`fleet {command}` is for development" in done.stderr
    assert "from the repository" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("command", sorted(COMMANDS.keys() - FOR_DEVELOPMENT))
def test_every_other_command_is_there(installed: Path, command: str) -> None:
    done = fleet(installed, command, "--help")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_image_is_given_every_file_that_the_wheel_is_built_from() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    built_from = {project["project"]["readme"], *project["project"]["license-files"], "pyproject.toml"}
    built_from |= {*project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]}
    ignored = (PROJECT / ".dockerignore").read_text().splitlines()
    assert built_from <= {line.removeprefix("!") for line in ignored if line.startswith("!")}
