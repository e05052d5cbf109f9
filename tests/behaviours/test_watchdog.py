"""A queue that is not polled any more turns its container unhealthy, and the container's other queue goes on: B31."""

import asyncio
import json
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.error import HTTPError

import pytest

from tests.behaviours.stage import Stage
from tests.waiting import until

pytestmark = pytest.mark.slow

WATCHDOG = 1.5
"""Seconds in this process; sixty where nothing is set."""


class Watched:
    """A container process with the queues `uploads` and `reminders`."""

    def __init__(self, port: int) -> None:
        self._port = port

    def answers(self) -> tuple[int, list[str]]:
        """What /readyz answers, and the faults that it names."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/readyz", timeout=5) as answer:
                return answer.status, json.load(answer)["faults"]
        except HTTPError as error:
            return error.code, json.load(error)["faults"]


@asynccontextmanager
async def watched(environment: dict[str, str]) -> AsyncIterator[Watched]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.behaviours.watched_worker", env=environment, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        line: dict[str, Any] = {}
        while line.get("event") != "worker_started":
            async with asyncio.timeout(20):
                line = json.loads(await process.stdout.readline())
        yield Watched(line["health_port"])
    finally:
        process.kill()
        await process.wait()


@pytest.mark.guarantee("B31")
@pytest.mark.parametrize("fault", ["timeout", "denied"])
async def test_without_an_answered_poll_a_container_is_not_ready_and_its_other_queue_goes_on(
    stage: Stage, fault: str
) -> None:
    stage.queues("reminders")
    reminders = {"REMINDERS_QUEUE_URL": stage.url, "REMINDERS_DLQ_URL": stage.dead_url}
    stage.queues("uploads")
    environment = {
        **stage.environment,
        **reminders,
        "HEALTH_PORT": "0",
        "POLL_WAIT_SECONDS": "1",
        "WATCHDOG_SECONDS": str(WATCHDOG),
        "PATH": "/usr/bin:/bin",
    }
    async with watched(environment) as made:
        await until(lambda: len(stage.requests("ReceiveMessage")) >= 2, what="a poll that waits")
        assert made.answers() == (200, [])
        stage.control.fault(fault, "ReceiveMessage", queues=("uploads",), seconds=3_600)

        await until(lambda: made.answers()[0] == 503, seconds=15, what="an unhealthy answer")
        _, [silent] = made.answers()
        assert silent.startswith("uploads: ")
        assert "reminders" not in silent
        stage.queue, stage.url = "reminders", reminders["REMINDERS_QUEUE_URL"]
        stage.send("a", "b", "c")
        await until(lambda: len(stage.entries("delete")) == 3, seconds=2, what="the queue that is well")
