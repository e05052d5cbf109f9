"""What /livez and /readyz are told of a queue's polls."""

from tests.shared.rig import Rig, at_once, taking
from tests.virtual_time import clock, virtual


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
