"""What becomes of a message that cannot be read, as its worker wants it; and of a handler that answers nonsense."""

import errno
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from shared.backoff import Backoff
from shared.consumer import lay_road
from shared.message.dead_letter import Letter
from shared.message.delivery import Delivery
from shared.outcome import Done, Later, Reject, Retry
from shared.road.pipeline import Pipeline
from shared.road.ports import Ports
from tests.fakes import delivery
from tests.made import make_worker
from tests.virtual_time import virtual


class Ends:
    """What came of it."""

    def __init__(self) -> None:
        self.hidden: list[tuple[str, float]] = []
        self.letters: list[Letter] = []

    def hide(self, given: Delivery, seconds: float) -> None:
        self.hidden.append((given.body, seconds))

    async def bury(self, letter: Letter) -> None:
        self.letters.append(letter)


class Reader:
    """Cannot read `bad` bodies, for the reason it is given."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __call__(self, given: Delivery) -> str:
        if given.body == "bad":
            raise self._error
        return given.body


async def handle(_event: str) -> None:
    """Succeeds."""


async def handle_batch(events: Sequence[str]) -> list[Exception | None]:
    return [None for _ in events]


def road(ends: Ends, **options: Any) -> Pipeline:
    worker = make_worker(**options)
    return lay_road(worker, Ports(hide=ends.hide, bury=ends.bury, dice=lambda: 0.5))


DOUBLING = Backoff(base=4.0, factor=2.0)

one_by_one_and_together = pytest.mark.parametrize("handling", [{"handle": handle}, {"handle_batch": handle_batch}])


async def travelled(pipeline: Pipeline, given: Delivery, handling: dict[str, Any]) -> bool:
    if "handle" in handling:
        return await pipeline.travel(given)
    other = delivery("good", message_id="m-2")
    answer, beside = await pipeline.travel_together([given, other])
    assert beside, "what stands beside it is handled"
    return answer


@one_by_one_and_together
async def test_by_default_it_is_buried_on_the_first_receipt(handling: dict[str, Any]) -> None:
    ends = Ends()
    assert await travelled(road(ends, decode=Reader(ValueError()), **handling), delivery("bad"), handling)
    assert [letter.body for letter in ends.letters] == ["bad"]
    assert ends.hidden == []


@pytest.mark.guarantee("R1")
@one_by_one_and_together
@pytest.mark.parametrize("error", [OSError(errno.EMFILE, "Too many open files"), MemoryError()])
def test_what_cannot_be_read_for_want_of_a_descriptor_or_memory_is_read_again(
    error: Exception, handling: dict[str, Any]
) -> None:
    async def story() -> None:
        ends = Ends()
        last = delivery("bad", attempt=5)  # no run is left to it, if this one counted
        assert not await travelled(road(ends, decode=Reader(error), **handling), last, handling)
        assert ends.letters == []
        assert [body for body, _ in ends.hidden] == ["bad"]

    virtual(story())


@one_by_one_and_together
async def test_as_a_passing_error_it_is_hidden_with_backoff_and_buried_with_its_reason_at_the_last_receipt(
    handling: dict[str, Any],
) -> None:
    ends = Ends()
    pipeline = road(ends, decode=Reader(ValueError()), decode_errors="passing", backoff=DOUBLING, **handling)
    for attempt, seconds in enumerate((2.0, 4.0, 8.0, 16.0), start=1):
        assert not await travelled(pipeline, delivery("bad", attempt=attempt), handling)
        assert ends.hidden[-1] == ("bad", seconds)
        assert ends.letters == []
    assert await travelled(pipeline, delivery("bad", attempt=5), handling)
    [letter] = ends.letters
    assert "ValueError" in (letter.attributes["fleet-failure"].text or "")


@one_by_one_and_together
async def test_a_decoder_that_knows_better_is_believed_also_where_its_errors_pass(handling: dict[str, Any]) -> None:
    ends = Ends()
    await travelled(
        road(ends, decode=Reader(Reject("never")), decode_errors="passing", **handling), delivery("bad"), handling
    )
    assert (len(ends.letters), ends.hidden) == (1, [])
    await travelled(
        road(ends, decode=Reader(Later("soon", after=90)), decode_errors="passing", **handling),
        delivery("bad"),
        handling,
    )
    assert (len(ends.letters), ends.hidden) == (1, [("bad", 90)])


@pytest.mark.parametrize("answer", [None, 7, "ab", b"ab", {"a": 1, "b": 2}, object(), [None], [None] * 3])
async def test_a_batch_handler_that_does_not_answer_for_each_event_loses_nothing(answer: object) -> None:
    async def nonsense(_events: Sequence[str]) -> Any:
        return answer

    ends = Ends()
    pipeline = road(ends, decode=Reader(ValueError()), handle_batch=nonsense)
    both = [delivery("a", message_id="m-1"), delivery("b", message_id="m-2")]
    assert await pipeline.travel_together(both) == [False, False]
    assert len(ends.hidden) == 2


async def test_a_result_of_another_type_fails_only_the_message_that_it_was_given_for() -> None:
    async def nonsense(_events: Sequence[str]) -> Any:
        return [None, "done", True, None]

    ends = Ends()
    four = [delivery(word, message_id=word) for word in "abcd"]
    found = await road(ends, decode=Reader(ValueError()), handle_batch=nonsense).travel_together(four)
    assert found == [True, False, False, True]


@pytest.mark.parametrize(
    "answer", [Reject("returned, not raised"), ConnectionError(), Later("x", after=1), Done(), Retry("x")]
)
async def test_a_handler_that_returns_what_it_should_have_raised_has_not_done_its_work(answer: object) -> None:
    async def returning(_event: str) -> Any:
        return answer

    ends = Ends()
    assert not await road(ends, decode=Reader(ValueError()), handle=returning).travel(delivery("good"))
    assert len(ends.hidden) == 1


async def test_a_handler_that_is_not_a_coroutine_fails_only_its_message() -> None:
    plain: Callable[[str], Awaitable[None]] = print  # type: ignore[assignment]  # the mistake that this is about
    ends = Ends()
    assert not await road(ends, decode=Reader(ValueError()), handle=plain).travel(delivery("good"))
    assert len(ends.hidden) == 1
