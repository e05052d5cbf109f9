"""A worker killed between any two steps loses nothing: the next receipt of the message finishes the work."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.bus import BusEntry
from shared.outcome import Later
from tests.workers.upload_notification.fakes import FakeSessions, finished, removed, row
from tests.workers.upload_notification.world import World, gone
from workers.upload_notification.event import UploadEvents
from workers.upload_notification.handler import handle
from workers.upload_notification.ports import Answer
from workers.upload_notification.rules import LEASE


class Killed(BaseException):
    """The process is gone: nothing of it runs any more, no `except Exception` either."""


class Mortal(World):
    """Dies at its n-th call, before or after the call has had its effect."""

    def dies_at(self, call: int, *, after_effect: bool) -> None:
        self.life, self.after_effect = call, after_effect
        store = self.store
        for name in ("write", "announced", "release", "disconnect"):
            setattr(store, name, self.mortal(getattr(store, name)))

    def mortal(self, call: Any) -> Any:
        async def called(*arguments: Any, **named: Any) -> Any:
            self.life -= 1
            if self.life == 0 and not self.after_effect:
                raise Killed
            answer = await call(*arguments, **named)
            if self.life == 0:
                raise Killed
            return answer

        return called

    async def post(self, connection_id: str, data: bytes) -> Answer:
        answer: Answer = await self.mortal(super().post)(connection_id, data)
        return answer

    async def put_event(self, entry: BusEntry) -> None:
        await self.mortal(super().put_event)(entry)


MOST_RECEIPTS = 5
CALLS = 5
"""Move, put on the bus, post to a gone connection, forget it, mark as announced."""


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("call", range(1, CALLS + 1))
async def test_killed_at_any_step_the_next_receipts_finish_the_work(call: int, moment: str) -> None:
    first = Mortal(FakeSessions(row(wsConnectionId="old")), answers=gone("old"))
    rows = first.store.rows
    first.dies_at(call, after_effect=moment == "after")
    with pytest.raises(Killed):
        await first.handle(finished())
    rows["s1"]["wsConnectionId"] = "browser"

    second = World(FakeSessions(*rows.values()), time=first.time)
    await comes_again(second)

    assert rows["s1"]["announcedSequencer"] == finished().order
    assert first.store.moves + second.store.moves == 1
    assert {event["id"] for event in first.events + second.events} == {finished().id}
    done = (call, moment) == (CALLS, "after")
    assert len(second.messages) == (0 if done else 1)
    assert second.time - first.time <= timedelta(seconds=LEASE)


async def comes_again(world: World) -> None:
    """Receive the message as often as SQS allows after a first receipt, each time when the handler said."""
    for _ in range(MOST_RECEIPTS - 1):
        try:
            return await world.handle(finished())
        except Later as objection:
            world.time += timedelta(seconds=objection.after)
    raise AssertionError("the message would be buried before its work is done")


class Stuck(World):
    """Its gateway never answers, until it is `mended`."""

    mended = False

    async def post(self, connection_id: str, data: bytes) -> Answer:
        if not self.mended:
            await asyncio.Event().wait()
        return await super().post(connection_id, data)


async def test_a_handler_that_was_cut_leaves_its_lease_to_run_out() -> None:
    world = Stuck(FakeSessions(row(wsConnectionId="browser")))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await world.handle(finished())
    world.mended = True

    with pytest.raises(Later):
        await world.handle(finished())
    await comes_again(world)

    assert (len(world.messages), world.store.moves) == (1, 1)


@pytest.mark.parametrize("call", range(1, CALLS))
async def test_killed_in_time_the_next_receipt_finishes_the_work_after_it(call: int) -> None:
    first = Mortal(FakeSessions(row(wsConnectionId="old", maxBytes=10)), answers=gone("old"))
    rows = first.store.rows
    first.dies_at(call, after_effect=True)
    with pytest.raises(Killed):
        await first.handle(finished())
    rows["s1"]["expiresAt"] = int(first.time.timestamp())

    second = World(FakeSessions(*rows.values()), time=first.time)
    await comes_again(second)
    assert rows["s1"]["status"] == "COMPLETE"
    assert {event["status"] for event in first.events + second.events} == {"COMPLETE"}


@pytest.mark.parametrize("call", range(1, 4))
async def test_an_outage_after_the_kill_does_not_let_what_was_begun_expire(call: int) -> None:
    first = Mortal(FakeSessions(row(wsConnectionId="browser", maxBytes=10)))
    rows = first.store.rows
    first.dies_at(call, after_effect=True)
    with pytest.raises(Killed):
        await first.handle(finished())
    first.time += timedelta(seconds=LEASE)
    for due in (1, 0):
        rows["s1"]["expiresAt"] = int(first.time.timestamp()) + due
        outage = World(first.store, time=first.time)
        with pytest.raises(Down):
            await handle(UploadEvents((finished(),)), ports=replace(outage.ports(), checksum=down))
    second = World(FakeSessions(*rows.values()), time=first.time)
    await comes_again(second)
    assert rows["s1"]["status"] == "COMPLETE"
    assert {event["status"] for event in first.events + second.events} == {"COMPLETE"}
    assert not {"announceUntil", "announcedTo"} & rows["s1"].keys()


async def test_whom_a_call_that_failed_has_told_nobody_knows_and_its_session_does_not_expire() -> None:
    world = World(FakeSessions(row(wsConnectionId="browser", maxBytes=10)))
    ports = world.ports()
    with pytest.raises(Down):
        await handle(UploadEvents((finished(),)), ports=replace(ports, post=down, put_event=down))
    world.store.rows["s1"]["expiresAt"] = int(world.time.timestamp())
    await world.handle(finished())
    assert (world.store.rows["s1"]["status"], len(world.messages), len(world.events)) == ("COMPLETE", 1, 1)


class Down(Exception):
    pass


async def down(*_: object) -> Any:
    raise Down


@pytest.mark.parametrize("end", [Down, Killed])
async def test_the_file_that_takes_a_removed_ones_place_is_announced_though_the_first_try_failed(
    end: type[BaseException],
) -> None:
    async def ends(*_: object) -> Any:
        raise end

    world = World(FakeSessions(row(wsConnectionId="browser")))
    await world.handle(finished("09", name="b.jpg", at=1), finished("05", name="a.jpg"))
    assert len(world.messages) == 1
    gone_now = removed("0a", name="b.jpg", at=2)
    with pytest.raises(end):
        await handle(UploadEvents((gone_now,)), ports=replace(world.ports(), post=ends, put_event=ends))
    if end is Killed:
        with pytest.raises(Later):
            await world.handle(gone_now)
        world.time += timedelta(seconds=LEASE)
    await world.handle(gone_now)
    assert [each["key"][-5:] for each in world.messages] == ["b.jpg", "a.jpg"]
    assert [each["key"][-5:] for each in world.events] == ["b.jpg", "a.jpg"]
    await world.handle(gone_now, finished("05", name="a.jpg"))
    assert len(world.events) == 2
