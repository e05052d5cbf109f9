"""A tick fills the reminders queue, whatever state the table, the clock and the queue are in."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from shared.message.envelope import ScheduleTick
from shared.sqs.sender import NotSent
from tests.fakes import FakeSender
from tests.workers.reminder_dispatch.fakes import NOON, FakeReminders, due, row
from workers.reminder_dispatch.scan import look
from workers.reminder_dispatch.table.keys import MINUTE, due_text, shard_of


class Ticks:
    """A tick's surroundings."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.store, self.queue, self.again = FakeReminders(*rows), FakeSender(), FakeSender()

    async def tick(self, at: datetime = NOON, *, says: datetime | None = None) -> None:
        event = ScheduleTick(source="scheduler", time=says or at)
        assert await look([event], store=self.store, queue=self.queue, again=self.again, now=lambda: at) == [None]

    @property
    def queued(self) -> list[tuple[str, str, int]]:
        bodies = [(orjson.loads(message.body), message.delay) for message in self.queue.sent]
        return [(body["reminderId"], body["dueAt"], delay) for body, delay in bodies]


async def test_a_due_reminder_is_queued_and_the_cursor_moves_on() -> None:
    ticks = Ticks(row())
    await ticks.tick()
    while ticks.again.sent:  # at its first start it looks through an hour
        ticks.again.sent.clear()
        await ticks.tick()
    assert ("r1", due_text(NOON), 0) in ticks.queued
    assert ticks.store.minute == NOON + MINUTE


async def test_what_is_due_before_the_next_tick_is_queued_with_its_exact_delay() -> None:
    soon, later = NOON + timedelta(seconds=42), NOON + timedelta(minutes=3)
    ticks = Ticks(row("soon", soon), row("later", later))
    ticks.store.minute = NOON
    await ticks.tick()
    assert ticks.queued == [("soon", due_text(soon), 42)]


async def test_missed_minutes_are_caught_up_and_a_long_past_continues_in_ticks_of_its_own() -> None:
    ticks = Ticks(*(row(f"r{hour}", NOON - timedelta(hours=hour)) for hour in range(5)))
    ticks.store.minute = NOON - timedelta(hours=5)
    await ticks.tick()
    rounds = 1
    while ticks.again.sent:
        [message] = ticks.again.sent
        assert orjson.loads(message.body) == {"source": "scheduler", "time": "2026-11-21T12:00:00Z"}
        ticks.again.sent.clear()
        await ticks.tick()
        rounds += 1
    assert set(ticks.queued) == {(f"r{hour}", due_text(NOON - timedelta(hours=hour)), 0) for hour in range(5)}
    assert 15 <= rounds <= 21


@pytest.mark.parametrize("days", [-3650, -1, 1, 3650])
async def test_a_tick_from_another_time_looks_at_now_and_skips_nothing(days: int) -> None:
    ticks = Ticks(row("now"), row("next", NOON + MINUTE))
    ticks.store.minute = NOON
    await ticks.tick(NOON, says=NOON + timedelta(days=days))
    await ticks.tick(NOON + MINUTE)
    assert {reminder for reminder, _, _ in ticks.queued} == {"now", "next"}


async def test_ticks_in_parallel_and_out_of_order_never_move_the_cursor_back() -> None:
    ticks = Ticks(row())
    ticks.store.minute = NOON
    await asyncio.gather(*(ticks.tick(NOON + minutes * MINUTE) for minutes in (3, 0, 2, 1)))
    assert ticks.store.minute == NOON + 4 * MINUTE
    assert set(ticks.queued) == {("r1", due_text(NOON), 0)}


async def test_a_reminder_written_a_little_late_is_found_by_the_overlap() -> None:
    ticks = Ticks()
    ticks.store.minute = NOON
    await ticks.tick()
    ticks.store.rows |= FakeReminders(row("late", NOON - timedelta(seconds=90))).rows
    await ticks.tick(NOON + MINUTE)
    assert [reminder for reminder, _, _ in ticks.queued] == ["late"]


