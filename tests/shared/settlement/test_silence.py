"""A settlement or an extension that is not answered, refused or overtaken: it is tried again, and nobody beside it pays."""

import asyncio
from collections.abc import Sequence

import pytest
from structlog.testing import capture_logs

from shared.consumer import Pace
from shared.message.delivery import Delivery
from shared.outcome import Later
from shared.sqs.batches import Refused
from shared.worker import Fifo
from tests.fakes import FakeQueue
from tests.shared.rig import Rig, at_once, taking
from tests.virtual_time import clock, virtual


class Silent(FakeQueue):
    """A queue that leaves the first `unanswered` calls of one kind without an answer, for good."""

    def __init__(self, call: str, *, unanswered: int, fifo: bool = False) -> None:
        super().__init__(clock, fifo=fifo)
        self._call = call
        self._unanswered = unanswered
        self.asked_at: list[float] = []

    async def _hang(self, call: str) -> None:
        if call != self._call:
            return
        self.asked_at.append(clock())
        if self._unanswered:
            self._unanswered -= 1
            await asyncio.Event().wait()

    async def extend(self, deliveries: Sequence[Delivery], *, seconds: float) -> list[Refused]:
        await self._hang("extend")
        return await super().extend(deliveries, seconds=seconds)

    async def delete(self, deliveries: Sequence[Delivery]) -> list[Refused]:
        await self._hang("delete")
        return await super().delete(deliveries)

    async def release(self, seconds: object) -> list[Refused]:
        await self._hang("release")
        return await super().release(seconds)  # type: ignore[arg-type]  # handed on as it came


def ends_without_a_lost_lease(kind: type[FakeQueue]) -> None:
    """Work of 21 s under leases of 30 s, on a queue of this kind: its message is deleted, and no lease is taken for lost."""

    async def story() -> None:
        rig = Rig(taking(21), queue=kind(clock), pace=Pace(visibility=30))
        [stored] = rig.queue.put("a")
        with capture_logs() as logs:
            await rig.runs_for(30)
        assert stored.deleted
        assert [each["event"] for each in logs if each["event"] == "lease_lost"] == []

    virtual(story())


@pytest.mark.guarantee("B16", "R6")
def test_an_extension_that_is_never_answered_cuts_nobody() -> None:
    async def story() -> None:
        queue = Silent("extend", unanswered=1)
        rig = Rig(taking(200), queue=queue, concurrency=10, pace=Pace(visibility=30))
        stored = queue.put(*"abcdefghij")
        await rig.runs_for(215)
        assert [each.receipts for each in stored] == [1] * 10
        assert sorted(rig.ended) == list("abcdefghij")

    virtual(story())


def test_while_one_extension_hangs_those_of_other_messages_go_on() -> None:
    async def story() -> None:
        queue = Silent("extend", unanswered=1)
        rig = Rig(taking(25), queue=queue, concurrency=25, pace=Pace(visibility=30))
        queue.put(*(f"b{number}" for number in range(25)))
        await rig.runs_for(21.5)
        assert len(queue.asked_at) == 3, "ten, ten and five: none waits for the first"
        await rig.drains()

    virtual(story())


@pytest.mark.guarantee("R6")
def test_a_delete_that_is_never_answered_is_sent_again_within_seconds() -> None:
    async def story() -> None:
        queue = Silent("delete", unanswered=1)
        rig = Rig(at_once, queue=queue, pace=Pace(visibility=60))
        [stored] = queue.put("a")
        await rig.runs_for(12)
        assert stored.deleted
        assert queue.asked_at[1] - queue.asked_at[0] <= 11

    virtual(story())


@pytest.mark.guarantee("R6")
def test_a_release_that_is_refused_once_is_repeated_and_the_message_comes_back_when_it_was_asked_for() -> None:
    async def story() -> None:
        async def postpone(_body: str) -> None:
            if not rig.ended:
                rig.ended.append("postponed")
                raise Later("busy", after=20)

        rig = Rig(postpone, pace=Pace(visibility=60))
        rig.queue.put("a")
        refusals = ["RequestThrottled"]
        rig.queue.refuse = lambda call, _each: refusals.pop() if call == "release" and refusals else ""
        began = clock()
        while rig.started != ["a", "a"]:
            await rig.runs_for(0.1)
        assert 20 <= clock() - began <= 21

    virtual(story())


