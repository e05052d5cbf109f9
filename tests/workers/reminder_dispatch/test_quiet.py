"""Quiet hours: held until they end on the recipient's clock, and then sent once."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared import ScheduleTick
from tests.fakes import FakeSender, delivery
from tests.workers.reminder_dispatch.fakes import NOON, World, daily, due, row, world
from workers.reminder_dispatch.event import decode_due
from workers.reminder_dispatch.scan import look
from workers.reminder_dispatch.schedule.quiet import QuietHours, quiet_until

NIGHT = {"from": "22:00", "until": "07:00"}
BERLIN = {"timeZone": "Europe/Berlin", "quietHours": NIGHT}
EVENING = datetime(2026, 11, 21, 22, 30, tzinfo=UTC)
"""23:30 in Berlin."""
MORNING = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
"""07:00 in Berlin."""


def utc(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}:00Z")


@pytest.mark.parametrize(
    ("zone", "quiet", "now", "end"),
    [
        ("Europe/Berlin", NIGHT, "2026-11-21T20:59", None),
        ("Europe/Berlin", NIGHT, "2026-11-21T21:00", "2026-11-22T06:00"),
        ("Europe/Berlin", NIGHT, "2026-11-22T05:59", "2026-11-22T06:00"),
        ("Europe/Berlin", NIGHT, "2026-11-22T06:00", None),
        ("Europe/Berlin", NIGHT, "2027-03-27T22:30", "2027-03-28T05:00"),  # an hour shorter
        ("Europe/Berlin", NIGHT, "2026-10-24T21:30", "2026-10-25T06:00"),  # an hour longer
        (
            "Europe/Berlin",
            {"from": "22:00", "until": "02:30"},
            "2027-03-27T22:30",
            "2027-03-28T01:00",
        ),  # ends in the gap
        ("America/New_York", {"from": "00:30", "until": "01:30"}, "2026-11-01T04:45", "2026-11-01T05:30"),
        ("America/New_York", {"from": "00:30", "until": "01:30"}, "2026-11-01T05:45", None),  # shown for the first time
        (
            "America/New_York",
            {"from": "00:30", "until": "01:30"},
            "2026-11-01T06:10",
            "2026-11-01T06:30",
        ),  # 01:10 again
        ("UTC", {**NIGHT, "days": ["FR"]}, "2026-11-21T03:00", "2026-11-21T07:00"),  # Friday's night
        ("UTC", {**NIGHT, "days": ["FR"]}, "2026-11-22T03:00", None),
        ("UTC", {"from": "00:00", "until": "00:00", "days": ["SA", "SU"]}, "2026-11-21T12:00", "2026-11-23T00:00"),
        ("Australia/Lord_Howe", NIGHT, "2026-10-03T12:00", "2026-10-03T20:00"),  # half an hour of gap
    ],
)
def test_when_quiet_hours_end(zone: str, quiet: Any, now: str, end: str | None) -> None:
    assert quiet_until(QuietHours.model_validate(quiet), zone, utc(now)) == (utc(end) if end else None)


async def test_what_comes_at_night_goes_out_in_the_morning_and_what_is_urgent_at_once() -> None:
    night = world(row("r1", EVENING, **BERLIN), row("r2", EVENING, **BERLIN, urgent=True))
    night.at = EVENING
    await night.dispatch(due("r1", EVENING), due("r2", EVENING))
    assert [note.token for note in night.notes] == ["ExponentPushToken[r2]"]
    held = night.store[due("r1", EVENING)]
    assert (held["status"], held["reason"], held.get("attempts")) == ("PENDING", "quiet hours", None)
    assert night.asked_again() == [], "no message waits through the night"
    assert await queued(night, MORNING - timedelta(minutes=10)) == []
    messages = await queued(night, MORNING - timedelta(seconds=30))
    assert [message.delay for message in messages] == [30]
    assert await queued(night, MORNING - timedelta(seconds=20)) == [], "queued once"
    night.at = MORNING
    await night.dispatch(decode_due(delivery(messages[0].body)))
    assert night.store[due("r1", EVENING)]["status"] == "SENT"


async def test_eight_workers_with_every_message_thrice_hold_and_send_it_once() -> None:
    night = world(daily("r1", EVENING, **BERLIN, localTime="2026-11-21T23:30:00", ruleStart="2026-11-21T23:30:00"))
    for night.at in (EVENING, MORNING - timedelta(hours=1), MORNING):
        for _ in range(3):
            await asyncio.gather(*(night.dispatch(due("r1", EVENING)) for _ in range(8)), return_exceptions=True)
    assert night.sent_to == ["ExponentPushToken[r1]"]
    assert sorted(night.store.statuses) == ["PENDING", "SENT"], "and the series goes on"


async def test_what_ends_soon_is_queued_at_once_because_a_tick_may_have_passed_it() -> None:
    night = world(row("r1", MORNING - timedelta(seconds=90), **BERLIN))
    night.at = MORNING - timedelta(seconds=90)
    await night.redelivered(due("r1", MORNING - timedelta(seconds=90)))
    assert (night.at >= MORNING, night.store.statuses) == (True, ["SENT"])


async def test_what_has_become_too_late_in_the_morning_is_not_sent() -> None:
    night = world(row("r1", EVENING, **BERLIN, maxLateness=3_600))
    for night.at in (EVENING, MORNING):
        await night.dispatch(due("r1", EVENING))
    assert (night.notes, night.store[due("r1", EVENING)]["reason"]) == ([], "late")


@pytest.mark.parametrize(
    ("attributes", "why"),
    [
        *(({"quietHours": {"from": odd, "until": "07:00"}}, "quietHours.from: ") for odd in ("22", "2200Z", "22+01")),
        ({"quietHours": NIGHT, "timeZone": None}, "timeZone: missing"),
        ({"quietHours": {"from": "00:00", "until": "00:00"}}, "quietHours: they never end"),
        ({"quietHours": {**NIGHT, "days": ["someday"]}}, "quietHours.days.0: "),
    ],
)
async def test_quiet_hours_that_cannot_be_read_end_the_row(attributes: Any, why: str) -> None:
    wrong = world(row(**attributes))
    await wrong.dispatch(due())
    assert wrong.store[due()]["reason"].startswith(why)


async def queued(night: World, at: datetime) -> list[Any]:
    """What a tick at that time puts into the queue."""
    queue = FakeSender()
    night.store.minute = at.replace(second=0)
    await look(
        [ScheduleTick(source="scheduler", time=NOON)],
        store=night.store,
        queue=queue,
        again=FakeSender(),
        now=lambda: at,
    )
    return list(queue.sent)
