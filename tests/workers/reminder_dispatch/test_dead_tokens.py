"""A device that is gone is asked for once, whichever reminders name it, until it is registered anew."""

import asyncio
from datetime import timedelta

from tests.workers.reminder_dispatch.fakes import NOON, PUSHED, daily, due, row, world
from workers.reminder_dispatch.channels.channel import Misconfigured, Refused
from workers.reminder_dispatch.rules import DEAD_FOR
from workers.reminder_dispatch.table.keys import device_key, due_text

DEAD = Refused("DeviceNotRegistered", dead=True)
GONE, HERE = PUSHED.format("gone"), PUSHED.format("here")


async def test_a_token_that_one_reminder_found_dead_is_posted_by_no_other() -> None:
    of = world(row("r1", tokens=[GONE]), row("r2", tokens=[GONE, HERE]), row("r3", tokens=[GONE]), answers=[DEAD])
    await of.dispatch(due("r1"))
    await of.dispatch(due("r2"), due("r3"))
    assert of.sent_to == [GONE, HERE]
    assert (of.store[due("r2")]["status"], of.store[due("r2")]["deadTokens"]) == ("SENT", [GONE])
    assert (of.store[due("r3")]["status"], of.store[due("r3")]["reason"]) == ("FAILED", "DeviceNotRegistered")
    assert of.store.rows[device_key(GONE)]["TTL"] == int((NOON + DEAD_FOR).timestamp())


async def test_registered_anew_it_is_sent_to_again() -> None:
    of = world(row("r1", tokens=[GONE]), daily("r2", tokens=[GONE]), answers=[DEAD])
    await of.dispatch(due("r1"))
    assert await of.store.revive(device_key(GONE), at=of.at, forget_at=1)
    await of.dispatch(due("r2"))
    assert (of.store[due("r2")]["status"], of.sent_to) == ("SENT", [GONE, GONE])


async def test_a_series_that_met_a_dead_device_goes_to_it_again_once_it_is_registered_anew() -> None:
    of = world(daily(tokens=[GONE]), answers=[DEAD])
    for day in range(3):
        of.at = NOON + timedelta(days=day)
        if day == 2:
            assert await of.store.revive(device_key(GONE), at=of.at, forget_at=1)
        await of.dispatch(due(due_at=of.at))
    assert of.store.statuses == ["FAILED", "FAILED", "SENT", "PENDING"]
    assert of.sent_to == [GONE, GONE], "nothing on the second day"


async def test_who_registers_while_a_push_is_on_its_way_is_not_taken_for_gone() -> None:
    of = world(row("r1", tokens=[GONE]), row("r2", tokens=[GONE]), answers=[DEAD])
    registered = asyncio.Event()

    def register() -> None:
        of.store.registered[device_key(GONE)] = due_text(of.at + timedelta(seconds=1))
        registered.set()

    of.after_push = register
    await of.dispatch(due("r1"))
    await of.dispatch(due("r2"))
    assert (registered.is_set(), of.store[due("r2")]["status"]) == (True, "SENT")


def test_both_ways_to_write_a_token_are_one() -> None:
    assert device_key("ExpoPushToken[abc]") == device_key("ExponentPushToken[abc]") == device_key("abc")
    assert device_key("ExpoPushToken[abc]") != device_key("ExpoPushToken[abd]")


async def test_what_is_known_without_asking_says_nothing_of_the_channel() -> None:
    of = world(row("r1", tokens=[GONE]), row("r2"), row("r3", tokens=[GONE]), answers=[DEAD, Misconfigured("401")])
    await of.dispatch(due("r1"))
    await of.dispatch(due("r2"))
    of.later(seconds=60)
    await of.dispatch(due("r3"))
    assert of.gates.why_not("reminders/push") is None, "the probe's turn is the next one's"
    assert of.gates.why_not("reminders/push") == "401"
    assert of.requests == [1, 1]


async def test_a_note_that_cannot_be_written_costs_the_reminder_nothing() -> None:
    of = world(row("r1", tokens=[GONE, HERE]), answers=[DEAD])

    def fail(call: str) -> None:
        if call == "entomb":
            raise TimeoutError

    of.store.before = fail
    assert await of.dispatch(due("r1")) == [None]
    assert of.store[due("r1")]["status"] == "SENT"
    assert NOON - timedelta(0) == of.at
