"""Bodies in hand stay inside of BODY_BUDGET_BYTES, behind both doors: M1 and M2."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from shared.app import App
from shared.clients import Clients
from shared.container import process
from shared.worker import Worker
from tests.behaviours.doors import ContainerDoor, Door
from tests.behaviours.stage import Gate, Stage, never
from tests.behaviours.test_bodies_in_s3 import points, s3, sends
from tests.made import together
from tests.shared.sqs.s3_server import S3Server
from tests.waiting import until

__all__ = ["s3"]

pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")  # aiohttp's advice

MEBIBYTE = 1_048_576
QUEUES = ("uploads", "reminders")
LARGE = "large".ljust(2 * MEBIBYTE, ".")
"""More than the whole budget."""


@pytest.fixture(autouse=True)
def _smallest_budget(stage: Stage) -> None:
    stage.more["BODY_BUDGET_BYTES"] = str(MEBIBYTE)


@pytest.mark.guarantee("M2")
async def test_a_body_larger_than_the_budget_goes_alone_and_its_neighbours_go_on(
    stage: Stage, door: Door, s3: S3Server
) -> None:
    stage.queues()
    gate = Gate()
    stage.work[LARGE] = lambda _delivery: gate.passed()
    await sends(stage, LARGE, LARGE, LARGE, "one", "two", "three")
    await door.opens(stage.worker())
    await until(lambda: len(stage.ended) == 3 and LARGE in stage.started, seconds=20, what="the small ones' end")
    assert sorted(stage.ended) == ["one", "three", "two"]
    assert (stage.started.count(LARGE), s3.count("GET")) == (1, 1)
    gate.open()
    await stage.empty(seconds=20)
    assert (stage.ended.count(LARGE), stage.most_running <= 4) == (3, True)


@pytest.mark.guarantee("M2")
async def test_batches_of_large_bodies_are_read_one_after_the_other(stage: Stage, door: Door, s3: S3Server) -> None:
    stage.queues()
    in_hand: list[int] = []

    async def handle_batch(events: Any) -> list[None]:
        in_hand.append(sum(len(each.body) for each in events))
        reads = s3.count("GET")
        await asyncio.sleep(0.05)
        in_hand.append(s3.count("GET") - reads)
        return [None] * len(events)

    await sends(stage, LARGE, LARGE, LARGE)
    await door.opens(stage.worker(handle_batch=handle_batch, batch=together(count=10, bytes=MEBIBYTE, seconds=0.05)))
    await stage.empty(seconds=20)
    assert in_hand == [len(LARGE), 0] * 3


@pytest.mark.guarantee("M2")
async def test_a_pointer_that_states_any_size_stops_nobody(stage: Stage, door: Door, s3: S3Server) -> None:
    stage.queues()
    points(stage, "absurd", size=999_999_999_999_999)
    await sends(stage, "small")
    await door.opens(stage.worker())
    await stage.empty(seconds=20)
    assert (stage.ended, len(stage.buried()), s3.count("GET")) == (["small"], 1, 0)


@pytest.mark.guarantee("M1")
async def test_a_full_budget_stops_intake_until_something_ends(stage: Stage, container: ContainerDoor) -> None:
    stage.queues()
    gate = Gate()
    stage.otherwise = lambda _delivery: gate.passed()
    bodies = [str(number).ljust(300_000, ".") for number in range(30)]
    for body in bodies:
        stage.send(body)
    await container.opens(stage.worker(concurrency=30))
    await until(lambda: len(stage.started) == 10, seconds=20, what="the first receive")
    await never(lambda: len(stage.started) > 10, seconds=0.5)
    gate.open()
    await stage.empty(seconds=30)
    assert sorted(stage.ended) == sorted(bodies)
    first, *later = Counter(each.at for each in stage.entries("receive")).values()
    assert first == 10
    assert max(later) <= MEBIBYTE // 300_000


@pytest.mark.guarantee("M1")
async def test_no_further_poll_is_opened_for_what_there_is_no_room_for(stage: Stage, container: ContainerDoor) -> None:
    stage.queues()
    gate = Gate()
    stage.otherwise = lambda _delivery: gate.passed()
    stage.send(*(str(number).ljust(100_000, ".") for number in range(10)))
    stage.send(*(str(number).ljust(100_000, ".") for number in range(10, 20)))
    await container.opens(stage.worker(concurrency=60))
    await until(lambda: len(stage.started) == 11, seconds=20, what="ten that fit, and one for what is left")
    await never(lambda: len(stage.started) > 11, seconds=0.5)
    gate.open()
    await stage.empty(seconds=30)


@pytest.mark.slow
@pytest.mark.guarantee("M2")
async def test_all_queues_of_a_process_share_one_budget(stage: Stage, s3: S3Server) -> None:
    stage.queues()
    url, dead = stage.server.make_pair("reminders")
    stage.more |= {"REMINDERS_QUEUE_URL": url, "REMINDERS_DLQ_URL": dead, "HEALTH_PORT": "0", "POLL_WAIT_SECONDS": "1"}
    gate, stop = Gate(), asyncio.Event()
    stage.otherwise = lambda _delivery: gate.passed()
    for queue in QUEUES:
        await sends(stage, LARGE, queue=queue)

    @asynccontextmanager
    async def open_workers(
        _environment: Mapping[str, str], _clients: Clients
    ) -> AsyncIterator[tuple[Worker[Any], ...]]:
        yield tuple(stage.worker(queue=queue) for queue in QUEUES)

    running = asyncio.create_task(process.run(App("sample", QUEUES, open_workers), stage.environment, stop=stop))
    try:
        await until(lambda: stage.started, seconds=20, what="the first body")
        await never(lambda: len(stage.started) > 1, seconds=0.5)
        gate.open()
        await until(lambda: len(stage.ended) == 2, seconds=20, what="both bodies' end")
    finally:
        gate.open()
        stop.set()
        await running
