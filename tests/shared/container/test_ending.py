"""A process that is told to end, or that an error ends, is gone in time, whatever still runs in it."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from shared.container.exit_timer import OVERRUN
from tests.sqs_server.running import sqs_server

ROOT = Path(__file__).parents[3]


@pytest.fixture
def server_with_a_message() -> Iterator[dict[str, str]]:
    with sqs_server() as server:
        url, dead_letter_url = server.make_pair("uploads")
        server.sqs.send_message(QueueUrl=url, MessageBody="a")
        yield {**server.environment, "UPLOADS_QUEUE_URL": url, "UPLOADS_DLQ_URL": dead_letter_url}


PROGRAM = """
import asyncio, os, sys, threading, time
from shared import App, Each, Limits, Together, Worker
from shared.container import process

async def swallow(_event):
    print("begun", flush=True)
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            print("swallowed", flush=True)

async def in_a_thread(_event):
    print("begun", flush=True)
    await asyncio.to_thread(time.sleep, 600)

async def block(_event):
    print("begun", flush=True)
    time.sleep(600)

async def deaf(_event):
    print("begun", flush=True)
    while True:
        print("x" * 1_000)

async def beside_an_error(_event):
    asyncio.get_running_loop().call_later(0.5, asyncio.get_running_loop().stop)
    await swallow(_event)

async def thread_beside_an_error(_event):
    print("begun", flush=True)
    threading.Thread(target=time.sleep, args=(600,)).start()
    asyncio.get_running_loop().stop()

async def together(_events):
    await swallow(_events)

from contextlib import asynccontextmanager

@asynccontextmanager
async def open_workers(environment, clients):
    handle = globals()[sys.argv[1]]
    do = Together(handle, seconds=0.1) if handle is together else Each(handle)
    yield (Worker(name="sample", queue="uploads", decode=lambda each: each.body, do=do),)

sys.exit(process.main(App("sample", ("uploads",), open_workers), os.environ))
"""


def begun(handler: str, environment: Mapping[str, str]) -> subprocess.Popen[str]:
    """A process whose handler runs."""
    settings = {"POLL_WAIT_SECONDS": "1", "VISIBILITY_SECONDS": "30", "HEALTH_PORT": "0"}
    running = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), handler],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DRAIN_SECONDS": "2", **environment, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert running.stdout is not None
    assert any("begun" in line for line in running.stdout)
    return running


@pytest.mark.guarantee("R5")
@pytest.mark.slow
@pytest.mark.parametrize(
    ("handler", "place"),
    [
        ("swallow", "1 in __main__:swallow:"),
        ("together", "1 in __main__:swallow:"),
        ("in_a_thread", "asyncio_0 in run"),
        ("block", "MainThread in block"),
    ],
)
def test_a_process_is_gone_a_second_after_its_budget_and_says_what_still_ran(
    handler: str, place: str, server_with_a_message: dict[str, str]
) -> None:
    running = begun(handler, server_with_a_message)
    try:
        began = time.monotonic()
        running.send_signal(signal.SIGTERM)
        output, _ = running.communicate(timeout=20)
        assert time.monotonic() - began <= 2.0 + 1.0 + 1.0
    finally:
        running.kill()
    assert running.returncode == OVERRUN
    assert "process_overran_its_budget" in output
    assert place in output


@pytest.mark.guarantee("R5")
@pytest.mark.slow
@pytest.mark.parametrize("handler", ["beside_an_error", "thread_beside_an_error"])
def test_so_is_one_that_an_error_ends_while_something_does_not_return(
    handler: str, server_with_a_message: dict[str, str]
) -> None:
    running = begun(handler, server_with_a_message | {"DRAIN_SECONDS": "1"})
    try:
        output, _ = running.communicate(timeout=20)
    finally:
        running.kill()
    assert running.returncode == OVERRUN
    assert "process_overran_its_budget" in output


@pytest.mark.guarantee("R5")
@pytest.mark.slow
def test_a_process_whose_output_nobody_reads_is_gone_in_time_too(server_with_a_message: dict[str, str]) -> None:
    running = begun("deaf", server_with_a_message)
    try:
        began = time.monotonic()
        running.send_signal(signal.SIGTERM)
        assert running.wait(20) == OVERRUN
        assert time.monotonic() - began <= 2.0 + 1.0 + 1.0
    finally:
        running.kill()
        running.communicate()
