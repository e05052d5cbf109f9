"""A tenant's rule costs the others nothing, and no request goes out whose answer could not be recorded."""

from datetime import timedelta

from tests.workers.reminder_dispatch.fakes import NOON, daily, due, row, world
from workers.reminder_dispatch.channels.channel import TOO_LATE
from workers.reminder_dispatch.rules import LEASE_SECONDS, SEND_WITHIN

COSTLY = "FREQ=SECONDLY;INTERVAL=86399;BYHOUR=3"


async def test_rules_are_computed_beside_the_event_loop_and_rows_without_one_are_not() -> None:
    here = world(daily("r1"), row("r2"), daily("r3"))
    await here.dispatch(due("r1"), due("r2"), due("r3"))
    assert here.computed == 2
    assert here.store.statuses.count("SENT") == 3


async def test_a_rule_that_costs_too_much_ends_its_row_with_the_reason_and_not_its_neighbours() -> None:
    here = world(daily("r1", rule=COSTLY), daily("r2"))
    assert await here.dispatch(due("r1"), due("r2")) == [None, None]
    assert here.store[due("r1")]["status"] == "FAILED"
    assert here.store[due("r1")]["reason"].startswith("rule: too costly")
    assert here.store[due("r2")]["status"] == "SENT"


async def test_nothing_is_claimed_that_could_not_be_sent_any_more() -> None:
    here = world(row("r1", onUnknown="at_most_once"))
    here.store.after = lambda call: here.later(seconds=16) if call == "load" else None
    assert await here.dispatch(due("r1")) == [None], "no receipt is spent"
    left = here.store[due("r1")]
    assert (left["status"], left["reason"], here.notes) == ("PENDING", TOO_LATE.why, [])
    assert ("move to SENDING" in here.store.calls, "attempts" in left, len(here.asked_again())) == (False, False, 1)


async def test_a_process_that_stood_still_after_its_claim_sends_nothing_and_leaves_no_doubt() -> None:
    for channel in ("push", "email", "webhook"):
        here = world(row("r1", onUnknown="at_most_once", channel=channel, email="a@example.com", tenantId="acme"))
        here.store.after = lambda call: here.later(seconds=40) if call == "move to SENDING" else None  # noqa: B023
        await here.dispatch(due("r1"))
        assert (here.notes, here.mails, here.details) == ([], [], [])
        left = here.store[due("r1")]
        assert (left["status"], left["reason"], left["unknowns"]) == ("PENDING", TOO_LATE.why, 0)
        here.store.after = lambda _call: None
        here.later(seconds=900)
        await here.dispatch(due("r1"))
        assert here.store[due("r1")]["status"] == "SENT"


def test_a_request_that_may_still_go_out_is_answered_within_the_claim() -> None:
    assert SEND_WITHIN + timedelta(seconds=15) < timedelta(seconds=LEASE_SECONDS)


async def test_a_long_count_goes_on_from_its_place_and_ends_at_its_number() -> None:
    here = world(daily("r1", rule="FREQ=DAILY;COUNT=90000", ruleStart="1990-11-21T12:00:00", occurrenceNumber=89_999))
    await here.dispatch(due("r1"))
    after = due("r1", NOON + timedelta(days=1))
    assert here.store[after]["occurrenceNumber"] == 90_000
    here.later(days=1)
    await here.dispatch(after)
    assert len(here.store.rows) == 2


async def test_the_first_occurrence_of_a_count_needs_no_number() -> None:
    here = world(daily("r1", rule="FREQ=DAILY;COUNT=2"))
    await here.dispatch(due("r1"))
    assert here.store[due("r1", NOON + timedelta(days=1))]["occurrenceNumber"] == 2


async def test_a_row_far_into_a_count_without_its_number_ends_with_the_reason() -> None:
    here = world(daily("r1", rule="FREQ=DAILY;COUNT=90000", ruleStart="1990-11-21T12:00:00"))
    await here.dispatch(due("r1"))
    assert here.store[due("r1")]["reason"].startswith("rule: too costly, it has COUNT")
