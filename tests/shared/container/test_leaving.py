"""A process that is told to leave: nothing healthy is spent, and the process is gone in time, whatever runs in it."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from shared.consumer import Pace
from shared.container.exit_timer import OVERRUN
from shared.message.delivery import Delivery
from shared.sqs.batches import Refused
from shared.worker import BatchResult, FairShares, Fifo
from tests.fakes import FakeQueue
from tests.fakes_ledger import FakeLedger
from tests.made import together
from tests.shared.rig import Rig, taking
from tests.sqs_server.running import sqs_server
from tests.virtual_time import clock, virtual

ROOT = Path(__file__).parents[3]


@pytest.mark.guarantee("R4")
def test_twenty_restarts_under_load_spend_at_most_one_receipt_each_and_bury_nothing() -> None:
    async def story() -> None:
        dice = random.Random(7)
        queue = FakeQueue(clock)
        rig = Rig(taking(0.5), queue=queue, pace=Pace(wait=5, drain=10))
        rig.start()
        done: list[str] = []
        for restart in range(20):
            for number in range(dice.randint(20, 60)):
                queue.put(f"{restart}-{number}")
                await asyncio.sleep(dice.random() / 20)
            await rig.drains()
            done += rig.ended
            rig = Rig(taking(0.5), queue=queue, pace=Pace(wait=5, drain=10))
            rig.start()
        await asyncio.sleep(60)
        await rig.drains()
        done += rig.ended
        assert sorted(done) == sorted(each.body for each in queue.messages)
        assert max(each.receipts for each in queue.messages) <= 2
        assert queue.letters == []

    virtual(story())


class SilentInTheEnd(FakeQueue):
    """From a moment on it answers nothing."""

    is_silent = False

    async def receive(self, *, limit: int, wait: int, visibility: int) -> list[Delivery]:
        await self._answers()
        return await super().receive(limit=limit, wait=wait, visibility=visibility)

    async def release(self, seconds: Mapping[Delivery, float]) -> list[Refused]:
        await self._answers()
        return await super().release(seconds)

    async def delete(self, deliveries: Sequence[Delivery]) -> list[Refused]:
        await self._answers()
        return await super().delete(deliveries)

    async def _answers(self) -> None:
        if self.is_silent:
            await asyncio.sleep(3_600)


def test_a_queue_that_answers_nothing_any_more_does_not_make_the_drain_longer_than_its_budget() -> None:
    async def story() -> None:
        queue = SilentInTheEnd(clock)
        rig = Rig(taking(60), queue=queue, pace=Pace(wait=5, drain=10), concurrency=1, order=FairShares(1))
        queue.put("a", "b", "c", group="a")
        await rig.runs_for(7)
        queue.is_silent = True
        await asyncio.sleep(5)
        assert await rig.drains() <= 10.0

    virtual(story())


async def drained(rig: Rig) -> MutableMapping[str, Any]:
    """The log line of its drain."""
    with capture_logs() as lines:
        await rig.drains()
    [line] = [each for each in lines if each["event"] == "drained"]
    return line


@pytest.mark.guarantee("R5")
@pytest.mark.parametrize("call", ["delete", "release"])
def test_a_drain_counts_what_it_could_not_settle_and_warns_of_it(call: str) -> None:
    async def story() -> None:
        work = taking(2 if call == "delete" else 600)
        rig = Rig(work, pace=Pace(wait=5, drain=10), concurrency=3)
        rig.queue.refuse = lambda asked, _delivery: "ServiceUnavailable" if asked == call else ""
        rig.queue.put("a", "b", "c")
        await rig.runs_for(1)
        line = await drained(rig)
        assert (line["unsettled"], line["log_level"]) == (3, "warning")
        assert len(rig.queue.left) == 3

    virtual(story())


def test_a_drain_counts_what_was_given_up_before_its_end_because_its_lease_was_over() -> None:
    async def story() -> None:
        rig = Rig(taking(2), pace=Pace(wait=2, visibility=5, drain=20), concurrency=3)
        rig.queue.refuse = lambda _asked, _delivery: "ServiceUnavailable"
        rig.queue.put("a", "b", "c")
        await rig.runs_for(1)
        assert (await drained(rig))["unsettled"] == 3

    virtual(story())


@pytest.mark.guarantee("R6")
def test_a_fifo_message_whose_delete_is_still_refused_when_the_drain_ends_is_not_given_back() -> None:
    async def story() -> None:
        rig = Rig(taking(1), pace=Pace(wait=5, drain=10), order=Fifo())
        rig.queue.refuse = lambda call, _delivery: "ServiceUnavailable" if call == "delete" else ""
        rig.queue.put("a", "b", group="g")
        await rig.runs_for(2)
        line = await drained(rig)
        assert rig.started == ["a"]
        assert (line["unsettled"], line["cut"]) == (1, 0)
        assert [each.body for each in rig.queue.visible()] == [], "its group waits with it, and b does not overtake"

    virtual(story())


def test_a_handler_may_stop_the_process_that_runs_it_and_is_done_itself() -> None:
    async def story() -> None:
        async def stopping(body: str) -> None:
            rig.stop.set()
            rig.stop.set()
            await asyncio.sleep(1)

        rig = Rig(stopping, pace=Pace(wait=5, drain=10), concurrency=1, order=FairShares(1))
        rig.queue.put("a", "b", group="g")
        await rig.runs_for(30)
        assert rig.ended[0] == "a"
        assert rig.queue.messages[0].deleted
        assert rig.leases.kept == 0

    virtual(story())


class SlowLedger(FakeLedger):
    async def count(self, key: str, *, by: int, now: float, keep: float) -> int:
        await asyncio.sleep(1.9)
        return await super().count(key, by=by, now=now, keep=keep)


@pytest.mark.guarantee("B30")
def test_what_its_batch_had_finished_when_the_drain_cut_it_is_deleted_and_not_given_back() -> None:
    async def story() -> None:
        async def halves(bodies: Sequence[str]) -> BatchResult:
            await asyncio.sleep(12.5)
            return [None if each == "done" else ConnectionError() for each in bodies]

        rig = Rig(batch=halves, limits=together(count=2, seconds=1), pace=Pace(wait=1, drain=10), ledger=SlowLedger())
        done, failed = rig.queue.put("done", "failed")
        await rig.runs_for(5)
        assert (await drained(rig))["unsettled"] == 0
        assert (done.deleted, failed.deleted) == (True, False)

    virtual(story())


def test_a_drain_that_settled_everything_says_so_without_a_warning() -> None:
    async def story() -> None:
        rig = Rig(taking(2), pace=Pace(wait=5, drain=10), concurrency=1, order=FairShares(1))
        rig.queue.put(*(str(number) for number in range(12)), group="a")
        await rig.runs_for(1)
        line = await drained(rig)
        assert (line["unsettled"], line["log_level"]) == (0, "info")

    virtual(story())


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
