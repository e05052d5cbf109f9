"""`fleet run --app`: a worker that lives outside of the fleet."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from fleet.cli import fleet
from fleet.cli.run import foreign

POINTS = """
from contextlib import asynccontextmanager
from shared import App, Each, Settings, Worker, read_settings

class PointsSettings(Settings):
    points_table_name: str

async def handle(event): print("handled", event, flush=True)

@asynccontextmanager
async def open_workers(environment, clients):
    read_settings(PointsSettings, environment)
    yield (Worker(name="points", queue="points", decode=lambda delivery: delivery.body, do=Each(handle)),)

APP = App(name="points", queues=("points",), open_workers=open_workers)
OTHER = 1
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "foreign_points.py").write_text(POINTS)
    (tmp_path / "foreign_broken.py").write_text("import nothing_of_this_name\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "foreign_points", raising=False)
    return tmp_path


def test_an_app_of_this_folder_is_found() -> None:
    app = foreign("foreign_points:APP")
    assert (app.name, app.queues) == ("points", ("points",))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "or another one by --app MODULE:NAME"),
        (["audit-archive", "--app", "foreign_points:APP"], "or another one by --app MODULE:NAME"),
        (["--app", "foreign_points"], "is not MODULE:NAME"),
        (["--app", ":APP"], "is not MODULE:NAME"),
        (["--app", "foreign_points:APPS"], "has no App by the name of APPS"),
        (["--app", "foreign_points:OTHER"], "has no App by the name of OTHER"),
        (["--app", "nobody.knows:APP"], "no module nobody"),
    ],
)
def test_what_is_no_app_is_refused_in_words(arguments: list[str], says: str) -> None:
    done = CliRunner().invoke(fleet, ["run", *arguments])
    assert done.exit_code == 2
    assert says in " ".join(done.output.split())


def test_what_is_missing_in_a_module_that_is_there_is_told_as_it_is() -> None:
    with pytest.raises(ModuleNotFoundError, match="nothing_of_this_name"):
        foreign("foreign_broken:APP")


@pytest.mark.slow
def test_a_foreign_worker_without_its_variable_ends_with_2_and_its_name(folder: Path) -> None:
    environment = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}
    done = subprocess.run(
        [sys.executable, "-m", "fleet.cli", "run", "--app", "foreign_points:APP"],
        cwd=folder,
        env=environment | {"HEALTH_PORT": "0", "POINTS_QUEUE_URL": "http://127.0.0.1:9/1/points"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "POINTS_" in done.stderr
    assert "Traceback" not in done.stderr
