"""The demo and the development fleet as a user starts them: one command, real processes, real files."""

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest
from jsonschema import Draft202012Validator

from fleet.cli import env_file
from fleet.dev.demo import cast
from fleet.dev.emulators.ministack import Endpoint
from tests.waiting import until

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "schemas" / "demo.schema.json").read_text())

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


async def fleet(folder: Path, *arguments: str, **variables: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "fleet.cli", *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env={**os.environ, "COLUMNS": "200", **variables},
    )


async def demo(folder: Path, emulator: Endpoint, *arguments: str) -> tuple[int | None, dict[str, Any], str]:
    """Run the demo on the emulator of the tests, under names of its own."""
    where = ("--endpoint", emulator.url, "--project", f"demo-{folder.name[-8:].replace('_', '-').lower()}0")
    process = await fleet(folder, "demo", "--json", *where, *arguments, **emulator.environment)
    async with asyncio.timeout(300):
        out, words = await process.communicate()
    return process.returncode, json.loads(out) if out else {}, words.decode()


async def test_the_story_comes_to_its_end_though_a_worker_is_killed_in_the_middle(
    tmp_path: Path, emulator: Endpoint
) -> None:
    code, report, words = await demo(tmp_path, emulator)
    assert code == 0, words
    Draft202012Validator(SCHEMA).validate(report)
    assert report["missing"] == []
    assert {upload["status"] for upload in report["uploads"]} == {"UPLOADED", "COMPLETE", "REJECTED"}
    rejected = {upload["name"]: upload["reason"] for upload in report["uploads"] if upload["status"] == "REJECTED"}
    assert rejected == {
        "both picture and script.gif": "content_mismatch",
        "nothing.png": "empty",
        "infected.txt": "threats_found",
    }
    assert max(upload["size"] for upload in report["uploads"]) > 5 * 1024 * 1024
    assert report["kill"]["worker"] == "audit-archive"
    assert report["kill"]["messages_in_hand"] >= 1

    healthy, flaky, gone, down = report["webhooks"]
    of_tenant = len(report["uploads"]) - len(cast.judged_files("run"))
    assert healthy["delivered"] == of_tenant + 1 + 5  # one reminder goes by webhook, and five orders
    assert (down["delivered"], down["answers"]) == (1, {"503": 5, "200": 1}), "one of five was sent again"
    assert flaky["delivered"] == of_tenant
    assert flaky["answers"]["500"] == 2 * flaky["delivered"]
    assert (gone["enabled"], gone["delivered"], set(gone["answers"])) == (False, 0, {"410"})
    assert sum(endpoint["refused_signatures"] for endpoint in report["webhooks"]) == 0

    waiting = [reminder for reminder in report["reminders"] if reminder["status"] == "PENDING"]
    sent = [reminder for reminder in report["reminders"] if reminder not in waiting]
    assert {reminder["channel"] for reminder in sent} == {"push", "email", "webhook"}
    assert {reminder["status"] for reminder in sent} == {"SENT"}
    assert {reminder["deliveries"] for reminder in sent} == {1, None}  # three ticks, one push each
    assert [reminder["note"] for reminder in sent if reminder["note"]] == ["receipt: DELIVERED"]
    held, refused = waiting
    assert held["note"].startswith("quiet until ")
    assert refused["note"] == "breaker open: UNAUTHORIZED"
    assert (held["deliveries"], refused["deliveries"]) == (0, 0)
    assert sum(reminder["next_due_at"] is not None for reminder in report["reminders"]) == 1

    assert report["audit"]["verified"]
    assert report["audit"]["records"] > 2 * len(report["uploads"])
    (letter,) = report["dead_letters"]
    assert (letter["queue"], letter["worker"], letter["error_type"]) == ("uploads", "upload-notification", "Reject")
    assert {hop["hop"] for hop in report["latency"]} >= {"upload PUT to browser message", "row written to row archived"}


async def test_what_does_not_come_in_time_is_named_and_ends_the_demo_with_1(tmp_path: Path, emulator: Endpoint) -> None:
    code, report, words = await demo(tmp_path, emulator, "--within", "1", "--kill", "none")
    assert code == 1, words
    Draft202012Validator(SCHEMA).validate(report)
    assert report["ok"] is False
    assert report["missing"]
    assert all(f"missing: {name}" in words for name in report["missing"])


async def test_a_client_drives_the_development_fleet_and_ctrl_c_drains_it(tmp_path: Path) -> None:
    process = await fleet(tmp_path, "dev")
    file = tmp_path / ".fleet" / "dev.env"
    try:
        await until(lambda: file.exists() or has_ended(process), seconds=60, what="dev.env")
        assert not has_ended(process), (await process.communicate())[1].decode()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        given = env_file.read(file)
        await uploaded(given)
        sound = await fleet(tmp_path, "doctor", "--env-file", str(file))
        out, _ = await sound.communicate()
        assert sound.returncode == 0, out.decode()
    finally:
        if not has_ended(process):
            process.send_signal(signal.SIGINT)
        async with asyncio.timeout(60):
            out, words = await process.communicate()
    assert process.returncode == 0, words.decode()
    assert given["AWS_ENDPOINT_URL"] in out.decode()
    assert given["AUDIT_HASH_KEYS"] not in out.decode()
    assert "draining" in words.decode()
    assert not file.exists()
    logs = (tmp_path / ".fleet" / "logs" / "upload-notification.log").read_text()
    assert "worker_stopped" in logs


def has_ended(process: asyncio.subprocess.Process) -> bool:
    return process.returncode is not None


async def uploaded(given: dict[str, str]) -> None:
    """Put an object as any boto3 client would, and wait until its session says so."""
    session = boto3.Session(
        given["AWS_ACCESS_KEY_ID"], given["AWS_SECRET_ACCESS_KEY"], region_name=given["AWS_DEFAULT_REGION"]
    )
    dynamodb = session.client("dynamodb", endpoint_url=given["AWS_ENDPOINT_URL"])
    s3 = session.client("s3", endpoint_url=given["AWS_ENDPOINT_URL"])
    table, key = given["SESSIONS_TABLE_NAME"], {"sessionId": {"S": "mine"}}
    dynamodb.put_item(TableName=table, Item={**key, "status": {"S": "AWAITING_SCAN"}})
    s3.put_object(Bucket=given["UPLOAD_BUCKET_NAME"], Key="session-uploads/mine/a file.txt", Body=b"x")

    def status() -> bool:
        item = dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]
        return item["status"]["S"] == "UPLOADED"

    await until(status, seconds=30, what="the session's state")
