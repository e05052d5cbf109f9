"""What /livez and /readyz say of a queue's polls."""

import asyncio

import pytest

from shared.container.health import alive, ready
from shared.message.delivery import Delivery
from tests.fakes import FakeQueue
from tests.shared.rig import Rig, at_once, taking
from tests.virtual_time import clock, virtual


@pytest.mark.guarantee("B31")
def test_the_watchdog_sees_a_queue_whose_polls_fail() -> None:
    async def story() -> None:
        rig = Rig(at_once)

        def broken() -> None:
            raise ConnectionResetError

        await rig.runs_for(100)
        rig.queue.fail_receive = broken
        await rig.runs_for(100)
        assert clock() - rig.poller.polled_at > 60

    virtual(story())


def test_a_container_whose_slots_are_all_busy_is_alive() -> None:
    async def story() -> None:
        rig = Rig(taking(1_000), concurrency=1)
        rig.queue.put("a")
        await rig.runs_for(500)
        assert clock() - rig.poller.polled_at == 0

    virtual(story())


def test_the_first_poll_does_not_wait_so_that_an_idle_container_is_ready_at_once() -> None:
    async def story() -> None:
        rig = Rig(at_once)
        await rig.runs_for(0.1)
        assert rig.poller.has_polled

    virtual(story())


class Silent(FakeQueue):
    """A queue whose receives are never answered while `silent`: neither their messages nor an error comes."""

    silent = False

    async def receive(self, *, limit: int, wait: int, visibility: int) -> list[Delivery]:
        if self.silent:
            await asyncio.sleep(100_000)
        return await super().receive(limit=limit, wait=wait, visibility=visibility)


@pytest.mark.guarantee("B31")
def test_a_server_that_never_answers_is_given_up_and_asked_again_within_fifteen_seconds_of_its_return() -> None:
    async def story(fault: float) -> float:
        queue = Silent(clock)
        back = asyncio.Event()

        async def work(_body: str) -> None:
            back.set()

        rig = Rig(work, queue=queue)
        await rig.runs_for(100)
        queue.silent = True
        await rig.runs_for(fault)
        queue.silent = False
        ended_at = clock()
        queue.put("a")
        await back.wait()
        return clock() - ended_at

    assert max(virtual(story(50 + 3.7 * step)) for step in range(60)) < 15


@pytest.mark.guarantee("B31")
def test_a_silent_server_is_named_within_a_minute_and_the_other_queue_goes_on() -> None:
    async def story() -> None:
        queue = Silent(clock, name="silent")
        quiet, busy = Rig(at_once, queue=queue), Rig(at_once)
        quiet.start()
        busy.start()
        await asyncio.sleep(100)
        queue.silent = True
        last = quiet.poller.polled_at
        await asyncio.sleep(81)
        busy.queue.put("a")
        await asyncio.sleep(1)
        assert busy.ended == ["a"]
        [fault] = ready([quiet.poller, busy.poller], draining=False, now=clock()).faults
        assert fault.startswith("silent: polls fail (TimeoutError), the last answer is ")
        assert alive([quiet.poller, busy.poller], now=clock(), after=60.0).faults == (), "a restart would not help"
        answered = quiet.poller.polled_at
        assert answered - last <= 20, "the poll that was open when it fell silent was the last"

    virtual(story())
