"""docs/vendoring.md: its script renames the three packages, and what comes of it runs without the old names."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "vendoring.md").read_text(encoding="utf-8")
[SCRIPT] = re.findall(r"```python\n(# rename\.py\n.*?)```", PAGE, re.DOTALL)
NAMES = {"shared": "acme_queue", "workers": "acme_workers", "fleet": "acme_fleet"}

LOADS = """
import importlib, json, pkgutil, sys
import acme_fleet, acme_queue, acme_workers
from acme_workers import roster
for package in (acme_queue, acme_workers, acme_fleet):
    for each in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not each.name.endswith("__main__") and not each.name.startswith("acme_fleet.cli.dev"):
            importlib.import_module(each.name)
apps = {name: roster.app(name).open_workers.__module__ for name in roster.WORKERS}
old = sorted(name for name in sys.modules if name.partition(".")[0] in {"shared", "workers", "fleet"})
print(json.dumps({"apps": apps, "old": old, "face": acme_queue.Worker.__module__}))
"""


@pytest.fixture
def renamed(tmp_path: Path) -> Path:
    for name in NAMES:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.rmtree(tmp_path / "fleet" / "dev")
    (tmp_path / "rename.py").write_text(SCRIPT, encoding="utf-8")
    run(tmp_path, "rename.py", *(f"{old}={new}" for old, new in NAMES.items()))
    return tmp_path


def run(folder: Path, *arguments: str, ends: int = 0) -> str:
    done = subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == ends, done.stderr[-3000:]
    return done.stdout + done.stderr


@pytest.mark.long
def test_what_is_renamed_runs_and_knows_no_old_name(renamed: Path) -> None:
    found = json.loads(run(renamed, "-c", LOADS).splitlines()[-1])
    assert found["old"] == []
    assert len(found["apps"]) >= 4
    assert all(module.startswith("acme_workers.") for module in found["apps"].values())
    assert found["face"] == "acme_queue.worker"
    assert "audit-archive" in run(renamed, "-m", "acme_fleet.cli", "run", "--help")
    assert "leaves acme_fleet.dev out" in run(renamed, "-m", "acme_fleet.cli", "demo", ends=2)


def test_a_name_that_is_put_together_stands_in_the_roster_alone() -> None:
    """The script could not tell another from a metric's."""
    made = re.compile(r"""\bf["'](shared|workers)\.""")
    found = {
        path.relative_to(ROOT).as_posix()
        for name in NAMES
        for path in (ROOT / name).rglob("*.py")
        if made.search(path.read_text(encoding="utf-8"))
    }
    assert found == {"workers/roster.py"}
