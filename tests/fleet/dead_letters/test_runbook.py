"""docs/runbook.md, carried out: every command of every page, and every line it promises."""

import asyncio
import base64
import json
import os
import re
import shlex
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from shared.message.dead_letter import letter
from shared.message.identity import ATTRIBUTE
from shared.outcome import Reject
from shared.road.failure.verdict import NeverEnded, dead
from shared.road.once import KeyReused
from tests.fakes import delivery
from tests.fleet.dead_letters.conftest import Ground, Lines
from tests.fleet.dead_letters.fakes import NOW
from tests.fleet.dead_letters.worker import Worker
from workers.audit_archive.redaction.keys import HashKey
from workers.audit_archive.store.subject_keys import DynamoDbSubjects, SubjectKeys

PAGE = (Path(__file__).parents[3] / "docs" / "runbook.md").read_text()
PAGES = {part.partition("\n")[0]: part for part in PAGE.split("\n## ")[1:]}
ERASED = "Somebody asks to be erased"
ONCE_THROUGH = "From the alarm to a proven replay, once through"
MOST_COMMANDS, MOST_SECONDS = 12, 600
"""Of a person who knows only the alarm's text, with the rollback among the commands."""
LETTER_ID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f-]{27}\b")
INCIDENTS = [name for name in PAGES if name[0].isdigit()]
DIED: dict[str, list[Exception]] = {
    "1": [KeyError("lines")] * 9,
    "2": [ZeroDivisionError()],
    "3": [Reject("order 7 has no lines"), Reject("order 8 has no lines")],
    "4": [KeyReused("the idempotency key was used before with another payload")],
    "5": [NeverEnded("its work was begun 5 times and never ended: does it end its process?")],
}


def commands(page: str) -> list[tuple[str, list[str]]]:
    """Each command of a page with the lines that are shown under it."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", PAGES[page], re.DOTALL):
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


def happened(ground: Ground, page: str) -> None:
    """Letters as the fleet buries them: of this incident, or of all five."""
    for number, errors in DIED.items():
        for place, error in enumerate(errors):
            if page[0] in (number, *"IP") or (page == ONCE_THROUGH and number == "1"):
                dying = delivery("{}", queue="webhooks", attempt=5)
                made = letter(dying, dead(error, worker="webhook-delivery"), worker="webhook-delivery", now=NOW)
                reason: Any = {"DataType": "String", "StringValue": made.attributes[ATTRIBUTE].text}
                ground.put({"order": f"{number}-{place}"}, attributes={ATTRIBUTE: reason})
    if page.startswith("It disappears"):
        ground.aws.sqs.set_queue_attributes(QueueUrl=ground.dead, Attributes={"MessageRetentionPeriod": "14400"})


def somebody_has_a_key(ground: Ground, cli: Lines) -> None:
    """The archive's worker has hidden a row of user-17."""
    key, table = HashKey("k1", b"\1" * 32), ground.aws.table("name", label="subject-keys")
    cli.environment["AUDIT_HASH_KEYS"] = f"{key.id}:{base64.b64encode(key.secret).decode()}"
    cli.environment["SUBJECT_KEYS_TABLE_NAME"] = table

    async def hide() -> None:
        async with ground.aws.open("dynamodb") as client:
            await SubjectKeys(DynamoDbSubjects(client, table=table), (key,), lambda: NOW).of({"user-17"})

    asyncio.run(hide())


@pytest.mark.slow
@pytest.mark.parametrize("page", [name for name in PAGES if commands(name)])
def test_every_step_of_the_runbook_does_what_the_page_shows(page: str, ground: Ground, cli: Lines) -> None:
    bucket = ground.aws.bucket("archive")
    cli.environment["DLQ_ARCHIVE_BUCKET_NAME"] = bucket
    happened(ground, page)
    if page == ERASED:
        somebody_has_a_key(ground, cli)
    archive_id = letter_id = ""
    began = time.monotonic()
    with Worker(ground):
        for command, shown in commands(page):
            words = [ground.name if word == "webhooks-dlq" else word for word in shlex.split(command)[1:]]
            words = [str(cli.home / word) if word in ("p", "letters.jsonl") else word for word in words]
            words = [archive_id if before == "--archive-id" else word for before, word in pairwise(["", *words])]
            words = [letter_id if LETTER_ID.fullmatch(word) else word for word in words]
            result = cli(*words, exits=0, COLUMNS="250")
            letter_id = "".join(LETTER_ID.findall(result.stdout)[:1]) or letter_id
            archive_id = "".join(re.findall(r"archive_id ([0-9a-f]{32})", result.stdout)) or archive_id
            said = alike(own_names(result.stdout + result.stderr, ground, cli, bucket))
            assert shown or (cli.home / "letters.jsonl").stat().st_size, command
            for line in shown:
                assert alike(line) in said, (command, line, said)
    assert time.monotonic() - began < MOST_SECONDS


def own_names(text: str, ground: Ground, cli: Lines, bucket: str) -> str:
    """The names of this run, as the page has them."""
    for own, shown in (
        (ground.name, "webhooks-dlq"),
        (ground.source.rpartition("/")[2], "webhooks"),
        (os.fspath(cli.home) + "/", ""),
        (bucket, "letters-archive"),
    ):
        text = text.replace(own, shown)
    return text


def in_stage(stage: str, *, project: str) -> list[tuple[str, str]]:
    """Names of the alarms that a deployed stage has, each with that of its queue."""
    alarms = json.loads((Path(__file__).parents[3] / "infra" / "templates" / "alarms.json").read_text())
    found = [each["Properties"] for each in alarms["Resources"].values() if each["Type"] == "AWS::CloudWatch::Alarm"]
    pairs = [(each["AlarmName"], value["Value"]) for each in found for value in each.get("Dimensions", ())]
    return [
        tuple(text["Fn::Sub"].replace("${ProjectName}", project).replace("${Stage}", stage) for text in pair)
        for pair in pairs
        if all(isinstance(text, dict) and isinstance(text.get("Fn::Sub"), str) for text in pair)
    ]


def test_from_the_alarm_to_the_proof_are_twelve_commands_at_most() -> None:
    typed = [command for command, _ in commands(ONCE_THROUGH)]
    assert len(typed) + len(["the rollback"]) <= MOST_COMMANDS
    assert typed[-1] == "fleet audit verify"


@pytest.mark.parametrize("incident", [ONCE_THROUGH, *INCIDENTS])
def test_an_incident_begins_from_its_alarm_which_names_the_queue_of_its_first_command(incident: str) -> None:
    [alarm] = re.findall(r"```text\n(ALARM: .*?)```", PAGES[incident], re.DOTALL)
    [(name, queue)] = re.findall(r'ALARM: "([a-z-]+)".*QueueName = ([a-z-]+)', alarm, re.DOTALL)
    assert (name, queue) in in_stage("prod", project="fleet")
    assert "webhooks-dlq" in commands(incident)[0][0].split()
    assert PAGES[incident].index("```text") < PAGES[incident].index("```console")


def test_the_five_most_likely_incidents_are_there_and_the_last_page_proves_what_was_done() -> None:
    assert [name[0] for name in INCIDENTS] == ["1", "2", "3", "4", "5"]
    assert [*PAGES][-1] == "Prove what you did"
    assert "fleet audit show" in PAGES["Prove what you did"]
