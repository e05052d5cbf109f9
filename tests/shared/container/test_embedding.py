"""A program that runs a worker inside itself has its signals and its garbage collector back, and stops it as it likes."""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from shared.app import App
from shared.clients import Clients
from shared.container import process
from shared.container.heartbeat import Beat, Heartbeats
from shared.worker import Worker
from tests.aws import Aws


@asynccontextmanager
async def nobody(_environment: Mapping[str, str], _clients: Clients) -> AsyncIterator[tuple[Worker[Any], ...]]:
    yield ()


IDLE = App("idle", (), nobody)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    for name in ("AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "us-east-1")
    return {"HEALTH_PORT": "0"}


async def test_a_stop_of_its_own_installs_no_signal_handler_and_may_be_set_twice(
    environment: Mapping[str, str],
) -> None:
    before, stop = signal.getsignal(signal.SIGTERM), asyncio.Event()
    running = asyncio.create_task(process.run(IDLE, environment, stop=stop))
    await asyncio.sleep(0)
    assert signal.getsignal(signal.SIGTERM) is before
    stop.set()
    stop.set()
    async with asyncio.timeout(10):
        await running


async def test_signal_handlers_and_the_frozen_heap_are_given_back(environment: Mapping[str, str]) -> None:
    gc.unfreeze()  # what an earlier test may have left
    before, frozen = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)], gc.get_freeze_count()
    threshold = gc.get_threshold()
    async with asyncio.timeout(10):
        await process.run(IDLE, environment)  # without a queue it is at its end at once
    assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)] == before
    assert gc.get_freeze_count() == frozen
    assert gc.get_threshold() == threshold


async def test_of_two_workers_in_one_loop_the_last_to_end_gives_the_frozen_heap_back(
    environment: Mapping[str, str],
) -> None:
    def lasting(until: asyncio.Event) -> App:
        @asynccontextmanager
        async def held(_environment: Mapping[str, str], _clients: Clients) -> AsyncIterator[tuple[Worker[Any], ...]]:
            yield ()
            started.release()
            await until.wait()

        return App("lasting", (), held)

    gc.unfreeze()
    started, threshold, ends = asyncio.Semaphore(0), gc.get_threshold(), [asyncio.Event(), asyncio.Event()]
    async with asyncio.timeout(10):
        runs = [asyncio.create_task(process.run(lasting(each), environment, stop=asyncio.Event())) for each in ends]
        for _ in ends:
            await started.acquire()
        ends[0].set()
        await runs[0]
        assert gc.get_threshold() != threshold, "the other goes on"
        assert gc.get_freeze_count()
        ends[1].set()
        await runs[1]
    assert (gc.get_threshold(), gc.get_freeze_count()) == (threshold, 0)


async def test_a_process_that_ends_says_so_in_its_heartbeat(monkeypatch: pytest.MonkeyPatch, aws: Aws) -> None:
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    table = aws.table("key")
    at_this_table = {**aws.environment, "LEDGER_TABLE_NAME": table}
    heard = tuple[Beat, ...]()
    async with asyncio.timeout(20), Clients(at_this_table) as clients:
        beats = Heartbeats(await clients.open("dynamodb"), table=table)
        while not any(each.has_ended for each in heard):  # on a busy machine there may be no time for the last word
            async with process._heartbeat(IDLE, at_this_table, clients, faults=lambda: ("polls fail",)):
                while not any(each.faults for each in heard):
                    heard = await beats.read("idle")
            heard = await beats.read("idle")
    assert [(each.has_ended, each.faults) for each in heard] == [(True, ())]
