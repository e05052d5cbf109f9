"""An environment of Python packages per lock file: built with hashes, kept until the lock changes.

Runs on a bare Python 3.11 with the standard library alone, because it builds what everything else needs:

    python3 -m fleet.dev.environments .venv requirements/dev.txt --editable
"""

import argparse
import ast
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from fleet.dev import private

PROJECT = Path(__file__).resolve().parents[2]
UV_HOME = PROJECT / ".fleet" / "uv"


class EnvironmentBroken(Exception):
    """An environment could not be built; the message says which, and what the installer said."""


def ensure(home: Path, lock: Path, *, editable: bool = False) -> Path:
    """Answer the interpreter of the environment at `home`, which holds exactly what `lock` pins.

    Builds it when it is missing or older than its lock. Two processes that ask at once build it once.

    Raises:
        EnvironmentBroken: neither uv nor pip could install the lock.
    """
    python = home / "bin" / "python"
    stamp = home / ".lock.sha256"
    wanted = _fingerprint(lock, editable=editable)
    if _reads(stamp) == wanted and python.exists():
        return python
    with one_builder(home):
        if _reads(stamp) == wanted and python.exists():
            return python
        started = time.monotonic()
        _say(f"building {_short(home)} from {_short(lock)} ...")
        stamp.unlink(missing_ok=True)
        _install(home, lock, editable=editable)
        stamp.write_text(wanted)
        _say(f"built {_short(home)} in {time.monotonic() - started:.0f} s")
    return python


def install_into(folder: Path, lock: Path, *, platform: str | None = None, python: str | None = None) -> None:
    """Install what `lock` pins into a plain folder, for another platform or Python if asked: wheels only, with hashes.

    Raises:
        EnvironmentBroken: uv could not, for example because a package has no wheel for that platform.
    """
    uv, settings = _uv()
    target = ["--python", sys.executable, "--target", str(folder), "--require-hashes", "--only-binary", ":all:"]
    target += ["--python-platform", platform] if platform else []
    target += ["--python-version", python] if python else []
    _run([uv, "pip", "install", "--quiet", *target, "-r", str(lock)], settings)


def index_variables(pip_configuration: str) -> dict[str, str]:
    """Read `pip config list` and say the same to uv, which does not read pip's files.

    A machine that gets its packages from a mirror has told pip so, and only pip.
    """
    found: dict[str, str] = {}
    for line in sorted(pip_configuration.splitlines(), key=lambda text: text.startswith(":env:")):
        name, _, quoted = line.partition("=")
        option = name.rpartition(".")[2]
        if option in _UV_NAMES and quoted:
            found[_UV_NAMES[option]] = str(ast.literal_eval(quoted))
    if "UV_EXTRA_INDEX_URL" in found:
        found["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # pip's own; the hashes keep it safe
    if "UV_FIND_LINKS" in found:
        found["UV_FIND_LINKS"] = ",".join(found["UV_FIND_LINKS"].split())
    return found


_UV_NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_EXTRA_INDEX_URL",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
}


def _install(home: Path, lock: Path, *, editable: bool) -> None:
    project = ["--no-deps", "--no-build-isolation", "--editable", str(PROJECT)]
    try:
        uv, settings = _uv()
        target = ["--python", str(home / "bin" / "python")]
        if not (home / "bin" / "python").exists():
            _run([uv, "venv", "--clear", "--python", sys.executable, "--no-python-downloads", str(home)], settings)
        _run([uv, "pip", "sync", "--compile-bytecode", "--require-hashes", *target, str(lock)], settings)
        if editable:
            _run([uv, "pip", "install", *target, *project], settings)
    except EnvironmentBroken as trouble:
        _say(f"uv did not do it, so pip does, slowly ({trouble})")
        pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        _run([sys.executable, "-m", "venv", "--clear", str(home)])
        _run([*pip, "--require-hashes", "-r", str(lock)])
        if editable:
            _run([*pip, *project])


def _uv() -> tuple[str, dict[str, str]]:
    """The path of uv and the settings it runs under; pip installs it, with its hash. It is ten times as quick as pip."""
    lock = PROJECT / "requirements" / "uv.txt"
    stamp = UV_HOME / ".lock.sha256"
    wanted = _fingerprint(lock, editable=False)
    if _reads(stamp) != wanted:
        shutil.rmtree(UV_HOME, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(UV_HOME)])
        _run([str(UV_HOME / "bin" / "python"), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(lock)])
        stamp.write_text(wanted)
    pip_configuration = _run([str(UV_HOME / "bin" / "python"), "-m", "pip", "config", "list"])
    return str(UV_HOME / "bin" / "uv"), {**index_variables(pip_configuration), "UV_NO_PROGRESS": "1"}


def _fingerprint(lock: Path, *, editable: bool) -> str:
    content = hashlib.sha256(lock.read_bytes())
    content.update(sys.version.encode())
    if editable:
        content.update((PROJECT / "pyproject.toml").read_bytes())
    return content.hexdigest()


@contextmanager
def one_builder(home: Path) -> Iterator[None]:
    """Let one process at a time build what belongs at `home`; the others wait here and then find it built."""
    door_of_home = private.folder(PROJECT / private.HOME) / f"{home.name.lstrip('.')}.building"
    home.parent.mkdir(parents=True, exist_ok=True)
    with door_of_home.open("w") as door:
        fcntl.flock(door, fcntl.LOCK_EX)
        yield


def _run(command: Sequence[str], settings: Mapping[str, str] | None = None) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    environment.update(settings or {})
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    except OSError as error:
        raise EnvironmentBroken(f"{command[0]}: {error}") from error
    if done.returncode != 0:
        raise EnvironmentBroken(f"{' '.join(command[:4])} ...: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout


def _reads(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None


def _short(path: Path) -> str:
    return str(path.relative_to(PROJECT)) if path.is_relative_to(PROJECT) else str(path)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the environment HOME from LOCK, unless it is there already.")
    parser.add_argument("home", type=Path)
    parser.add_argument("lock", type=Path)
    parser.add_argument("--editable", action="store_true", help="install the project itself into it, editable")
    asked = parser.parse_args()
    try:
        ensure(asked.home.absolute(), asked.lock.absolute(), editable=asked.editable)
    except EnvironmentBroken as trouble:
        _say(f"cannot build {asked.home}: {trouble}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
