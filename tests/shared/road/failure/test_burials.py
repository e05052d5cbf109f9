"""How long a burial holds its message's slot where the dead-letter queue does not answer."""

import asyncio
from collections.abc import Awaitable

from shared.consumer import lay_road
from shared.message.dead_letter import Letter
from shared.road.ports import Ports
from tests.fakes import delivery
from tests.made import make_worker
from tests.shared.road.test_pipeline import Ends, nothing, read
from tests.virtual_time import clock, virtual


def test_a_dead_letter_queue_that_is_known_to_be_silent_holds_a_message_for_two_seconds_and_not_for_thirty() -> None:
    async def story() -> None:
        ends, tries = Ends(), list[str]()

        async def unanswered(letter: Letter) -> None:
            tries.append(letter.message_id)
            await asyncio.sleep(10)
            raise ConnectionError("no answer")

        road = lay_road(make_worker(decode=read, handle=nothing), Ports(hide=ends.hide, bury=unanswered))
        seconds = [await timed(road.travel(delivery("", message_id=name))) for name in ("first", "second", "third")]
        assert 12 < seconds[0] < 13
        assert seconds[1:] == [2.0, 2.0]
        assert tries == ["first", "first", "second", "third"]
        assert len(ends.hidden) == 3

    virtual(story())


def test_a_dead_letter_queue_that_answers_late_is_given_longer_with_each_receipt() -> None:
    async def story() -> None:
        ends, is_down = Ends(), True

        async def late(letter: Letter) -> None:
            await asyncio.sleep(3)
            if is_down:
                raise ConnectionError("cut")
            ends.letters.append(letter)

        road = lay_road(make_worker(decode=read, handle=nothing), Ports(hide=ends.hide, bury=late))
        assert not await road.travel(delivery(""))
        is_down = False
        assert [await road.travel(delivery("", attempt=attempt)) for attempt in (1, 2)] == [False, True]
        assert await timed(road.travel(delivery(""))) == 3.0, "no limit, as long as burials succeed"
        assert len(ends.letters) == 2

    virtual(story())


async def timed(journey: Awaitable[bool]) -> float:
    began = clock()
    await journey
    return clock() - began
