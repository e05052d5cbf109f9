"""A message whose body lies in S3, on its road: fetched inside the handler's timeout, judged as its failure."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import pytest

from fleet.dead_letters.model.letter import DeadLetter
from fleet.dead_letters.model.plan.outgoing import parcel
from shared.consumer import lay_road
from shared.message.dead_letter import Letter
from shared.message.delivery import LARGEST_MESSAGE, MOST_ATTRIBUTES, Attribute, Delivery
from shared.message.identity import ATTRIBUTE
from shared.message.pointer import MARK, Pointer, TooLarge, check_storable, with_body
from shared.outcome import Reject
from shared.road.ports import Ports
from shared.worker import Worker
from tests.fakes import delivery
from tests.made import make_worker
from tests.virtual_time import virtual


class FakePayloads:
    """Bodies in memory by key; `fault` is raised by the next calls; `slow` seconds pass before each answer."""

    threshold = LARGEST_MESSAGE

    def __init__(self, **bodies: str) -> None:
        self.bodies = bodies
        self.fault: Exception | None = None
        self.slow = 0.0
        self.fetched = 0

    async def check_in(self, body: str, attributes: Mapping[str, Attribute]) -> tuple[str, dict[str, Attribute]]:
        check_storable(len(body.encode()), attributes, most=64 * LARGEST_MESSAGE)
        await self._answers()
        pointer = Pointer("payloads", f"kept-{len(self.bodies)}", len(body.encode()))
        self.bodies[pointer.key] = body
        return pointer.body, {**attributes, MARK: pointer.mark}

    async def unpack(self, found: Delivery) -> Delivery:
        self.fetched += 1
        await self._answers()
        key = json.loads(found.body)[1]["s3Key"]
        if key not in self.bodies:
            raise Reject("payload expired: its body is no longer in S3")
        return with_body(found, self.bodies[key])

    async def _answers(self) -> None:
        await asyncio.sleep(self.slow)
        if self.fault is not None:
            raise self.fault


def pointing(key: str, *, attempt: int = 1) -> Delivery:
    pointer = Pointer("payloads", key, 5)
    return delivery(pointer.body, attributes={MARK: pointer.mark}, attempt=attempt)


class Road:
    """A pipeline whose ends are seen: what was handled, hidden and buried."""

    def __init__(self, payloads: FakePayloads | None, *, timeout: float = 5.0, batch: bool = False) -> None:
        self.handled: list[str] = []
        self.hidden: list[float] = []
        self.letters: list[Letter] = []
        self.work: Callable[[str], Awaitable[None]] | None = None
        self.batch_takes = 0.0
        handling: dict[str, Any] = {"handle_batch": self.handle_batch} if batch else {"handle": self.handle}
        worker: Worker[str] = make_worker(decode=self.decode, timeout=timeout, **handling)
        self.pipeline = lay_road(worker, Ports(hide=self.hide, bury=self.bury, payloads=payloads))

    def decode(self, given: Delivery) -> str:
        found = json.loads(given.body)
        return str(found["word"])

    async def handle(self, word: str) -> None:
        self.handled.append(word)
        if self.work is not None:
            await self.work(word)

    async def handle_batch(self, words: Sequence[str]) -> list[Exception | None]:
        self.handled += words
        await asyncio.sleep(self.batch_takes)
        return [None] * len(words)

    def hide(self, _delivery: Delivery, seconds: float) -> None:
        self.hidden.append(seconds)

    async def bury(self, dead: Letter) -> None:
        self.letters.append(dead)

    def reason(self) -> str:
        [dead] = self.letters
        return str(json.loads(dead.attributes[ATTRIBUTE].text or "")["message"])


async def test_a_body_in_s3_is_decoded_and_handled_as_if_it_had_come_with_the_message() -> None:
    road = Road(FakePayloads(there='{"word": "hello"}'))
    assert await road.pipeline.travel(pointing("there"))
    assert road.handled == ["hello"]


async def test_a_message_with_its_body_asks_nothing_of_s3() -> None:
    payloads = FakePayloads()
    road = Road(payloads)
    assert await road.pipeline.travel(delivery('{"word": "hello"}'))
    assert (road.handled, payloads.fetched) == (["hello"], 0)


async def test_a_payload_that_expired_is_buried_with_that_reason_and_with_its_pointer() -> None:
    road = Road(FakePayloads())
    gone = pointing("gone")
    assert await road.pipeline.travel(gone)
    assert road.reason() == "payload expired: its body is no longer in S3"
    [dead] = road.letters
    assert (dead.body, dead.attributes[MARK]) == (gone.body, gone.attributes[MARK])


async def test_trouble_of_s3_hides_the_message_and_the_last_attempt_buries_it() -> None:
    payloads = FakePayloads(there='{"word": "hello"}')
    payloads.fault = ConnectionError()
    road = Road(payloads)
    assert not await road.pipeline.travel(pointing("there"))
    assert len(road.hidden) == 1
    assert await road.pipeline.travel(pointing("there", attempt=5))
    assert road.reason() == "ConnectionError"
    assert road.handled == []


async def test_what_fails_after_its_body_was_fetched_is_buried_with_the_pointer_alone() -> None:
    road = Road(FakePayloads(there='{"word": "secret"}', odd="no json"))

    async def refuse(_word: str) -> None:
        raise Reject("no such session")

    road.work = refuse
    assert await road.pipeline.travel(pointing("there"))
    assert await road.pipeline.travel(pointing("odd"))
    assert [dead.body for dead in road.letters] == [pointing("there").body, pointing("odd").body]
    assert "secret" not in repr(road.letters)


@pytest.mark.guarantee("C3")
async def test_fetching_and_handling_share_one_timeout() -> None:
    payloads = FakePayloads(there='{"word": "hello"}')
    payloads.slow = 0.15
    road = Road(payloads, timeout=0.2)

    async def work(_word: str) -> None:
        await asyncio.sleep(0.15)

    road.work = work
    assert not await road.pipeline.travel(pointing("there"))
    assert road.handled == ["hello"]
    assert len(road.hidden) == 1


@pytest.mark.guarantee("R1")
@pytest.mark.parametrize("batch", [False, True])
def test_a_body_that_never_comes_buries_nothing_however_short_the_timeout_is(*, batch: bool) -> None:
    async def story() -> None:
        payloads = FakePayloads(there='{"word": "hello"}')
        payloads.slow = 10
        road = Road(payloads, timeout=0.5, batch=batch)

        async def travels(attempt: int) -> bool:
            found = pointing("there", attempt=attempt)
            return (await road.pipeline.travel_together([found]))[0] if batch else await road.pipeline.travel(found)

        for attempt in range(1, 9):
            assert not await travels(attempt)
        payloads.slow = 0
        assert await travels(9)
        assert (road.handled, road.letters) == (["hello"], [])

    virtual(story())


async def test_fetching_and_handling_of_a_batch_share_one_timeout() -> None:
    payloads = FakePayloads(there='{"word": "hello"}')
    payloads.slow = 0.15
    road = Road(payloads, timeout=0.2, batch=True)
    road.batch_takes = 0.15
    assert await road.pipeline.travel_together([pointing("there")]) == [False]
    payloads.slow = 0.0
    assert await road.pipeline.travel_together([pointing("there")]) == [True]


@pytest.mark.parametrize("batch", [False, True])
async def test_a_lost_lease_cuts_the_fetch_and_settles_nothing(*, batch: bool) -> None:
    payloads = FakePayloads(there='{"word": "hello"}')
    payloads.slow = 10
    road = Road(payloads, batch=batch)
    found = pointing("there")
    journey: Any = road.pipeline.travel_together([found]) if batch else road.pipeline.travel(found)
    travelling = asyncio.ensure_future(journey)
    await asyncio.sleep(0.01)
    travelling.cancel("cut")
    with pytest.raises(asyncio.CancelledError):
        await travelling
    assert (road.hidden, road.letters, road.handled) == ([], [], [])


async def test_where_it_is_off_a_pointer_is_buried_and_the_reason_names_the_setting() -> None:
    single, batch = Road(None), Road(None, batch=True)
    assert await single.pipeline.travel(pointing("there"))
    assert await batch.pipeline.travel_together([pointing("there")]) == [True]
    for road in (single, batch):
        assert "CLAIM_CHECK_BUCKET_NAME is not set" in road.reason()


async def test_a_batch_gets_its_bodies_and_each_failure_is_its_own() -> None:
    payloads = FakePayloads(one='{"word": "one"}', odd="no json")
    road = Road(payloads, batch=True)
    batch = [delivery('{"word": "plain"}'), pointing("one"), pointing("gone"), pointing("odd"), delivery("no json")]
    assert await road.pipeline.travel_together(batch) == [True] * 5
    assert road.handled == ["plain", "one"]
    assert [dead.body for dead in road.letters] == [each.body for each in batch[2:]]
    payloads.fault = ConnectionError()
    assert await road.pipeline.travel_together([delivery('{"word": "plain"}'), pointing("one")]) == [True, False]


def full(attributes: int = 0) -> Delivery:
    given = {f"name-{number}": Attribute("String", "v") for number in range(attributes)}
    return delivery("x" * (LARGEST_MESSAGE - sum(each.size(name) for name, each in given.items())), attributes=given)


@pytest.mark.parametrize("attributes", [0, 8, 9])
async def test_a_full_message_is_buried_with_its_whole_reason_and_its_body_in_s3(attributes: int) -> None:
    payloads = FakePayloads()
    road = Road(payloads)
    dying = full(attributes)
    assert await road.pipeline.travel(dying)
    [dead] = road.letters
    failure = json.loads(dead.attributes[ATTRIBUTE].text or "")
    assert {"stack", "message", "idempotency_key"} <= failure.keys()
    assert payloads.bodies[json.loads(dead.body)[1]["s3Key"]] == dying.body
    assert len(dead.attributes) <= MOST_ATTRIBUTES
    back = parcel(DeadLetter("d", dead.body, dead.attributes), shape="sqs", plan_id="p")
    assert {name: each for name, each in back.attributes.items() if name in dying.attributes} == dying.attributes
    assert (back.body, back.attributes[MARK]) == (dead.body, dead.attributes[MARK])
    assert failure["idempotency_key"].startswith("body:")


async def test_the_key_of_a_full_message_is_that_of_its_body_and_not_of_its_pointer() -> None:
    stored, as_it_came = Road(FakePayloads()), Road(None)
    almost = delivery("x" * (LARGEST_MESSAGE - 300))
    for road in (stored, as_it_came):
        await road.pipeline.travel(almost)
    keys = [
        json.loads(road.letters[0].attributes[ATTRIBUTE].text or "")["idempotency_key"] for road in (stored, as_it_came)
    ]
    assert keys[0] == keys[1]
    assert stored.letters[0].body != almost.body


@pytest.mark.guarantee("C6")
async def test_where_s3_fails_a_full_message_is_buried_as_without_it() -> None:
    payloads = FakePayloads()
    payloads.fault = ConnectionError()
    road, dying = Road(payloads), full()
    assert await road.pipeline.travel(dying)
    assert road.letters[0].body == dying.body


async def test_ten_attributes_and_a_full_body_leave_no_room_for_a_mark() -> None:
    road, dying = Road(FakePayloads()), full(10)
    assert await road.pipeline.travel(dying)
    assert road.letters[0].body == dying.body


async def test_a_handler_that_sends_what_is_too_large_is_buried_at_once() -> None:
    road = Road(None)

    async def work(_word: str) -> None:
        raise TooLarge("a message of 2 bytes is above the queue's limit of 1")

    road.work = work
    assert await road.pipeline.travel(delivery('{"word": "hello"}'))
    assert "above the queue's limit" in road.reason()


async def test_the_mark_of_a_pointer_is_never_displaced() -> None:
    nine = {f"name-{number}": Attribute("String", "a value much longer than a size") for number in range(9)}
    pointer = Pointer("payloads", "gone", 5)
    road = Road(FakePayloads())
    assert await road.pipeline.travel(delivery(pointer.body, attributes={**nine, MARK: pointer.mark}))
    [dead] = road.letters
    assert MARK in dead.attributes
    assert len(dead.attributes) == MOST_ATTRIBUTES
