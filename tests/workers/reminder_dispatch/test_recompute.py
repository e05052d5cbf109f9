"""Newer zone data: what waits at an instant of the older data is found, told, and put where it belongs."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.fakes import FakeSender
from tests.workers.reminder_dispatch.fakes import FakeReminders, due, row
from workers.reminder_dispatch.schedule.recompute import Moved, Odd, recompute
from workers.reminder_dispatch.table.keys import due_text, index_keys
from workers.reminder_dispatch.table.store import Reminders
from workers.reminder_dispatch.table.upkeep import rewrite_moved

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
OLD = datetime(2026, 12, 1, 17, tzinfo=UTC)  # 09:00 in Vancouver by data that still has standard time there
RIGHT = datetime(2026, 12, 1, 16, tzinfo=UTC)
NINE = {"timeZone": "America/Vancouver", "localTime": "2026-12-01T09:00:00"}
SERIES = {"rule": "FREQ=DAILY", "ruleStart": "2026-11-01T09:00:00", **NINE}


def place(one: dict[str, Any]) -> Moved | Odd | None:
    return recompute(one, now=NOW, forget_at=1)


def placed(one: dict[str, Any]) -> datetime | None:
    found = place(one)
    assert isinstance(found, Moved)
    return found.due_at


async def rewrite(store: Reminders, queue: FakeSender, *, act: bool = True) -> dict[str, int]:
    told: list[object] = []
    counts = await rewrite_moved(
        store, queue=queue, now=lambda: NOW, act=act, tell=lambda _row, each: told.append(each)
    )
    assert len(told) == counts.total() - counts["looked_at"]
    return dict(counts)


def test_what_stands_right_stays() -> None:
    hourly = {"rule": "FREQ=HOURLY", "ruleStart": "2026-11-01T09:00:00", **NINE}
    night = {"timeZone": "America/New_York", "localTime": "2026-11-01T01:30:00", "onOverlap": "both"}
    second = datetime(2026, 11, 1, 6, 30, tzinfo=UTC)
    for right in (
        row(due_at=RIGHT, **NINE),
        row(due_at=RIGHT, **SERIES),
        row(due_at=RIGHT, **hourly),
        row(due_at=second, **night),
        row(due_at=OLD, timeZone=None),
    ):
        assert place(right) is None


def test_what_older_data_wrote_is_put_at_its_wall_time() -> None:
    assert placed(row(due_at=OLD, **NINE)) == RIGHT
    assert placed(row(due_at=OLD, **SERIES)) == RIGHT


def test_a_series_of_equal_steps_goes_on_at_its_next_step() -> None:
    every_third = {"rule": "FREQ=HOURLY;INTERVAL=3;BYHOUR=9", "ruleStart": "2026-11-20T09:00:00", **NINE}
    assert placed(row(due_at=OLD, **every_third)) == datetime(2026, 11, 27, 16, tzinfo=UTC)


def test_what_fell_into_a_gap_follows_its_policy() -> None:
    gap = {"timeZone": "America/New_York", "localTime": "2026-03-08T02:30:00", "onGap": "skip"}
    once = place(row(due_at=datetime(2026, 3, 8, 6, 30, tzinfo=UTC), **gap))
    assert isinstance(once, Moved)
    assert (once.due_at, once.rows, once.end.put["reason"]) == (None, (), "skipped_gap")
    nights = {"rule": "FREQ=DAILY", "ruleStart": "2026-03-01T02:30:00", **gap}
    again = place(row(due_at=datetime(2026, 3, 8, 6, 30, tzinfo=UTC), **nights))
    assert isinstance(again, Moved)
    assert [each["status"] for each in again.rows] == ["FAILED", "PENDING"]
    assert again.due_at == datetime(2026, 3, 9, 6, 30, tzinfo=UTC)


def test_what_no_zone_data_can_have_written_is_odd_and_named() -> None:
    for wrong, why in (
        (row(due_at=OLD + timedelta(days=2), **NINE), "localTime: "),
        (row(due_at=OLD, **{**NINE, "timeZone": "Mars/Olympus"}), "timeZone: "),
        (row(due_at=OLD, **{**SERIES, "rule": "FREQ=SOMETIMES"}), "rule: "),
        (row(due_at=OLD, PK="REMINDER#"), "PK: "),
    ):
        found = place(wrong)
        assert isinstance(found, Odd)
        assert found.why.startswith(why)


async def test_nothing_is_written_until_it_is_asked_for() -> None:
    store, queue = FakeReminders(row(due_at=OLD, **NINE)), FakeSender()
    before = {key: dict(one) for key, one in store.rows.items()}
    assert await rewrite(store, queue, act=False) == {"looked_at": 1, "moved": 1, "odd": 0, "near": 0, "changed": 0}
    assert store.rows == before


async def test_the_new_row_waits_in_the_index_and_the_old_one_ends_with_the_reason() -> None:
    store, queue = FakeReminders(row(due_at=OLD, attempts=2, **SERIES), row("r2", RIGHT)), FakeSender()
    assert (await rewrite(store, queue))["moved"] == 1
    old, new = store[due(due_at=OLD)], store[due(due_at=RIGHT)]
    assert (old["status"], old["reason"], "GSI1PK" in old) == ("FAILED", "moved: time zone data", False)
    assert (new["status"], new["dueAt"], new.get("attempts")) == ("PENDING", due_text(RIGHT), None)
    assert new.items() >= index_keys("r1", RIGHT).items()
    assert (await rewrite(store, queue))["moved"] == 0
    assert queue.sent == []


async def test_a_run_that_broke_off_is_finished_by_the_next() -> None:
    store, queue = FakeReminders(row(due_at=OLD, **NINE)), FakeSender()
    first = place(store[due(due_at=OLD)])
    assert isinstance(first, Moved)
    await store.add(first.rows[0])
    assert (await rewrite(store, queue))["moved"] == 1
    assert sorted(store.statuses) == ["FAILED", "PENDING"]


async def test_what_is_due_at_once_now_is_queued_and_what_is_being_sent_is_left() -> None:
    overdue = {"timeZone": "America/Vancouver", "localTime": "2026-11-27T04:30:00"}
    near = row("r2", NOW + timedelta(seconds=30), timeZone="America/Vancouver", localTime="2026-11-27T05:00:00")
    store = FakeReminders(row(due_at=NOW + timedelta(minutes=30), **overdue), near, row("r3", OLD, status="SENDING"))
    queue = FakeSender()
    assert await rewrite(store, queue) == {"looked_at": 2, "moved": 1, "odd": 0, "near": 1, "changed": 0}
    assert [(message.body, message.delay) for message in queue.sent] == [
        ('{"reminderId":"r1","dueAt":"2026-11-27T11:30:00Z"}', 0)
    ]


@pytest.mark.parametrize("meanwhile", [{"attempts": 1}, {"status": "FAILED", "reason": "cancelled"}])
async def test_what_others_change_meanwhile_is_counted_and_left_as_they_have_it(meanwhile: dict[str, Any]) -> None:
    store, queue = FakeReminders(row(due_at=OLD, revision=1, **NINE)), FakeSender()

    def change(_call: str) -> None:
        store.rows[due(due_at=OLD).key].update(meanwhile)

    store.before = lambda call: change(call) if call in {"add", "replace"} else None
    assert (await rewrite(store, queue))["changed"] == 1
    assert store[due(due_at=OLD)].items() >= meanwhile.items()
    assert len(store.rows) == 1, "nothing is left that would be sent as well"


async def test_two_runs_at_once_move_it_once() -> None:
    store, queue = FakeReminders(row(due_at=OLD, **NINE)), FakeSender()
    both = await asyncio.gather(rewrite(store, queue), rewrite(store, queue))
    assert sorted(each["moved"] for each in both) == [0, 1]
    assert sorted(store.statuses) == ["FAILED", "PENDING"]


BEFORE: list[dict[str, Any]] = [
    {"status": "FAILED", "reason": "moved: time zone data"},
    {"status": "FAILED", "reason": "rescheduled", "revision": 1},
    {"status": "PENDING", "revision": 1},
]
"""What may stand where an occurrence belongs that has not been sent: newer data took it away and still newer data brings it back, or its
producer had it there before.
"""


@pytest.mark.parametrize("before", BEFORE)
async def test_what_belongs_where_it_was_before_waits_there_again(store: Reminders, before: dict[str, Any]) -> None:
    there: dict[str, Any] = {"revision": 2, **NINE, **before}
    for each in (row(due_at=OLD, revision=2, **NINE), row(due_at=RIGHT, **there)):
        assert await store.add(each)
    queue = FakeSender()
    for moved in (1, 0):
        assert (await rewrite(store, queue))["moved"] == moved
    old, new = await store.load(due(due_at=OLD).key), await store.load(due(due_at=RIGHT).key)
    assert old is not None
    assert new is not None
    assert (old["status"], new["status"], new["revision"], "reason" in new) == ("FAILED", "PENDING", 2, False)


@pytest.mark.parametrize("end", [{"status": "SENT"}, {"status": "FAILED", "reason": "late"}, {"status": "SENDING"}])
async def test_what_was_sent_or_has_ended_there_is_not_sent_again(store: Reminders, end: dict[str, Any]) -> None:
    for each in (row(due_at=OLD, **NINE), row(due_at=RIGHT, **NINE, **end)):
        assert await store.add(each)
    assert (await rewrite(store, FakeSender()))["moved"] == 1
    old, new = await store.load(due(due_at=OLD).key), await store.load(due(due_at=RIGHT).key)
    assert old is not None
    assert new is not None
    assert (old["status"], new["status"]) == ("FAILED", end["status"])
