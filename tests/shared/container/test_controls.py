"""Orders reach running workers, and what cannot be read changes nothing."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from structlog.testing import capture_logs

from shared.container.controls import LOOKS_EVERY, Controls, Orders, obey, obeyed, orders_of
from tests.aws import Aws
from tests.virtual_time import clock, virtual


class Taker:
    """A poller as far as orders go."""

    def __init__(self) -> None:
        self.taken: list[tuple[int | None, float | None]] = []

    def adjust(self, *, concurrency: int | None, rate: float | None) -> None:
        self.taken.append((concurrency, rate))


def test_orders_are_carried_out_once_and_again_when_they_change() -> None:
    async def story() -> list[tuple[int | None, float | None]]:
        answers = [Orders(), Orders(paused=True), Orders(paused=True), Orders(concurrency=3, rate=1.5), Orders()]
        taker = Taker()

        async def look(_worker: str) -> Orders:
            return answers.pop(0) if answers else Orders()

        obeying = asyncio.create_task(obey("sample", (taker,), look))
        await asyncio.sleep(60)
        obeying.cancel()
        return taker.taken

    assert virtual(story()) == [(0, None), (3, 1.5), (None, None)]


def test_while_orders_cannot_be_read_the_last_ones_stay_in_force_and_one_warning_says_so() -> None:
    async def story() -> list[tuple[int | None, float | None]]:
        looks = 0
        taker = Taker()

        async def look(_worker: str) -> Orders:
            nonlocal looks
            looks += 1
            if looks > 1:
                raise ConnectionError
            return Orders(paused=True)

        with capture_logs() as lines:
            obeying = asyncio.create_task(obey("sample", (taker,), look))
            await asyncio.sleep(60)
            obeying.cancel()
        assert [each["event"] for each in lines if each["log_level"] == "warning"] == ["orders_unreadable"]
        return taker.taken

    assert virtual(story()) == [(0, None)]


def test_what_is_paused_is_paused_before_it_polls_when_it_is_started_again() -> None:
    async def story() -> None:
        taker = Taker()

        async def look(_worker: str) -> Orders:
            await asyncio.sleep(2)
            return Orders(paused=True)

        async with obeyed("sample", (taker,), look, stop=asyncio.Event()):
            assert taker.taken == [(0, None)]

    virtual(story())


@pytest.mark.parametrize("stops", [False, True])
def test_orders_that_do_not_come_hold_up_a_start_for_one_look_and_no_stop(*, stops: bool) -> None:
    async def story() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(1 if stops else 3_600, stop.set)

        async def look(_worker: str) -> Orders:
            await asyncio.sleep(600)
            return Orders()

        began = clock()
        async with obeyed("sample", (Taker(),), look, stop=stop):
            assert clock() - began == pytest.approx(1 if stops else LOOKS_EVERY)

    virtual(story())


def test_an_answer_that_cannot_be_written_for_long_is_one_warning() -> None:
    async def story() -> None:
        async def look(_worker: str) -> Orders:
            return Orders(paused=True, number="1")

        async def follow(_number: str) -> None:
            raise ConnectionError

        with capture_logs() as lines:
            obeying = asyncio.create_task(obey("sample", (Taker(),), look, follow=follow))
            await asyncio.sleep(60)
            obeying.cancel()
        assert [each["event"] for each in lines if each["log_level"] == "warning"] == ["orders_unanswered"]

    virtual(story())


def test_an_order_is_answered_once_it_is_followed_and_again_where_the_answer_was_lost() -> None:
    async def story() -> list[str]:
        answers = [Orders(), Orders(paused=True, number="1"), *[Orders(paused=True, number="2")] * 20]
        answered: list[str] = []

        async def look(_worker: str) -> Orders:
            return answers.pop(0)

        async def follow(number: str) -> None:
            answered.append(number)
            if answered.count(number) == 1 and number == "2":
                raise ConnectionError

        obeying = asyncio.create_task(obey("sample", (Taker(),), look, follow=follow))
        await asyncio.sleep(60)
        obeying.cancel()
        return answered

    assert virtual(story()) == ["1", "2", "2"]


def given(orders: Orders) -> Callable[[Orders], Orders]:
    return lambda _found: orders


def unseen(why: ValueError) -> None:
    raise AssertionError(f"these orders can be read: {why}")


async def test_who_follows_is_known_until_the_next_order(aws: Aws) -> None:
    async with aws.open("dynamodb") as client:
        controls = Controls(client, table=aws.table("key"))
        await controls.change("sample", given(Orders(paused=True)), number="1", unread=unseen)
        assert await controls.followers("sample", "1") == frozenset()
        await controls.follow("sample", "host:7", "1")
        await controls.follow("sample", "host:8", "1")
        await controls.follow("sample", "host:9", "0")
        assert await controls.followers("sample", "1") == {"host:7", "host:8"}
        assert await controls.followers("sample", "0") == frozenset()
        assert await controls.read("sample") == Orders(paused=True, number="1")
        await controls.change("sample", given(Orders()), number="2", unread=unseen)
        assert await controls.followers("sample", "1") == await controls.followers("sample", "2") == frozenset()


async def test_orders_are_read_as_they_were_written(aws: Aws) -> None:
    async with aws.open("dynamodb") as client:
        controls = Controls(client, table=aws.table("key"))
        assert await controls.read("sample") == Orders()
        for number, orders in enumerate((Orders(paused=True), Orders(concurrency=7), Orders(rate=0.5), Orders())):
            await controls.change("sample", given(orders), number=str(number), unread=unseen)
            assert await controls.read("sample") == replace(orders, number=str(number))


async def test_a_limit_that_was_on_its_way_when_somebody_paused_does_not_end_the_pause(aws: Aws) -> None:
    """Between its read and its write may lie the whole time that a slow DynamoDB takes."""
    async with aws.open("dynamodb") as client:
        controls = Controls(client, table=(table := aws.table("key")))
        other = aws.session.client("dynamodb", endpoint_url=aws.url)

        def limit(found: Orders) -> Orders:
            if not found.paused:
                item: dict[str, Any] = {
                    "key": {"S": "control#sample"},
                    "paused": {"BOOL": True},
                    "number": {"S": "pause"},
                }
                other.put_item(TableName=table, Item=item)
            return replace(found, rate=20.0)

        assert await controls.change("sample", limit, number="limit", unread=unseen) == Orders(
            paused=True, rate=20.0, number="limit"
        )
        assert await controls.change("sample", limit, number="limit", unread=unseen) == Orders(
            paused=True, rate=20.0, number="limit"
        )


async def test_orders_that_somebody_spoiled_are_replaced_and_that_is_told(aws: Aws) -> None:
    async with aws.open("dynamodb") as client:
        controls = Controls(client, table=(table := aws.table("key")))
        other = aws.session.client("dynamodb", endpoint_url=aws.url)
        for number in ({}, {"number": {"S": "9"}}, {"number": {"N": "9"}}):
            other.put_item(TableName=table, Item={"key": {"S": "control#sample"}, "concurrency": {"N": "0"}, **number})
            told: list[ValueError] = []
            orders = Orders(paused=True, number="1")
            assert await controls.change("sample", given(orders), number="1", unread=told.append) == orders
            assert any(name in str(told[0]) for name in ("concurrency", "number"))
            assert await controls.read("sample") == orders


SCHEMA = Path(__file__).parents[3] / "docs" / "schemas" / "orders.schema.json"
RIGHT: list[dict[str, Any]] = [
    {},
    {"paused": True},
    {"concurrency": 1, "rate": 0.1, "number": "7"},
    {"concurrency": 1000, "rate": 5000, "follows host:7": "7"},
]
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"concurrency": 0}, "concurrency is 0: set it to 1 to 1000"),
    ({"concurrency": 1001}, "concurrency is 1001"),
    ({"concurrency": 2.5}, "2.5"),
    ({"concurrency": "3"}, "concurrency is not of the type N"),
    ({"rate": 0}, "rate is 0.0: set it to 0.1 or more"),
    ({"rate": "fast"}, "rate is not of the type N"),
    ({"paused": "true"}, "paused is not of the type BOOL"),
    ({"pause": True}, "pause is no order"),
]


def typed(order: Mapping[str, Any]) -> dict[str, Any]:
    kinds = {bool: "BOOL", str: "S"}
    return {
        name: {(kind := kinds.get(type(each), "N")): str(each) if kind == "N" else each} for name, each in order.items()
    }


def test_the_published_schema_takes_what_a_container_takes_and_nothing_else() -> None:
    schema = Draft202012Validator(json.loads(SCHEMA.read_text()))
    Draft202012Validator.check_schema(schema.schema)
    base = {"key": "control#sample", "paused": False}
    for order in RIGHT:
        assert schema.is_valid(base | order)
        orders_of(typed(base | order))
    for order, fault in WRONG:
        assert not schema.is_valid(base | order), order
        with pytest.raises(ValueError, match=fault):
            orders_of(typed(base | order))
