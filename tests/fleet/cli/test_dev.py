"""What `fleet dev` prints, and that a second one leaves the first alone."""

from pathlib import Path

from click.testing import CliRunner

from fleet.cli import fleet
from fleet.cli.dev.whole_fleet import SECRETS, lines
from fleet.dev import private
from fleet.dev.crew import Crew
from fleet.dev.dev import Fleet, Ground, worker_environment
from fleet.dev.emulators.ministack import Endpoint

GROUND = Ground(
    Endpoint("http://127.0.0.1:4566", secret_access_key="of-this-run"),
    {"UPLOADS_QUEUE_URL": "http://127.0.0.1:4566/1/uploads"},
)
RUNNING = Fleet(GROUND, worker_environment(GROUND, port=8090), Crew([], say=print))
FILE = Path(".fleet/dev.env")


def printed(*, verbose: bool) -> list[str]:
    return [*lines(RUNNING, file=FILE, logs=Path(".fleet/logs"), verbose=verbose)]


def test_ten_lines_say_where_everything_is_and_what_to_try() -> None:
    said = printed(verbose=False)
    assert len(said) == 10
    assert said[0].split() == ["AWS", "http://127.0.0.1:4566"]
    assert "try this" in said[-2]
    assert "--env-file .fleet/dev.env" in said[-2]


def test_verbose_prints_every_variable_but_the_secrets() -> None:
    said = "\n".join(printed(verbose=True))
    assert "UPLOADS_QUEUE_URL" in said
    assert not [name for name in SECRETS if RUNNING.environment[name] in said.split()]
    assert {*printed(verbose=False)[0].split()} <= {*said.split()}


def test_a_second_one_in_the_folder_is_refused_and_takes_nothing_from_the_first(tmp_path: Path) -> None:
    file = tmp_path / "dev.env"
    file.write_text("A=1\n")
    with private.held(tmp_path):
        result = CliRunner().invoke(fleet, ["dev", "--env-file", str(file)], prog_name="fleet")
    assert (result.exit_code, file.read_text()) == (2, "A=1\n")
    assert "another run keeps its logs and addresses in" in result.stderr
