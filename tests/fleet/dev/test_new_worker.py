"""A new worker's files and entries, written into a folder that holds what the command reads and changes."""

import shutil
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from fleet.cli import fleet
from fleet.dev.environments import PROJECT
from fleet.dev.new_worker.entries import amended
from fleet.dev.new_worker.given import SOURCES, TABLES, New, NotPossible, Source
from fleet.dev.new_worker.write import write

READ = ("docker-compose.yml", "docs/data-model.md", "kubernetes", "infra/templates")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name in READ:
        there = tmp_path / name
        there.parent.mkdir(parents=True, exist_ok=True)
        if (PROJECT / name).is_dir():
            shutil.copytree(PROJECT / name, there)
        else:
            shutil.copy(PROJECT / name, there)
    return tmp_path


def new(source: Source = "queue", name: str = "made-by-tests", table: str = TABLES[0]) -> New:
    return New(name, source, "order.placed", table)


@pytest.mark.parametrize("source", SOURCES)
def test_a_worker_of_each_source_is_written_whole_and_its_python_compiles(repository: Path, source: Source) -> None:
    before = {path.relative_to(repository).as_posix() for path in repository.rglob("*") if path.is_file()}
    paths = {*write(new(source), repository)}
    after = {path.relative_to(repository).as_posix() for path in repository.rglob("*") if path.is_file()}
    assert after - before == paths - before
    for path in paths:
        text = (repository / path).read_text()
        assert "$" not in text or not path.endswith((".py", ".json")), path
        if path.endswith(".py"):
            compile(text, path, "exec")
    services = yaml.safe_load((repository / "docker-compose.yml").read_text())["services"]
    assert services["made-by-tests"]["command"] == ["fleet", "run", "made-by-tests"]
    assert services["made-by-tests"]["environment"]["MADE_BY_TESTS_QUEUE_URL"].endswith("/fleet-made-by-tests-dev")


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("Loyalty", "lower-case"),
        ("made_by_tests", "lower-case"),
        ("-points", "lower-case"),
        ("points2", "lower-case"),
        ("../points", "lower-case"),
        ("a" * 25, "24 at most"),
        ("lambda", "Python"),
        ("points-dlq", "-dlq"),
        ("uploads", "taken"),
        ("payloads", "taken"),
        ("reader", "taken"),
        ("events", "taken"),
        ("localstack", "taken"),
        ("tick", "taken"),
    ],
)
def test_a_name_that_some_place_would_refuse_is_refused_and_nothing_is_written(
    repository: Path, name: str, word: str
) -> None:
    with pytest.raises(NotPossible, match=word):
        write(new(name=name), repository)
    assert not (repository / "workers").exists()


@pytest.mark.parametrize(
    "there", ["workers/made_by_tests", "tests/workers/made_by_tests", "infra/concerns/made_by_tests.py"]
)
def test_what_is_there_is_not_overwritten(repository: Path, there: str) -> None:
    (repository / there).mkdir(parents=True)
    compose = (repository / "docker-compose.yml").read_text()
    with pytest.raises(NotPossible, match=f"{there} is there already"):
        write(new(), repository)
    assert (repository / "docker-compose.yml").read_text() == compose


def test_where_no_repository_is_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(NotPossible, match="from a checkout"):
        write(new(), tmp_path)
    assert [*tmp_path.iterdir()] == []


def test_the_second_worker_of_a_stream_leaves_the_first_ones_pipe(repository: Path) -> None:
    write(new("stream"), repository)
    compose = amended(new("stream", "second", "reminders"), repository)["docker-compose.yml"]
    [line] = [line.strip() for line in compose.splitlines() if "STAND_INS_PIPES" in line]
    assert line == "STAND_INS_PIPES: sessions:made-by-tests,reminders:second"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["made-by-tests"], "--from"),
        (["made-by-tests", "--from", "bus", "--table", "sessions"], "--table goes with --from stream"),
        (["made-by-tests", "--from", "queue", "--event", "x"], "--event goes with --from bus"),
        (["made-by-tests", "--from", "bus", "--event", 'a"b'], "no detail type"),
        (["audit-archive", "--from", "queue"], "workers/audit_archive is there already"),
        (["Made by tests", "--from", "queue"], "no name for a worker"),
    ],
)
def test_a_wrong_use_is_refused_in_words(arguments: list[str], says: str) -> None:
    done = CliRunner().invoke(fleet, ["new", "worker", *arguments])
    assert done.exit_code == 2
    assert says in done.output
