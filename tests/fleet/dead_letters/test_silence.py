"""An endpoint that takes a connection and never answers is given up within 15 seconds, before and while a queue is read."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.dead_letters.queues.catalog import service
from fleet.dead_letters.replay.inventory import SILENCE
from shared.clients import Clients
from tests.fleet.dead_letters.clockwork import clockwork

PATIENCE, PAUSE = 15.0, 1.0
"""Seconds in all, and the longest pause between two tries."""


@pytest.fixture
def silent() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


async def test_all_tries_of_every_client_fit_into_fifteen_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    async with Clients({}, silence=1 + SILENCE) as clients:
        for client in (service("sqs"), await clients.open("sqs", attempts=2), await clients.open("sqs", attempts=1)):
            config = client.meta.config
            tries = config.retries["total_max_attempts"]
            assert tries * max(config.read_timeout, config.connect_timeout) + (tries - 1) * PAUSE <= PATIENCE


@pytest.mark.slow
def test_a_look_at_a_silent_endpoint_fails_in_words_within_fifteen_seconds(silent: str, tmp_path: Path) -> None:
    with clockwork(tmp_path) as works:
        began = time.monotonic()
        ended = works.fork("dlq", "list", "webhooks-dlq", environment={**works.environment, "AWS_ENDPOINT_URL": silent})
    assert time.monotonic() - began < PATIENCE
    assert (ended.status, ended.stderr.count("\n"), "Traceback" in ended.stderr) == (1, 1, False), ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize("action", ["ReceiveMessage", "SendMessageBatch"])
def test_an_endpoint_that_falls_silent_meanwhile_is_given_up_within_fifteen_seconds(
    action: str, tmp_path: Path
) -> None:
    with clockwork(tmp_path) as works:
        works.park(5)
        works("dlq", "plan", works.name, "-o", str(works.home / "p"))
        works.server.control.fault("timeout", action, seconds=120.0)
        began = time.monotonic()
        ended = works("dlq", "replay", str(works.home / "p"), "--yes", "--reason", "x", exits=None)
    assert time.monotonic() - began < PATIENCE
    assert (ended.status, "Traceback" in ended.stderr) == (1 if action == "ReceiveMessage" else 4, False), ended.stderr
