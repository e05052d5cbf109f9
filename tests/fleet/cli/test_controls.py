"""`fleet pause`, `resume` and `limit`, as an operator types them, beside a running worker."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fleet.dev.crew import Crew, Post
from fleet.dev.emulators.ministack import free_port
from tests.aws import Aws
from tests.waiting import until

pytestmark = pytest.mark.slow


@pytest.fixture
def environment(aws: Aws, tmp_path: Path) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    table = aws.table("key", label="orders")
    return {**inherited, **aws.environment, "LEDGER_TABLE_NAME": table, "XDG_STATE_HOME": str(tmp_path / "state")}


def fleet(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fleet.cli", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)


def test_a_limit_stays_through_a_pause(environment: dict[str, str]) -> None:
    said = [
        fleet(environment, *words).stdout.strip()
        for words in (
            ("limit", "audit-archive", "--concurrency", "2", "--rate", "5", "--no-wait"),
            ("pause", "audit-archive", "--no-wait"),
            ("resume", "audit-archive", "--no-wait"),
            ("limit", "audit-archive", "--no-wait"),
        )
    ]
    assert said == [
        "audit-archive: running, concurrency 2, rate 5.0",
        "audit-archive: paused, concurrency 2, rate 5.0",
        "audit-archive: running, concurrency 2, rate 5.0",
        "audit-archive: running, concurrency the worker's own, rate the worker's own",
    ]
    told = fleet(environment, "limit", "audit-archive", "--no-wait", "--reason", "a storm\nof them").stderr
    assert "this does not say whether any does" in told
    log = Path(environment["XDG_STATE_HOME"], "fleet/dlq-audit.jsonl").read_text().splitlines()
    records = [json.loads(each) for each in log]
    assert [each["outcome"] for each in records] == ["begun", "done"] * 5
    assert [records[-1][name] for name in ("command", "queue", "reason")] == [
        "limit",
        "audit-archive",
        "a storm of them",
    ]
    assert records[0]["note"] == "concurrency 2, rate 5.0"


def test_a_worker_that_nobody_knows_ends_with_2(environment: dict[str, str]) -> None:
    assert fleet(environment, "pause", "nobody").returncode == 2


async def test_a_paused_worker_leaves_messages_where_they_are_until_it_is_resumed(
    aws: Aws, environment: dict[str, str], tmp_path: Path
) -> None:
    queue, port = aws.queue("uploads"), free_port()
    own = {
        **environment,
        "UPLOADS_QUEUE_URL": queue,
        "UPLOADS_DLQ_URL": aws.queue("uploads-dlq"),
        "WS_API_ENDPOINT": "http://127.0.0.1:9/none",
        "POLL_WAIT_SECONDS": "1",
        "HEALTH_PORT": str(port),
    }
    log = tmp_path / "worker.log"
    nobody = await asyncio.to_thread(fleet, own, "pause", "upload-notification")
    assert (nobody.returncode, "nobody follows" in nobody.stderr) == (4, True)
    post = Post("w", ("run", "upload-notification"), own, log, f"http://127.0.0.1:{port}/livez")
    async with Crew([post], say=print) as crew:
        await crew.ready(seconds=20)
        await until(lambda: "orders_taken" in log.read_text(), seconds=10, what="the pause")
        aws.sqs.send_message(QueueUrl=queue, MessageBody='{"Event": "s3:TestEvent"}')
        lives = await asyncio.to_thread(fleet, own, "workers")
        assert "upload-notification: paused" in lives.stdout
        assert " heard " in lives.stdout
        assert "  follows" in lives.stdout
        resumed = await asyncio.to_thread(fleet, own, "resume", "upload-notification")
        assert (resumed.returncode, resumed.stderr.count(" follows")) == (0, 1)
        await until(lambda: log.read_text().count("orders_taken") == 2, seconds=10, what="the end of the pause")
        before_resume = log.read_text().split('"orders_taken"')[1]
        assert "message_done" not in before_resume
        await until(lambda: "message_done" in log.read_text(), seconds=10, what="the message handled")