@pytest.mark.guarantee("R6")
def test_releases_of_failing_messages_go_ten_in_a_call() -> None:
    async def story() -> None:
        async def fail(_body: str) -> None:
            raise ConnectionResetError

        rig = Rig(fail, concurrency=20)
        rig.queue.put(*(f"b{number}" for number in range(20)))
        await rig.runs_for(0.5)
        assert [size for call, size in rig.queue.calls if call == "release"] == [10, 10]

    virtual(story())


@pytest.mark.guarantee("R6")
def test_what_a_drain_gives_back_is_given_back_though_the_first_try_is_refused() -> None:
    async def story() -> None:
        rig = Rig(taking(1_000), concurrency=10, pace=Pace(visibility=60, drain=25))
        stored = rig.queue.put(*"abcdefghij")
        await rig.runs_for(1)
        refusals = ["RequestThrottled"] * 10
        rig.queue.refuse = lambda call, _each: refusals.pop() if call == "release" and refusals else ""
        assert await rig.drains() <= 25.5
        assert [each.hidden_until <= clock() for each in stored] == [True] * 10

    virtual(story())


def test_an_extension_that_races_with_the_delete_of_its_message_is_not_a_lost_lease() -> None:
    class Racing(FakeQueue):
        async def extend(self, deliveries: Sequence[Delivery], *, seconds: float) -> list[Refused]:
            await asyncio.sleep(3)  # meanwhile the work ends, and its message is deleted
            return await super().extend(deliveries, seconds=seconds)

    ends_without_a_lost_lease(Racing)


@pytest.mark.guarantee("R7")
def test_a_fifo_successor_does_not_start_where_the_delete_of_its_predecessor_did_not_come_through() -> None:
    async def story() -> None:
        rig = Rig(at_once, queue=Silent("delete", unanswered=99, fifo=True), order=Fifo())
        rig.queue.put("1", "2", "3", group="g")
        await rig.runs_for(55)
        assert rig.started == ["1"]

    virtual(story())


def test_while_a_delete_is_open_nobody_asks_for_more_of_its_lease() -> None:
    async def story() -> None:
        rig = Rig(taking(19), queue=Silent("delete", unanswered=1), pace=Pace(visibility=30))
        rig.queue.put("a")
        await rig.runs_for(22)
        assert (rig.ended, rig.queue.count("extend")) == (["a"], 0)

    virtual(story())


def test_a_lease_is_kept_as_long_as_its_delete_is_refused() -> None:
    async def story() -> None:
        rig = Rig(at_once, pace=Pace(visibility=30))
        [stored] = rig.queue.put("a")
        rig.queue.refuse = lambda call, _each: "RequestThrottled" if call == "delete" and clock() - began < 100 else ""
        began = clock()
        await rig.runs_for(105)
        assert (stored.deleted, stored.receipts) == (True, 1)

    virtual(story())


def test_an_extension_that_is_answered_while_the_delete_is_open_is_not_a_lost_lease() -> None:
    class Slow(FakeQueue):
        async def extend(self, deliveries: Sequence[Delivery], *, seconds: float) -> list[Refused]:
            await asyncio.sleep(2)
            return await super().extend(deliveries, seconds=seconds)

        async def delete(self, deliveries: Sequence[Delivery]) -> list[Refused]:
            refused = await super().delete(deliveries)
            await asyncio.sleep(2)  # SQS has deleted it, and we have not heard of it
            return refused

    ends_without_a_lost_lease(Slow)


@pytest.mark.guarantee("R6")
def test_a_delete_that_is_never_answered_leaves_two_thirds_of_a_short_lease_for_other_tries() -> None:
    async def story() -> None:
        queue = Silent("delete", unanswered=1)
        rig = Rig(at_once, queue=queue, pace=Pace(visibility=12))
        queue.put("a")
        await rig.runs_for(11)
        assert queue.asked_at[1] - queue.asked_at[0] <= 12 / 3 + 1

    virtual(story())


def test_a_message_that_is_to_come_back_is_not_extended_however_often_its_release_is_refused() -> None:
    async def story() -> None:
        async def postpone(_body: str) -> None:
            raise Later("busy", after=5)

        rig = Rig(postpone, pace=Pace(visibility=30))
        rig.queue.put("a")
        rig.queue.refuse = lambda call, _each: "RequestThrottled" if call == "release" else ""
        await rig.runs_for(29)
        assert rig.queue.count("extend") == 0

    virtual(story())
