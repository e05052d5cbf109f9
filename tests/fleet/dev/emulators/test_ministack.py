"""The embedded emulator: where it listens, what it knows of us, and that it never outlives us."""

import asyncio
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from fleet.dev import child
from fleet.dev.emulators.ministack import EmulatorFailed, Endpoint, answers, await_answer, free_port, ministack
from tests.waiting import until

HOLDS_AN_EMULATOR = """
import json
import sys
from pathlib import Path
from fleet.dev.emulators.ministack import ministack
with ministack(log=Path(sys.argv[1])) as endpoint:
    print(json.dumps(dict(endpoint.environment)), flush=True)
    sys.stdin.read()
"""


def test_it_answers_while_the_block_runs_and_is_gone_after(tmp_path: Path) -> None:
    with ministack(log=tmp_path / "ministack.log") as endpoint:
        assert answers(endpoint)
    assert not answers(endpoint)


def test_it_listens_on_one_loopback_address_only(tmp_path: Path) -> None:
    with ministack(log=tmp_path / "ministack.log") as endpoint, socket.socket() as other_address:
        port = int(endpoint.url.rpartition(":")[2])
        other_address.bind(("127.0.0.2", port))  # would be taken if it listened on every interface


def test_the_callers_settings_do_not_reach_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    monkeypatch.setenv("SERVICES", "s3")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with ministack(log=tmp_path / "ministack.log") as endpoint:
        assert answers(endpoint)


async def test_it_dies_with_its_starter_even_when_that_is_killed(tmp_path: Path) -> None:
    starter = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDS_AN_EMULATOR, str(tmp_path / "log"), stdin=PIPE, stdout=PIPE
    )
    assert starter.stdout is not None
    endpoint = Endpoint.from_environment(json.loads(await starter.stdout.readline()))
    assert answers(endpoint)
    starter.kill()
    await starter.wait()
    await until(lambda: not answers(endpoint), what="the end of the orphaned emulator")


def test_a_crash_at_start_is_told_with_the_last_words(tmp_path: Path) -> None:
    crashing = child.start(
        [sys.executable, "-c", "raise SystemExit('no port for me')"],
        environment=os.environ,
        log=tmp_path / "crash.log",
    )
    with pytest.raises(EmulatorFailed, match="no port for me"):
        await_answer(crashing, Endpoint(f"http://127.0.0.1:{free_port()}"), seconds=5)


def test_an_emulator_that_never_answers_is_given_up(tmp_path: Path) -> None:
    silent = child.start(
        [sys.executable, "-c", "import signal; signal.pause()"], environment=os.environ, log=tmp_path / "silent.log"
    )
    try:
        with pytest.raises(EmulatorFailed, match="did not answer within 0 s"):
            await_answer(silent, Endpoint(f"http://127.0.0.1:{free_port()}"), seconds=0.2)
    finally:
        silent.stop()


async def test_a_child_that_ignores_the_request_to_end_is_killed(tmp_path: Path) -> None:
    program = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"
    stubborn = child.start([sys.executable, "-c", program], environment=os.environ, log=tmp_path / "stubborn.log")
    await until(lambda: "deaf" in stubborn.last_words(), what="the child's first word")
    assert stubborn.stop(patience=0.1) == -signal.SIGKILL


def test_an_endpoint_reads_and_writes_the_variables_of_boto() -> None:
    endpoint = Endpoint.from_environment(
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566", "AWS_ENDPOINT_URL_DYNAMODB_STREAMS": "http://127.0.0.1:8000"}
    )
    assert endpoint.url_of("sqs") == "http://127.0.0.1:4566"
    assert endpoint.url_of("dynamodbstreams") == "http://127.0.0.1:8000"
    assert Endpoint.from_environment(endpoint.environment) == endpoint
