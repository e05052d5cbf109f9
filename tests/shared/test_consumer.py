"""What the join hands on: a line less in it, and a worker would consume without its ledger, its bodies or its clocks."""

import asyncio
import json
from typing import Any

import pytest

from shared.consumer import Clocks, Consumer, Pace, Stores, join
from shared.message.dead_letter import done_mark
from shared.message.delivery import Attribute, Delivery
from shared.message.identity import ATTRIBUTE, REPLAY
from shared.message.pointer import MARK, with_body
from shared.outcome import Reject
from tests.fakes import FakeQueue, delivery
from tests.fakes_ledger import FakeLedger
from tests.made import make_worker
from tests.virtual_time import clock, virtual

NOON = 1_795_262_400.0


class Bodies:
    """One body in S3."""

    threshold = 1_048_576

    async def unpack(self, pointer: Delivery) -> Delivery:
        return with_body(pointer, "whole")

    async def check_in(self, body: str, attributes: Any) -> Any:
        raise AssertionError("nothing is stored here")


async def fail(_event: object) -> None:
    raise Reject("never")


async def stumble(_event: object) -> None:
    raise ConnectionError


async def travel(consumer: Consumer, received: Delivery) -> bool:
    """Down the road of the consumer, with a lease on the message, as a door has it."""
    consumer.leases.take(received, until=clock() + 60)
    return await consumer.pipeline.travel(received)


def test_a_key_is_claimed_and_a_replay_is_told_in_the_ledger_of_the_worker() -> None:
    async def story() -> None:
        done: list[str] = []

        async def handle(event: Delivery) -> None:
            done.append(event.body)

        ledger = FakeLedger()
        worker = make_worker(handle, key=lambda event: event.body)
        consumer = join(
            worker, Stores(FakeQueue(clock), ledger), clocks=Clocks(monotonic=clock, lease=clock, wall=lambda: NOON)
        )
        note = Attribute("String", json.dumps({"plan_id": "p", "replayed_from": "m"}))
        for _ in range(2):
            assert await travel(consumer, delivery("a", attributes={REPLAY: note}))
        assert done == ["a"]
        assert {"sample#a", done_mark("p", "m")} <= ledger.rows.keys()
        assert ledger.rows["sample#a"].claimed_until > NOON - 1
        assert (ledger.rows[done_mark("p", "m")].done_until or 0.0) > NOON + 14 * 86_400, (
            "as long as SQS keeps a message"
        )

    virtual(story())


def test_a_body_in_s3_is_fetched_from_the_workers_bodies() -> None:
    async def story() -> None:
        seen: list[str] = []

        async def handle(event: Delivery) -> None:
            seen.append(event.body)

        stores = Stores(FakeQueue(clock), payloads=Bodies())
        consumer = join(make_worker(handle), stores, clocks=Clocks(monotonic=clock, lease=clock))
        assert await travel(consumer, delivery("pointer", attributes={MARK: Attribute("Number", "5")}))
        assert seen == ["whole"]

    virtual(story())


def test_nothing_runs_whose_lease_is_over() -> None:
    async def story() -> None:
        seen: list[str] = []

        async def handle(event: Delivery) -> None:
            seen.append(event.body)

        consumer = join(make_worker(handle), Stores(FakeQueue(clock)), clocks=Clocks(monotonic=clock, lease=clock))
        received = delivery("a")
        consumer.leases.take(received, until=clock() + 60)
        await asyncio.sleep(61)
        assert not await consumer.pipeline.travel(received)
        assert seen == []

    virtual(story())


def test_a_letter_bears_the_time_of_the_joined_wall_clock() -> None:
    async def story() -> None:
        queue = FakeQueue(clock)
        consumer = join(
            make_worker(fail), Stores(queue), clocks=Clocks(monotonic=clock, lease=clock, wall=lambda: NOON)
        )
        assert await travel(consumer, delivery("a"))
        [letter] = queue.letters
        assert json.loads(letter.attributes[ATTRIBUTE].text or "")["last_failure"] == "2026-11-21T12:00:00+00:00"

    virtual(story())


def test_a_failed_message_is_hidden_by_the_joined_dice() -> None:
    async def story() -> None:
        queue = FakeQueue(clock)
        consumer = join(
            make_worker(stumble), Stores(queue), clocks=Clocks(monotonic=clock, lease=clock, dice=lambda: 0.75)
        )
        [stored] = queue.put("a")
        [received] = await queue.receive(limit=1, wait=0, visibility=60)
        assert not await travel(consumer, received)
        await asyncio.sleep(1)  # releases go out together
        assert stored.hidden_until - clock() + 1 == pytest.approx(0.75 * make_worker(stumble).backoff.base, abs=0.1)

    virtual(story())


def test_the_environments_concurrency_takes_the_place_of_the_workers_own() -> None:
    worker = make_worker(fail, concurrency=7)

    async def story() -> None:
        stores = Stores(FakeQueue(clock))
        assert join(worker, stores).worker.limits.concurrency == 7
        assert join(worker, stores, pace=Pace(concurrency=3)).worker.limits.concurrency == 3

    virtual(story())
