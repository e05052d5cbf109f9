"""The Lambda zip: complete enough to import alone, free of what Lambda does not run, the same bytes every time."""

import ast
import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from fleet.dev import bundle as bundling
from fleet.dev.environments import PROJECT
from workers.roster import WORKERS

pytestmark = pytest.mark.slow


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, object]]:
    """What the command would build for these arguments."""

    def ask(*arguments: str) -> dict[str, object]:
        built: dict[str, object] = {}

        def bundle(target: Path, **given: object) -> Path:
            built.update(given, target=target)
            return Path(__file__)

        monkeypatch.setattr(bundling, "bundle", bundle)
        monkeypatch.setattr(sys, "argv", ["bundle", *arguments])
        assert bundling.main() == 0
        return built

    return ask


def test_without_arguments_it_is_built_for_what_the_template_names_and_called_so(
    asked: Callable[..., dict[str, object]],
) -> None:
    assert asked() == {
        "target": PROJECT / "build" / "fleet-lambda-python3.13-arm64.zip",
        "platform": "aarch64-unknown-linux-gnu",
        "python": "3.13",
    }


def test_arguments_are_honoured(asked: Callable[..., dict[str, object]]) -> None:
    assert asked("a.zip", "--here") == {"target": Path("a.zip"), "platform": None, "python": None}
    other = asked("a.zip", "--platform", "x86_64-unknown-linux-gnu", "--python", "3.12")
    assert other == {"target": Path("a.zip"), "platform": "x86_64-unknown-linux-gnu", "python": "3.12"}


@pytest.mark.parametrize("wrong", [["--here"], ["--python", "3.12"], ["a.zip", "--here", "--python", "3.12"]])
def test_a_zip_for_something_else_has_a_name_of_its_own(
    wrong: list[str], asked: Callable[..., dict[str, object]]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        asked(*wrong)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundling.bundle(tmp_path_factory.mktemp("bundle") / "fleet.zip")


@pytest.fixture(scope="module")
def unpacked(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("task")
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(folder)
    return folder


@pytest.mark.parametrize("module", WORKERS.values())
def test_every_lambda_door_imports_from_the_zip_alone(unpacked: Path, module: str) -> None:
    program = (
        f"import sys; sys.path.insert(0, sys.argv[1]); import {module} as app; print(callable(app.lambda_handler))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, unpacked], capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("True", "")


def test_it_holds_no_test_no_command_line_and_no_developers_package(bundle: Path) -> None:
    with zipfile.ZipFile(bundle) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    strangers = {"fleet", "tests", "infra", "pytest", "mypy", "rich", "click", "hypothesis", "types_boto3", "bin"}
    assert tops & strangers == set()


def test_every_source_has_its_byte_code(bundle: Path) -> None:
    with zipfile.ZipFile(bundle) as archive:
        names = set(archive.namelist())
    tag = sys.implementation.cache_tag
    ours = {
        Path(name)
        for name in names
        if name.endswith(".py") and name.startswith(("shared/", "workers/", "aiobotocore/"))
    }
    bare = [path for path in ours if f"{path.parent}/__pycache__/{path.stem}.{tag}.pyc" not in names]
    assert bare == []


def test_every_service_the_workers_open_is_described_in_it() -> None:
    opened = {
        node.args[0].value
        for package in ("shared", "workers")
        for path in (PROJECT / package).rglob("*.py")
        if not path.is_relative_to(PROJECT / "workers" / "local")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"open", "client"}
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }
    assert opened
    assert opened - bundling.SERVICES == set()


def test_the_same_sources_give_the_same_bytes(bundle: Path, tmp_path: Path) -> None:
    again = bundling.bundle(tmp_path / "again.zip")
    assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(bundle.read_bytes()).digest()


def test_it_fits_lambda_with_room_to_spare(unpacked: Path) -> None:
    assert sum(path.stat().st_size for path in unpacked.rglob("*") if path.is_file()) < 100e6  # Lambda takes 250 MB


@pytest.mark.parametrize("python", ["3.13", "3.12", "3.11"])
def test_for_another_platform_it_holds_that_platforms_wheels_and_this_pythons_byte_code(
    tmp_path: Path, python: str
) -> None:
    target = tmp_path / "arm.zip"
    command = [sys.executable, "-m", "fleet.dev.bundle", str(target), "--platform", "aarch64-unknown-linux-gnu"]
    done = subprocess.run([*command, "--python", python], capture_output=True, text=True, check=True)
    with zipfile.ZipFile(target) as archive:
        names = archive.namelist()
    assert f"{target}" in done.stdout
    own = python == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert any(name.endswith(".pyc") for name in names) is own
    libraries = [name for name in names if name.endswith(".so")]
    assert libraries
    assert [name for name in libraries if "x86_64" in name] == []
