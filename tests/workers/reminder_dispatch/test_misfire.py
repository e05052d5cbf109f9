"""After an outage each policy sends exactly what it says, whatever the rule is and however long the outage was."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workers.reminder_dispatch.fakes import NOON, World, daily, due, row, world
from workers.reminder_dispatch.channels.channel import Answer, Busy, Lost, Misconfigured
from workers.reminder_dispatch.event import ReminderDue
from workers.reminder_dispatch.rules import MISSED_AFTER
from workers.reminder_dispatch.schedule.recurrence import Series, following
from workers.reminder_dispatch.table.keys import due_text

RULES = ("FREQ=MINUTELY;INTERVAL={}", "FREQ=HOURLY;INTERVAL={}", "FREQ=DAILY;INTERVAL={}", "FREQ=WEEKLY;INTERVAL={}")


@dataclass
class Outage:
    """A series that nobody looked at since noon, and what it should have sent until `back`."""

    rule: str
    back: datetime

    def missed(self, until: datetime) -> list[datetime]:
        series = Series(rule=self.rule, start=NOON.replace(tzinfo=None), zone="UTC")
        found = [NOON]
        while (coming := following(series, found[-1]).next) is not None and coming.instant <= until:
            found.append(coming.instant)
        return found

    async def played(self, policy: str) -> World:
        """The worker is back, and has done all that is due by then."""
        found = world(daily(rule=self.rule, misfire=policy))
        found.at = self.back
        while waiting := [
            one
            for one in found.store.rows.values()
            if one["status"] == "PENDING" and one["dueAt"] <= due_text(found.at)
        ]:
            await found.dispatch(*(ReminderDue.model_validate(one) for one in waiting))
            found.asked_again()
        return found


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    rule=st.builds(str.format, st.sampled_from(RULES), st.integers(7, 90)),
    seconds=st.integers(60, 7 * 86_400),
)
async def test_each_policy_gives_the_exact_count(rule: str, seconds: int) -> None:
    outage = Outage(rule, NOON + timedelta(seconds=seconds))
    missed = outage.missed(outage.back)
    fresh = [each for each in missed if each >= outage.back - MISSED_AFTER]
    ends = {policy: await outage.played(policy) for policy in ("fire_once", "skip")}
    if len(missed) < 200:  # each is a row
        ends["fire_all"] = await outage.played("fire_all")
        assert len(ends["fire_all"].notes) == len(missed)
    assert len(ends["fire_once"].notes) == 1
    assert len(ends["skip"].notes) == len(fresh)
    for end in ends.values():
        [coming] = [each["dueAt"] for each in end.store.rows.values() if each["status"] == "PENDING"]
        assert coming > due_text(outage.back), "one series goes on, in the future"


async def test_a_reminder_that_comes_once_is_skipped_only_where_it_asks_for_it() -> None:
    late = world(row("r1", misfire="skip"), row("r2", misfire="fire_once"), row("r3"))
    late.at = NOON + timedelta(seconds=61)
    await late.dispatch(due("r1"), due("r2"), due("r3"))
    assert len(late.notes) == 2
    assert (late.store[due("r1")]["status"], late.store[due("r1")]["reason"]) == ("FAILED", "misfire")


@pytest.mark.parametrize(("hours", "sent"), [(9.0, 1), (9.1, 0)])
async def test_quiet_hours_are_no_lateness(hours: float, sent: int) -> None:
    held = world(row(misfire="skip", quietHours={"from": "11:00", "until": "21:00"}))
    await held.dispatch(due())
    held.later(hours=hours)
    await held.dispatch(due())
    assert len(held.notes) == sent


async def test_what_was_tried_is_not_missed() -> None:
    tried = world(row(misfire="skip", attempts=1, notBefore=0))
    tried.later(hours=1)
    await tried.dispatch(due())
    assert tried.store.statuses == ["SENT"]


@pytest.mark.parametrize(
    ("answers", "quiet"),
    [
        ([Busy("Expo: 429")], None),
        ([Misconfigured("Expo: UNAUTHORIZED")] * 2, None),
        ([Lost("no answer from Expo")], None),
        ([], {"from": "18:00", "until": "18:45"}),
    ],
)
async def test_what_cannot_go_out_at_once_after_an_outage_brings_none_of_the_others_back(
    answers: list[Answer], quiet: Mapping[str, str] | None
) -> None:
    found = world(daily(rule="FREQ=HOURLY", misfire="fire_once", quietHours=quiet), answers=answers)
    found.later(hours=6, minutes=30)
    for _ in range(4):
        await found.dispatch(due())
        found.later(minutes=5)
    assert found.store[due()]["status"] == "SENT"
    [coming] = [each for each in found.store.rows.values() if each["status"] == "PENDING"]
    assert (coming["dueAt"], "missedUntil" in coming) == (due_text(NOON + timedelta(hours=7)), False)
