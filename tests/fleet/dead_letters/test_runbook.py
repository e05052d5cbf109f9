"""docs/runbook.md, carried out: every command of every incident, and every line it promises."""

import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fleet.dead_letters import letters
from tests.fleet.dead_letters.conftest import Ground, Lines
from tests.fleet.dead_letters.worker import Worker

PAGE = (Path(__file__).parents[3] / "docs" / "runbook.md").read_text()
INCIDENTS = {part.partition("\n")[0]: part for part in PAGE.split("\n## ")[1:]}


def commands(incident: str) -> list[tuple[str, list[str]]]:
    """Each command of an incident with the lines that the page shows under it."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", INCIDENTS[incident], re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return found


def alike(text: str) -> str:
    """Without what differs from run to run: ids, times, countdowns, blanks."""
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\b[0-9a-f]{16,32}\b", "ID", text)
    text = re.sub(r"20\d\d-\d\d-\d\d(T[0-9:.+]+)?", "TIME", text)
    text = re.sub(r"\d+ (d|h|min)\b", r"N \1", text)
    text = re.sub(r"N (?:d|h) N (?:h|min)", "LEFT", text)
    return re.sub(r"\s+", " ", text.replace("letters-archive", "BUCKET")).strip()


def nothing(_: Ground) -> None:
    """The twelve letters are the incident."""


def expired_pointer(ground: Ground) -> None:
    ground.put(letters.stream_pointer(hours_old=25)[0])


def short_retention(ground: Ground) -> None:
    ground.aws.sqs.set_queue_attributes(QueueUrl=ground.dead, Attributes={"MessageRetentionPeriod": "14400"})


HAPPENED: dict[str, Callable[[Ground], None]] = {
    "A stream pointer has expired": expired_pointer,
    "A queue is about to expire": short_retention,
}


@pytest.mark.parametrize("incident", INCIDENTS)
def test_every_step_of_the_runbook_does_what_the_page_shows(incident: str, twelve: Ground, cli: Lines) -> None:
    bucket = twelve.aws.bucket("archive")
    cli.environment["DLQ_ARCHIVE_BUCKET_NAME"] = bucket
    HAPPENED.get(incident, nothing)(twelve)
    done = 0
    with Worker(twelve):
        for command, shown in commands(incident):
            words = [twelve.name if word == "webhooks-dlq" else word for word in shlex.split(command)[1:]]
            words = [cli.plan() if word == "p" else word for word in words]
            told = cli(*words, exits=None, COLUMNS="200")
            promised_failure = any(line.startswith("Error:") for line in shown)
            assert (told.exit_code != 0) is promised_failure, (command, told.stdout, told.stderr)
            said = alike(own_names(told.stdout + told.stderr, twelve, cli, bucket))
            for line in shown:
                assert alike(line) in said, (command, line, said)
            done += 1
    assert done >= 2


def own_names(text: str, ground: Ground, cli: Lines, bucket: str) -> str:
    """The names of this run, as the page has them."""
    for own, shown in (
        (ground.name, "webhooks-dlq"),
        (ground.source.rpartition("/")[2], "webhooks"),
        (os.fspath(cli.home) + "/p", "p"),
        (bucket, "letters-archive"),
    ):
        text = text.replace(own, shown)
    return text


def test_the_five_most_likely_incidents_are_there() -> None:
    assert len(INCIDENTS) == 5