async def test_a_bad_row_fails_with_its_reason_and_the_rest_of_its_page_is_queued() -> None:
    good = [row(f"r{number}") for number in range(50)]
    bad = row("r0") | {"PK": "REMINDER", "GSI1PK": good[0]["GSI1PK"]}
    ticks = Ticks(*good, bad)
    ticks.store.minute = NOON
    with capture_logs() as logged:
        await ticks.tick()
    assert [line["pk"] for line in logged if line["event"] == "event_dropped"] == ["REMINDER"]
    assert len(ticks.queued) == len(good)
    spoiled = next(one for key, one in ticks.store.rows.items() if key.pk == "REMINDER")
    assert (spoiled["status"], spoiled["reason"]) == ("FAILED", "PK: not REMINDER# and an id")
    assert "GSI1PK" not in spoiled


async def test_all_of_ten_thousand_reminders_of_one_minute_are_found_over_all_shards_and_pages() -> None:
    ids = [f"reminder-{number}" for number in range(10_000)]
    ticks = Ticks(*(row(one) for one in ids))
    ticks.store.minute = NOON
    await ticks.tick()
    assert sorted(reminder for reminder, _, _ in ticks.queued) == sorted(ids)
    assert max(Counter(map(shard_of, ids)).values()) <= 1.15 * len(ids) / 16


async def test_a_queue_that_refuses_fails_the_tick_and_leaves_the_cursor() -> None:
    ticks = Ticks(row())
    ticks.store.minute = NOON

    def refuse() -> None:
        raise NotSent("reminders", ["InternalError"])

    ticks.queue.fail = refuse
    with pytest.raises(NotSent):
        await ticks.tick()
    assert ticks.store.minute == NOON


async def test_one_failing_shard_does_not_keep_the_others_from_being_queued() -> None:
    ids = [f"r{number}" for number in range(64)]
    ticks = Ticks(*(row(one) for one in ids))
    ticks.store.minute = NOON
    broken = 16 * 5  # the first shard of the sixth minute, which is NOON
    asked = 0

    def fail_once(call: str) -> None:
        nonlocal asked
        if call == "pages":
            asked += 1
            if asked == broken + 1:
                raise TimeoutError

    ticks.store.before = fail_once
    with pytest.raises(TimeoutError):
        await ticks.tick()
    assert {reminder for reminder, _, _ in ticks.queued} == {one for one in ids if shard_of(one) != 0}
    await ticks.tick()
    assert {reminder for reminder, _, _ in ticks.queued} == set(ids)


async def test_a_tick_cut_short_keeps_the_minutes_it_has_queued() -> None:
    ticks = Ticks(row("early", NOON - timedelta(minutes=25)))
    ticks.store.minute = NOON - timedelta(minutes=30)

    def cut(call: str) -> None:
        if call == "pages" and ticks.store.minute == NOON - timedelta(minutes=20):
            raise asyncio.CancelledError

    ticks.store.before = cut
    with pytest.raises(asyncio.CancelledError):
        await ticks.tick()
    assert ticks.store.minute == NOON - timedelta(minutes=20)
    assert [reminder for reminder, _, _ in ticks.queued] == ["early"]


async def test_what_somebody_has_in_hand_is_not_queued_again() -> None:
    held = row("held", status="SENDING", claimedUntil=int(NOON.timestamp()) + 30)
    ticks = Ticks(held, row("free"))
    ticks.store.minute = NOON
    await ticks.tick()
    assert [reminder for reminder, _, _ in ticks.queued] == ["free"]
    assert ticks.store[due("held")]["status"] == "SENDING"


async def test_ticks_that_come_together_are_one_look() -> None:
    ticks = Ticks(row())
    ticks.store.minute = NOON
    events = [ScheduleTick(source="scheduler", time=NOON + minutes * MINUTE) for minutes in (-1, 0, 0)]
    ends = await look(events, store=ticks.store, queue=ticks.queue, again=ticks.again, now=lambda: NOON)
    assert ends == [None] * 3
    assert len(ticks.queued) == 1


async def test_a_row_that_no_tick_would_find_again_is_ended_whatever_was_tried_of_it() -> None:
    lost = row("r1", NOON + timedelta(hours=2), attempts=3, GSI1PK=row("r1")["GSI1PK"])
    ticks = Ticks(lost)
    ticks.store.minute = NOON
    await ticks.tick()
    assert [one["status"] for one in ticks.store.rows.values()] == ["FAILED"]
