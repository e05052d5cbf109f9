"""A series goes on, whatever becomes of one of its occurrences."""

from datetime import timedelta

from tests.workers.reminder_dispatch.fakes import NOON, daily, due, world
from workers.reminder_dispatch.channels.channel import Refused
from workers.reminder_dispatch.table.keys import head_key

TOMORROW = NOON + timedelta(days=1)
DEAD = Refused("DeviceNotRegistered", dead=True)


async def test_the_next_occurrence_is_written_before_this_one_is_sent() -> None:
    of = world(daily())
    of.before_push = lambda: of.details.append({"rows at the send": len(of.store.rows)})
    await of.dispatch(due())
    assert of.details == [{"rows at the send": 2}]
    after = of.store[due(due_at=TOMORROW)]
    assert (after["status"], after["GSI1PK"][:20]) == ("PENDING", "DUE#2026-11-22T12:00")
    assert of.asked_again() == [], "tomorrow's tick finds it"


async def test_a_next_occurrence_that_exists_is_not_written_over() -> None:
    moved = daily(due_at=TOMORROW, title="Edited")
    of = world(daily(), moved)
    await of.dispatch(due())
    assert of.store[due(due_at=TOMORROW)] == moved


async def test_occurrences_missed_in_an_outage_follow_each_other_without_waiting_for_a_tick() -> None:
    of = world(daily())
    of.later(days=3, hours=1)
    await of.redelivered(due())
    assert of.store.statuses == ["SENT"] * 4 + ["PENDING"]
    assert len(of.requests) == 4


async def test_late_occurrences_are_recorded_and_the_series_goes_on_in_time() -> None:
    of = world(daily(maxLateness=3600))
    of.later(days=2, minutes=30)
    await of.redelivered(due())
    assert of.store.statuses == ["FAILED", "FAILED", "SENT", "PENDING"]
    assert of.store[due()]["reason"] == "late"


async def test_a_series_that_cannot_be_read_fails_with_the_field_and_is_not_tried_again() -> None:
    of = world(daily(timeZone="Mars/Olympus"))
    assert await of.dispatch(due()) == [None]
    assert (of.store[due()]["status"], of.store[due()]["reason"]) == ("FAILED", "timeZone: no zone of that name")
    assert (of.requests, of.asked_again()) == ([], [])


async def test_the_head_of_a_series_that_has_ended_goes_after_its_last_occurrence() -> None:
    key = head_key("r1")
    head = {"PK": key.pk, "SK": key.sk, "status": "ACTIVE", "revision": 1}
    last_but_one = daily(rule="FREQ=DAILY;COUNT=2", revision=1)
    of = world(last_but_one, head)
    await of.dispatch(due())
    assert of.store.rows[key] == head, "another one comes"
    of.at = TOMORROW
    await of.dispatch(due(due_at=TOMORROW))
    assert of.store.rows[key] == {**head, "TTL": of.store[due(due_at=TOMORROW)]["TTL"]}


async def test_the_head_of_a_series_that_was_changed_stays() -> None:
    key = head_key("r1")
    head = {"PK": key.pk, "SK": key.sk, "status": "ACTIVE", "revision": 2}
    of = world(daily(rule="FREQ=DAILY;COUNT=1", revision=1), head)
    await of.dispatch(due())
    assert of.store.rows[key] == head
