"""What becomes of one message on its road."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from shared.backoff import Backoff
from shared.consumer import lay_road
from shared.message.dead_letter import Letter, done_mark
from shared.message.delivery import Attribute, Delivery
from shared.message.identity import ATTRIBUTE, REPLAY
from shared.outcome import Later, Reject
from shared.road.pipeline import Pipeline
from shared.road.ports import Ports
from tests.fakes import delivery
from tests.fakes_ledger import FakeLedger
from tests.made import make_worker
from tests.virtual_time import clock, virtual

Handle = Callable[[str], Awaitable[None]]
NOON = 1_795_262_400.0


class Ends:
    """The two ways back that a door offers; records what came."""

    def __init__(self) -> None:
        self.hidden: list[float] = []
        self.letters: list[Letter] = []
        self.fault: Exception | None = None

    def hide(self, _delivery: Delivery, seconds: float) -> None:
        self.hidden.append(seconds)

    async def bury(self, letter: Letter) -> None:
        if self.fault is not None:
            raise self.fault
        self.letters.append(letter)


def pipeline(ends: Ends, handle: Handle, **options: Any) -> Pipeline:
    worker = make_worker(
        name="sample",
        queue="uploads",
        decode=read,
        handle=handle,
        timeout=5.0,
        backoff=Backoff(base=8.0, factor=2.0),
        **options,
    )
    return lay_road(worker, Ports(hide=ends.hide, bury=ends.bury, dice=lambda: 0.5, now=lambda: NOON))


def read(given: Delivery) -> str:
    found = json.loads(given.body)
    return str(found["word"])


def raising(error: BaseException) -> Handle:
    async def handle(_event: str) -> None:
        raise error

    return handle


async def nothing(_event: str) -> None:
    """Succeeds."""


async def test_a_handled_message_may_leave() -> None:
    ends = Ends()
    assert await pipeline(ends, nothing).travel(delivery('{"word": "a"}'))
    assert (ends.hidden, ends.letters) == ([], [])


async def test_a_passing_error_hides_the_message_with_backoff_by_receive_count() -> None:
    ends = Ends()
    road = pipeline(ends, raising(ConnectionError("receiver went away")))
    answers = [await road.travel(delivery('{"word": "a"}', attempt=attempt)) for attempt in (1, 2, 3)]
    assert answers == [False, False, False]
    assert ends.hidden == [4.0, 8.0, 16.0]


async def test_an_error_whose_class_has_a_backoff_of_its_own_hides_the_message_by_that() -> None:
    ends = Ends()
    road = pipeline(ends, raising(ConnectionError()), backoffs={ConnectionError: Backoff(base=60.0, factor=2.0)})
    assert not await road.travel(delivery('{"word": "a"}', attempt=2))
    assert ends.hidden == [60.0]


async def test_later_hides_the_message_for_as_long_as_the_handler_says() -> None:
    ends = Ends()
    assert not await pipeline(ends, raising(Later("endpoint asked for patience", after=120))).travel(
        delivery('{"word": "a"}')
    )
    assert ends.hidden == [120]


async def test_reject_buries_at_once_with_the_reason_and_lets_the_original_leave() -> None:
    ends = Ends()
    given = delivery('{"word": "a"}', first_received_at=NOON - 60, message_id="m-7")
    assert await pipeline(ends, raising(Reject("session id is not an id"))).travel(given)
    [letter] = ends.letters
    reason = json.loads(letter.attributes[ATTRIBUTE].text or "")
    assert letter.body == given.body
    assert (reason["error_type"], reason["message"], reason["attempts"]) == ("Reject", "session id is not an id", 1)
    assert (reason["worker"], reason["source_queue"], reason["original_message_id"]) == ("sample", "uploads", "m-7")
    assert reason["first_failure"] == "2026-11-21T11:59:00+00:00"


@pytest.mark.parametrize("body", ["not json", "[]", "{}", '{"other": 1}'])
async def test_what_cannot_be_read_is_buried_at_its_first_receipt(body: str) -> None:
    ends = Ends()
    assert await pipeline(ends, nothing).travel(delivery(body))
    assert len(ends.letters) == 1


async def test_the_last_receipt_is_buried_with_its_reason_and_not_left_to_sqs() -> None:
    ends = Ends()
    assert await pipeline(ends, raising(ConnectionError())).travel(delivery('{"word": "a"}', attempt=5))
    assert json.loads(ends.letters[0].attributes[ATTRIBUTE].text or "")["error_type"] == "ConnectionError"


def test_a_message_that_could_not_be_buried_stays() -> None:
    async def story() -> None:
        ends = Ends()
        ends.fault = ConnectionError("no way to the dead-letter queue")
        assert not await pipeline(ends, raising(Reject("never"))).travel(delivery('{"word": "a"}'))
        assert [10 <= seconds <= 20 for seconds in ends.hidden] == [True]

    virtual(story())


async def test_a_handler_that_takes_too_long_is_cut_and_tried_again() -> None:
    ends = Ends()

    async def hang(_event: str) -> None:
        await asyncio.Event().wait()

    worker = make_worker(decode=read, handle=hang, timeout=0.01)
    road = lay_road(worker, Ports(hide=ends.hide, bury=ends.bury, dice=lambda: 0.5))
    assert not await road.travel(delivery('{"word": "a"}'))
    assert len(ends.hidden) == 1


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), asyncio.CancelledError(), GeneratorExit()])
async def test_a_handler_that_raises_what_no_handler_should_fails_only_its_message(error: BaseException) -> None:
    ends = Ends()
    assert not await pipeline(ends, raising(error)).travel(delivery('{"word": "a"}'))
    assert len(ends.hidden) == 1


async def test_a_road_that_is_cut_from_outside_settles_nothing() -> None:
    ends = Ends()
    started = asyncio.Event()

    async def hang(_event: str) -> None:
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(pipeline(ends, hang).travel(delivery('{"word": "a"}')))
    await started.wait()
    task.cancel("cut")
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (ends.hidden, ends.letters) == ([], [])


async def test_work_with_a_key_is_done_once_however_often_its_message_comes() -> None:
    ends, done = Ends(), list[str]()

    async def handle(event: str) -> None:
        done.append(event)

    worker = make_worker(decode=read, handle=handle, key=lambda event: event)
    road = lay_road(worker, Ports(hide=ends.hide, bury=ends.bury, ledger=FakeLedger(), now=lambda: NOON))
    answers = [await road.travel(delivery('{"word": "a"}', message_id=f"m-{turn}")) for turn in range(3)]
    assert (answers, done) == ([True, True, True], ["a"])


async def test_a_duplicate_waits_while_the_first_is_at_work_and_runs_if_the_first_fails() -> None:
    ends, ledger, turns = Ends(), FakeLedger(), list[str]()
    started, go = asyncio.Event(), asyncio.Event()

    async def handle(_event: str) -> None:
        turns.append("run")
        started.set()
        await go.wait()
        if len(turns) == 1:
            raise ConnectionError

    worker = make_worker(decode=read, handle=handle, key=lambda event: event, timeout=10)
    road = lay_road(worker, Ports(hide=ends.hide, bury=ends.bury, ledger=ledger, dice=lambda: 0.5, now=lambda: NOON))
    first = asyncio.create_task(road.travel(delivery('{"word": "a"}')))
    await started.wait()
    assert not await road.travel(delivery('{"word": "a"}', message_id="m-2"))
    assert ends.hidden == [1.0], "looked at again long before the lease of twenty seconds ends"
    go.set()
    assert not await first
    assert await road.travel(delivery('{"word": "a"}', message_id="m-2", attempt=2))
    assert turns == ["run", "run"]


async def test_a_replayed_message_that_is_done_tells_the_replay_that_waits_for_it() -> None:
    ends, ledger = Ends(), FakeLedger()
    worker = make_worker(decode=read, handle=nothing)
    road = lay_road(worker, Ports(hide=ends.hide, bury=ends.bury, ledger=ledger, now=lambda: NOON))
    replay = json.dumps({"plan_id": "p-1", "replayed_from": "m-0"})
    assert await road.travel(delivery('{"word": "a"}', attributes={REPLAY: Attribute("String", text=replay)}))
    assert await road.travel(delivery('{"word": "b"}'))
    assert list(ledger.rows) == [done_mark("p-1", "m-0")]


def batch_pipeline(ends: Ends, handle_batch: Callable[[Sequence[str]], Awaitable[Any]]) -> Pipeline:
    worker = make_worker(decode=read, handle_batch=handle_batch, timeout=5.0)
    return lay_road(worker, Ports(hide=ends.hide, bury=ends.bury, dice=lambda: 0.5, now=lambda: NOON))


def three() -> list[Delivery]:
    bodies = ['{"word": "a"}', "not json", '{"word": "c"}']
    return [delivery(body, message_id=f"m-{place}") for place, body in enumerate(bodies)]


async def test_in_a_batch_each_message_gets_an_answer_of_its_own() -> None:
    ends, seen = Ends(), list[str]()

    async def handle(events: Sequence[str]) -> list[Exception | None]:
        seen.extend(events)
        return [None, ConnectionError()]

    assert await batch_pipeline(ends, handle).travel_together(three()) == [True, True, False]
    assert seen == ["a", "c"]
    assert len(ends.letters) == 1, "the unreadable one was buried"


async def test_a_batch_handler_that_raises_fails_every_message_it_was_given() -> None:
    ends = Ends()

    async def handle(_events: Sequence[str]) -> list[Exception | None]:
        raise ConnectionError

    assert await batch_pipeline(ends, handle).travel_together(three()) == [False, True, False]


async def test_a_batch_handler_that_answers_too_little_loses_nothing() -> None:
    ends = Ends()

    async def handle(_events: Sequence[str]) -> list[Exception | None]:
        return [None]

    assert await batch_pipeline(ends, handle).travel_together(three()) == [False, True, False]


async def test_a_batch_of_unreadable_messages_never_calls_the_handler() -> None:
    ends = Ends()

    async def handle(_events: Sequence[str]) -> list[Exception | None]:
        raise AssertionError("there is nothing to handle")

    assert await batch_pipeline(ends, handle).travel_together([delivery("no")]) == [True]


@pytest.mark.guarantee("R6")
def test_a_silent_dead_letter_queue_holds_a_batch_for_its_burials_side_by_side_and_not_for_their_sum() -> None:
    class Silent(Ends):
        async def bury(self, letter: Letter) -> None:
            self.open += 1
            self.most = max(self.most, self.open)
            await asyncio.sleep(2)
            self.open -= 1
            assert len(self.hidden) == 1, "what waits for nobody is settled before"
            await super().bury(letter)

        open = most = 0

    async def handle(events: Sequence[str]) -> list[Exception | None]:
        return [Later("in a minute", after=60.0) if each == "later" else Reject("never") for each in events]

    async def story() -> None:
        words = [*map(str, range(500)), "later"]
        batch = [delivery(f'{{"word": "{each}"}}', message_id=each) for each in words]
        ends, began = Silent(), clock()
        assert await batch_pipeline(ends, handle).travel_together(batch) == [True] * 500 + [False]
        assert (clock() - began, ends.most, ends.hidden) == (100.0, 10, [60.0])
        assert len({letter.message_id for letter in ends.letters}) == 500

    virtual(story())
