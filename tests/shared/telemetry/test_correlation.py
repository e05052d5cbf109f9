"""The correlation id: taken from a message, and carried to its log lines, to what is sent meanwhile and to its dead letter."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from shared.consumer import lay_road
from shared.message.correlation import CORRELATION
from shared.message.dead_letter import Letter
from shared.message.delivery import Attribute, Delivery
from shared.message.identity import ATTRIBUTE
from shared.outcome import Reject
from shared.road.ports import Ports
from shared.sqs.sender import Message, _entry
from shared.telemetry import logging
from shared.worker import BatchResult
from tests.fakes import delivery
from tests.made import make_worker

STATED = {CORRELATION: Attribute("String", "order-7")}


class Road:
    """One worker's road, whose handler sends a message for each that it gets and then ends with `error`."""

    def __init__(self, error: Exception | None = None, **options: Any) -> None:
        self.sent: list[dict[str, Any]] = []
        self.letters: list[Letter] = []
        self._error = error

        async def bury(letter: Letter) -> None:
            self.letters.append(letter)

        worker = make_worker(self._handle, **{"decode": lambda each: each.body, **options})
        self._road = lay_road(worker, Ports(hide=lambda *_: None, bury=bury))

    async def _handle(self, _event: Any) -> None:
        await asyncio.sleep(0)
        self.sent.append(_entry(Message("next")).fields["MessageAttributes"])
        structlog.get_logger().info("session_found")
        if self._error is not None:
            raise self._error

    async def travel(self, *deliveries: Delivery) -> list[Any]:
        """The correlation ids of all lines that are logged."""
        with capture_logs(processors=[logging.add_about]) as lines:
            await asyncio.gather(*(asyncio.create_task(self._road.travel(each)) for each in deliveries))
        return [each.get("correlation_id") for each in lines]

    @property
    def carried(self) -> list[str | None]:
        return [each.get(CORRELATION, {}).get("StringValue") for each in self.sent]

    @property
    def buried(self) -> list[str | None]:
        return [json.loads(each.attributes[ATTRIBUTE].text or "").get("correlation_id") for each in self.letters]


async def test_what_a_message_states_is_in_its_lines_and_in_what_is_sent_meanwhile() -> None:
    road = Road()
    assert await road.travel(delivery(attributes=STATED)) == ["order-7", "order-7"]
    assert road.carried == ["order-7"]


async def test_what_a_worker_reads_in_the_event_counts_where_the_message_states_nothing() -> None:
    road = Road(correlation=lambda body: f"of-{body}")
    assert await road.travel(delivery("a")) == ["of-a", "of-a"]
    assert await road.travel(delivery("b", attributes=STATED)) == ["order-7", "order-7"]
    assert road.carried == ["of-a", "order-7"]


@pytest.mark.parametrize("options", [{}, {"correlation": lambda _body: "order-7"}])
async def test_a_dead_letter_names_it(options: dict[str, Any]) -> None:
    road = Road(Reject("gone"), **options)
    await road.travel(delivery(attributes={} if options else STATED))
    assert road.buried == ["order-7"]


async def test_what_cannot_be_read_costs_no_message() -> None:
    def wrong(_body: str) -> str:
        raise KeyError

    road = Road(correlation=wrong)
    assert await road.travel(delivery()) == [None, None]
    assert (road.carried, road.buried) == ([None], [])


async def test_a_message_that_cannot_be_read_is_buried_with_what_it_states() -> None:
    def unreadable(_delivery: Delivery) -> str:
        raise ValueError

    road = Road(decode=unreadable, correlation=str)
    await road.travel(delivery(attributes=STATED), delivery())
    assert sorted(map(str, road.buried)) == ["None", "order-7"]


async def test_messages_side_by_side_keep_their_own_and_nothing_is_left_behind() -> None:
    road = Road(correlation=lambda body: f"of-{body}")
    names = [f"m{number}" for number in range(20)]
    found = await road.travel(*(delivery(name) for name in names))
    assert sorted(found) == sorted(f"of-{name}" for name in names for _ in range(2))
    assert sorted(map(str, road.carried)) == sorted(f"of-{name}" for name in names)
    assert logging.ABOUT.get() == {}


async def test_without_one_nothing_is_carried() -> None:
    road = Road(Reject("gone"))
    assert await road.travel(delivery()) == [None, None]
    assert (road.carried, road.buried) == ([None], [None])


@pytest.mark.parametrize("odd", ["", "with blank", "line\r\nfeed", "é", "x" * 257, "tab\there"])
async def test_what_cannot_stand_in_a_header_is_none(odd: str) -> None:
    road = Road(Reject("gone"), correlation=lambda _body: odd)
    assert await road.travel(delivery(attributes={CORRELATION: Attribute("String", odd)})) == [None, None]
    assert (road.carried, road.buried) == ([None], [None])


def test_a_message_of_ten_attributes_and_one_that_names_its_own_are_left_as_they_are() -> None:
    token = logging.ABOUT.set({"correlation_id": "order-7"})
    try:
        ten = {f"own-{number}": Attribute("String", "x") for number in range(10)}
        assert set(_entry(Message("a", attributes=ten)).fields["MessageAttributes"]) == {*ten}
        own = {CORRELATION: Attribute("String", "mine")}
        assert _entry(Message("a", attributes=own)).fields["MessageAttributes"][CORRELATION]["StringValue"] == "mine"
    finally:
        logging.ABOUT.reset(token)


async def test_of_messages_that_are_handled_together_the_line_of_each_end_names_its_own() -> None:
    async def handle(events: Sequence[str]) -> BatchResult:
        return [Reject("gone") if each == "bad" else None for each in events]

    letters: list[Letter] = []

    async def bury(letter: Letter) -> None:
        letters.append(letter)

    worker = make_worker(handle_batch=handle, decode=lambda each: each.body, correlation=lambda body: f"of-{body}")
    road = lay_road(worker, Ports(hide=lambda *_: None, bury=bury))
    with capture_logs(processors=[logging.add_about]) as lines:
        await road.travel_together([delivery("a"), delivery("b", attributes=STATED), delivery("bad")])
    ends: dict[str, list[Any]] = {each["event"]: [] for each in lines}
    for each in lines:
        ends[each["event"]].append(each.get("correlation_id"))
    assert ends == {"message_done": ["of-a", "order-7"], "message_buried": ["of-bad"]}
    assert [json.loads(each.attributes[ATTRIBUTE].text or "").get("correlation_id") for each in letters] == ["of-bad"]
    assert logging.ABOUT.get() == {}
