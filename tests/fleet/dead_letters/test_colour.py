"""The same words with colour and without: whole outputs of every command, at a terminal, without colour, and in a file."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from fleet.cli.dlq import dlq
from tests.aws import Aws
from tests.fleet.dead_letters.conftest import Ground, Lines
from tests.fleet.dead_letters.forked import Fork, forked
from tests.fleet.dead_letters.terminal import Seen, seen

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
PLAIN: Mapping[str, tuple[str, ...]] = {"NO_COLOR": (), "TERM=dumb": (), "--no-color": ("--no-color",)}
WHY = ("--reason", "because")


@dataclass
class Stage:
    """One queue of letters, and every command at work on it in one way of seeing."""

    cli: Lines
    fork: Fork
    ground: Ground

    def __call__(self, way: str, *arguments: str) -> Seen:
        environment = {**self.cli.environment, "TERM": "dumb" if way == "TERM=dumb" else "xterm-256color"}
        if way == "NO_COLOR":
            environment["NO_COLOR"] = "1"
        if arguments[0] == "dlq" and "--help" not in arguments:
            arguments = (*arguments, *PLAIN.get(way, ()))
        if way == "file":
            ended = self.fork(*arguments, environment=environment)
            return Seen(ended.stdout, ended.stderr, ended.status)
        return seen(lambda paths: self.fork(*arguments, environment=environment, terminals=paths).status)


@pytest.fixture
def stage(twelve: Ground, cli: Lines, aws: Aws, tmp_path: Path) -> Iterator[Stage]:
    cli.environment |= {"DLQ_ARCHIVE_BUCKET_NAME": aws.bucket("archive"), "DLQ_EDIT_ENABLED": "true"}
    (tmp_path / "mended.json").write_text("{}")
    with forked(tmp_path) as fork:
        yield Stage(cli, fork, twelve)


def looks(stage: Stage) -> list[tuple[str, ...]]:
    """Everything that changes nothing, and what is said where there is nothing or something is wrong."""
    queue, plan = stage.ground.name, stage.cli.plan()
    letter = stage.cli("dlq", "list", queue, "--ids").stdout.split()[0]
    export = str(stage.cli.home / "letters.jsonl")
    return [
        ("dlq", "ls", queue),
        ("dlq", "ls", queue, "--quick"),
        ("dlq", "groups", queue),
        ("dlq", "groups", queue, "--json"),
        ("dlq", "groups", queue, "--error", "NoSuchError"),
        ("dlq", "groups", "no-such-dlq"),
        ("dlq", "list", queue),
        ("dlq", "list", queue, "--ids"),
        ("dlq", "show", queue, letter),
        ("dlq", "show", queue, letter, "--reveal", *WHY),
        ("dlq", "plan", queue, "-o", plan),
        ("dlq", "status", plan),
        ("dlq", "replay", plan),
        ("dlq", "replay", plan, "--yes"),
        ("dlq", "edit", queue, letter, "--body-file", str(stage.cli.home / "mended.json")),
        ("dlq", "export", queue, "-o", export, *WHY),
        ("dlq", "import", queue, export, "-o", plan),
        ("dlq", "archive", queue),
        ("dlq", "restore", queue),
        ("dlq", "purge", queue),
        ("dlq", "purge", queue, "--yes", "--no-input", *WHY),
        ("dlq", "frobnicate"),
        ("dlq", "--help"),
        *(("dlq", name, "--help") for name in dlq.commands),
    ]


def acts(stage: Stage) -> list[tuple[str, ...]]:
    """Every mutation once, each of one letter."""
    queue, plan = stage.ground.name, stage.cli.plan()
    one = ("--error", "ConnectTimeout", "--limit", "1")
    letter = stage.cli("dlq", "list", queue, "--error", "SignatureError", "--ids").stdout.split()[0]
    return [
        ("dlq", "plan", queue, *one, "-o", plan),
        ("dlq", "cancel", plan, "--yes", *WHY),
        ("dlq", "resume", plan, "--yes", *WHY),
        ("dlq", "replay", plan, "--yes", *WHY),
        ("dlq", "status", plan),
        ("dlq", "archive", queue, *one, "--yes", *WHY),
        ("dlq", "restore", queue, "--yes", *WHY),
        ("dlq", "edit", queue, letter, "--body-file", str(stage.cli.home / "mended.json"), "--yes", *WHY),
        ("dlq", "purge", queue, "--error", "SignatureError", "--yes", "--confirm", queue, *WHY),
        ("audit", "verify"),
    ]


def alike(result: Seen) -> Seen:
    """Without what differs from one run to the next: ids, times, seconds; and without progress, for terminals only."""
    out, err = (_alike(text) for text in (result.stdout, result.stderr))
    return Seen(out, re.sub(r"(\rstep \d+: [^\r\n]*)+\n", "", err), result.status)


def _alike(text: str) -> str:
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\b[0-9a-f]{32}\b", "ID", ESCAPE.sub("", text))
    text = re.sub(r"20\d\d-\d\d-\d\d(T[0-9:.]+)?", "TIME", text)
    return re.sub(r"(expires_in_s\W+|^)\d+( lines)?", r"\1N\2", text, flags=re.MULTILINE)


def same_in_every_way(stage: Stage, command: tuple[str, ...]) -> Seen:
    """Help alone is folded to the width of the screen: its words are compared. Answers the coloured form."""
    shown = stage("colour", *command)
    for way in (*PLAIN, "file"):
        result = stage(way, *command)
        assert "\x1b" not in result.stdout + result.stderr, (way, command)
        if "--help" in command:
            assert result.stdout.split() == shown.stdout.split(), (way, command)
        else:
            assert alike(result) == alike(shown), (way, command)
    return shown


@pytest.mark.slow
def test_tables_say_the_same_with_colour_and_without(stage: Stage) -> None:
    queue = stage.ground.name
    for command in (("dlq", "ls", queue), ("dlq", "groups", queue), ("dlq", "list", queue)):
        assert "\x1b" in same_in_every_way(stage, command).stdout


@pytest.mark.long
def test_every_look_says_the_same_with_colour_and_without(stage: Stage) -> None:
    for command in looks(stage):
        same_in_every_way(stage, command)


@pytest.mark.long
def test_a_mutation_says_the_same_with_colour_and_without(stage: Stage) -> None:
    result = {}
    s3, bucket = stage.ground.aws.s3, stage.cli.environment["DLQ_ARCHIVE_BUCKET_NAME"]
    for way in ("colour", *PLAIN, "file"):
        for each in s3.list_objects_v2(Bucket=bucket).get("Contents", []):  # what the way before edited stays in there
            s3.delete_object(Bucket=bucket, Key=each["Key"])
        letters = ({"tenantId": "t3", "way": way, "number": number} for number in range(3))
        stage.ground.park(*letters, error_type="SignatureError")  # one to edit, and some to purge, in every way
        result[way] = [stage(way, *command) for command in acts(stage)]
    shown = [alike(each) for each in result.pop("colour")]
    for way, transcript in result.items():
        assert "\x1b" not in "".join(each.stdout + each.stderr for each in transcript), way
        assert [alike(each) for each in transcript] == shown, way


@pytest.mark.slow
def test_progress_is_a_line_of_its_own_and_for_terminals_only(stage: Stage) -> None:
    queue, plan = stage.ground.name, stage.cli.plan()
    for way, count in (("colour", 1), ("NO_COLOR", 1), ("TERM=dumb", 0), ("file", 0)):
        stage("file", "dlq", "plan", queue, "--limit", "1", "-o", plan)
        result = stage(way, "dlq", "replay", plan, "--yes", *WHY)
        assert result.stderr.count("\rstep 1: 1 of 1 sent, 0 back\n") == count, way
        assert result.stdout.startswith("planned 1  sent 1"), way
