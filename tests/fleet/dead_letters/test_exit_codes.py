"""One cause has one exit code, whichever command meets it."""

import json
import re
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from fleet.dead_letters.replay.journal import opened
from tests.aws import Aws
from tests.fleet.dead_letters.conftest import Ground, Lines
from tests.fleet.dead_letters.test_without_yes import TREE

pytestmark = pytest.mark.slow  # the whole command on the emulator, some seconds a story

WHY = ("--reason", "because")
ACT = ("--yes", *WHY)
WORDS: Mapping[str, tuple[str, ...]] = {
    "ls": ("QUEUE",),
    "groups": ("QUEUE",),
    "list": ("QUEUE",),
    "show": ("QUEUE", "ID"),
    "plan": ("QUEUE", "-o", "OUTPUT"),
    "replay": ("PLAN", *ACT),
    "resume": ("BEGUN", *ACT),
    "cancel": ("BEGUN", *ACT),
    "status": ("PLAN",),
    "edit": ("QUEUE", "ID", "--body-file", "BODY", *ACT),
    "export": ("QUEUE", "-o", "OUTPUT", *WHY),
    "import": ("QUEUE", "LINES", "-o", "OUTPUT"),
    "archive": ("QUEUE", *ACT),
    "restore": ("QUEUE", *ACT),
    "purge": ("QUEUE", "--confirm", "QUEUE", *ACT),
}
QUEUES = {name for name, words in WORDS.items() if "QUEUE" in words}
PLANS = WORDS.keys() - QUEUES
MUTATIONS = {name for name, words in WORDS.items() if "--yes" in words}
FILTERED = {"groups", "list", "plan", "export", "archive", "purge"}
ARCHIVES = {"archive", "restore", "edit"}


@pytest.fixture
def values(ground: Ground, cli: Lines, aws: Aws) -> dict[str, str]:
    """Two letters, a plan of them that is not begun and one that is, and a letter that is no longer there."""
    cli.environment |= {"DLQ_ARCHIVE_BUCKET_NAME": aws.bucket("archive"), "DLQ_EDIT_ENABLED": "true"}
    home = cli.home
    (home / "body").write_text("{}")
    ground.park({"n": 0})
    cli("dlq", "export", ground.name, "-o", str(home / "lines"), *WHY)
    gone = cli.json("list", ground.name)[0]["id"]
    cli("dlq", "purge", ground.name, "--confirm", ground.name, *ACT)
    ground.park({"n": 1}, {"n": 2})
    for name in ("plan", "begun"):
        cli("dlq", "plan", ground.name, "--to", ground.source, "-o", str(home / name))
    with opened(home / "begun", json.loads((home / "begun").read_bytes())["plan_id"], now=time.time) as journal:
        journal.begin("tester", "cut short")
    return {
        "QUEUE": ground.name,
        "ID": cli.json("list", ground.name)[0]["id"],
        "GONE": gone,
        "LIVE": ground.source,
        "PLAN": str(home / "plan"),
        "BEGUN": str(home / "begun"),
        "BODY": str(home / "body"),
        "LINES": str(home / "lines"),
        "OUTPUT": str(home / "output"),
    }


Change = Callable[[tuple[str, ...]], tuple[str, ...]]


def same(words: tuple[str, ...]) -> tuple[str, ...]:
    return words


def instead(old: str, new: str) -> Change:
    return lambda words: tuple(new if each == old else each for each in words)


def also(*more: str) -> Change:
    return lambda words: (*words, *more)


def without_reason(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(each for each in words if each not in WHY)


@pytest.mark.parametrize(
    ("code", "commands", "change", "environment"),
    [
        pytest.param(0, {"ls", "groups", "list", "show", "plan", "export", "status"}, same, {}, id="done"),
        pytest.param(1, QUEUES, instead("QUEUE", "no-such-dlq"), {}, id="no such queue"),
        pytest.param(2, set(WORDS), also("--no-such-option"), {}, id="an option that there is not"),
        pytest.param(2, MUTATIONS | {"export"}, without_reason, {}, id="no reason"),
        pytest.param(2, PLANS, lambda words: ("missing", *words[1:]), {}, id="a file that is not there"),
        pytest.param(2, ARCHIVES, same, {"DLQ_ARCHIVE_BUCKET_NAME": ""}, id="no archive named"),
        pytest.param(3, FILTERED, also("--error", "NoSuchError"), {}, id="nothing matches"),
        pytest.param(3, {"show", "edit"}, instead("ID", "GONE"), {}, id="no letter of this id"),
        pytest.param(3, {"import", "restore"}, same, {}, id="none of these is there"),
        pytest.param(5, QUEUES, instead("QUEUE", "LIVE"), {}, id="a live queue"),
        pytest.param(5, PLANS, lambda words: ("BODY", *words[1:]), {}, id="a file that is not a plan"),
        pytest.param(5, {"edit"}, same, {"DLQ_EDIT_ENABLED": "false"}, id="editing is off"),
        pytest.param(
            5, MUTATIONS | PLANS | {"plan"}, same, {"XDG_STATE_HOME": "/proc/nowhere"}, id="a home that takes nothing"
        ),
        pytest.param(5, MUTATIONS | {"export"}, same, {"DLQ_AUDIT_LOG": "DAMAGED"}, id="a damaged audit log"),
    ],
)
def test_a_cause_has_one_exit_code(
    code: int,
    commands: set[str],
    change: Change,
    environment: dict[str, str],
    *,
    values: dict[str, str],
    cli: Lines,
) -> None:
    damaged = cli.home / "damaged"
    damaged.write_text("no record\n")
    cli.environment |= {name: value.replace("DAMAGED", str(damaged)) for name, value in environment.items()}
    found = {}
    for name in sorted(commands):
        Path(values["OUTPUT"]).unlink(missing_ok=True)
        words = [values.get(each, each) for each in change(WORDS[name])]
        found[name] = cli("dlq", name, *words, "--no-input", exits=None).exit_code
        assert "Traceback" not in cli.last.stderr
    assert found == dict.fromkeys(sorted(commands), code)


@pytest.mark.slow
@pytest.mark.usefixtures("values")
def test_where_aws_cannot_be_reached_every_command_that_asks_it_ends_with_1(values: dict[str, str], cli: Lines) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        closed = f"http://127.0.0.1:{listening.getsockname()[1]}"
    found = {}
    for name in sorted(WORDS.keys() - {"cancel", "status"}):
        words = [values.get(each, each) for each in WORDS[name]]
        found[name] = cli("dlq", name, *words, exits=None, AWS_ENDPOINT_URL=closed).exit_code
    assert found == dict.fromkeys(found, 1)


def test_every_command_and_every_code_of_the_page_is_in_the_table() -> None:
    assert {path[1] for path in TREE} == set(WORDS)
    page = Path(__file__).parents[3] / "docs/dlq.md"
    assert re.findall(r"^\| (\d+) \|", page.read_text(), re.MULTILINE) == ["0", "1", "2", "3", "4", "5", "130"]
