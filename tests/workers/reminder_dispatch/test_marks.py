"""Work grows with the present: what was queued is not queued again, however long it waits and however often one looks."""

import asyncio
from datetime import timedelta

import pytest

from tests.workers.reminder_dispatch.fakes import NOON, row
from tests.workers.reminder_dispatch.test_scan import Ticks
from workers.reminder_dispatch.scan import _runs
from workers.reminder_dispatch.schedule.window import window_of
from workers.reminder_dispatch.table.keys import MINUTE


async def test_what_waits_for_its_dispatch_is_queued_once_by_all_ticks() -> None:
    ids = [f"r{number}" for number in range(300)]
    ticks = Ticks(*(row(one) for one in ids))
    ticks.store.minute, ticks.store.page = NOON, 7
    for minutes in range(9):
        await ticks.tick(NOON + minutes * MINUTE)
    assert sorted(reminder for reminder, _, _ in ticks.queued) == sorted(ids)


@pytest.mark.slow
async def test_after_an_outage_of_six_hours_the_present_is_queued_once_and_the_past_too() -> None:
    past = [row(f"past-{number}", NOON - timedelta(minutes=number)) for number in range(6, 360, 3)]
    present = [row(f"now-{number}", NOON + timedelta(seconds=number)) for number in range(60)]
    ticks = Ticks(*past, *present)
    ticks.store.minute = NOON - timedelta(hours=6)
    await ticks.tick()
    while ticks.again.sent:
        ticks.again.sent.clear()
        await ticks.tick()
    assert len(ticks.queued) == len(past) + len(present)


async def test_a_tick_that_is_cut_within_a_minute_goes_on_where_it_was() -> None:
    ids = [f"r{number}" for number in range(400)]
    ticks = Ticks(*(row(one) for one in ids))
    ticks.store.minute, ticks.store.page = NOON, 5

    def cut(call: str) -> None:
        if call == "mark" and ticks.store.calls.count("mark") == 60:
            raise asyncio.CancelledError

    ticks.store.before = cut
    with pytest.raises(asyncio.CancelledError):
        await ticks.tick()
    done = len(ticks.queued)
    assert done >= 200
    ticks.store.before = lambda _call: None
    await ticks.tick()
    assert {reminder for reminder, _, _ in ticks.queued} == set(ids)
    assert len(ticks.queued) - len(ids) <= 16 * ticks.store.page, "a page of each shard at most"


async def test_a_reminder_written_after_its_minute_was_looked_through_is_still_found() -> None:
    ticks = Ticks(row("first"))
    ticks.store.minute = NOON
    await ticks.tick()
    late = row("late", NOON + timedelta(seconds=20))
    ticks.store.rows |= Ticks(late).store.rows
    await ticks.tick(NOON + MINUTE)
    assert [reminder for reminder, _, _ in ticks.queued] == ["first", "late"]


async def test_a_message_that_could_not_be_noted_is_sent_twice_and_not_never() -> None:
    ticks = Ticks(row())
    ticks.store.minute = NOON

    def fail(call: str) -> None:
        if call == "mark":
            raise TimeoutError

    ticks.store.before = fail
    with pytest.raises(TimeoutError):
        await ticks.tick()
    ticks.store.before = lambda _call: None
    await ticks.tick()
    assert len(ticks.queued) == 2


def test_marks_are_read_of_the_minutes_that_are_looked_through_and_of_none_between() -> None:
    usual = window_of(NOON, NOON)
    assert list(_runs(usual)) == [(NOON - 5 * MINUTE, NOON + MINUTE)]
    behind = window_of(NOON - timedelta(days=7), NOON)
    start = NOON - timedelta(days=7, minutes=5)
    assert list(_runs(behind)) == [(start, start + 19 * MINUTE), (NOON - 5 * MINUTE, NOON + MINUTE)]
