"""What is to be done about an occurrence, for every state its row can be in."""

from datetime import timedelta
from typing import Any

import pytest

from tests.workers.reminder_dispatch.fakes import NOON, PUSHED, daily, due, row
from workers.reminder_dispatch.rules import LEASE_SECONDS, TAKEN_OVER, end_of, judge
from workers.reminder_dispatch.schedule.occurrence import plain
from workers.reminder_dispatch.sending.decision import Attempt, Close, Nothing, Taken, Wait
from workers.reminder_dispatch.sending.moves import spoiled
from workers.reminder_dispatch.table.keys import Key, due_text, key_of

NOW = int(NOON.timestamp())
THIRTY_DAYS = 30 * 86_400


def judged(late: float = 0, /, **attributes: Any) -> Nothing | Wait | Taken | Close | Attempt:
    return judge(due(), row(**attributes), now=NOON + timedelta(seconds=late), owner="me")


def closed(late: float = 0, /, **attributes: Any) -> tuple[str, str]:
    found = judged(late, **attributes)
    assert isinstance(found, Close), found
    return found.status, found.reason


def claimed(late: float = 0, /, **attributes: Any) -> Attempt:
    found = judged(late, **attributes)
    assert isinstance(found, Attempt), found
    return found


def test_a_pending_occurrence_is_claimed_with_a_lease_and_an_owner() -> None:
    claim = claimed().claim
    assert claim.expect == {"status": "PENDING", "attempts": None}
    assert claim.put == {
        "status": "SENDING",
        "owner": "me",
        "claimedUntil": NOW + LEASE_SECONDS,
        "attempts": 1,
        "unknowns": 0,
    }


@pytest.mark.parametrize("status", ["SENT", "FAILED", "UNKNOWN"])
def test_what_has_ended_is_left_alone(status: str) -> None:
    assert judged(status=status) == Nothing("ended before", is_repetition=True)


def test_before_its_time_an_occurrence_waits_and_long_before_it_is_left_to_the_ticks() -> None:
    assert judged(-7) == Wait(7.0)
    assert judged(-901) == Nothing("not due for long")


def test_a_live_lease_is_waited_for_as_long_as_it_lasts() -> None:
    assert judged(status="SENDING", claimedUntil=NOW + 42) == Taken(42.0)


def test_between_attempts_an_occurrence_waits() -> None:
    assert judged(notBefore=NOW + 30) == Wait(30.0)
    assert claimed(31, notBefore=NOW + 30, attempts=3).state.attempts == 4


def test_a_lease_that_ran_out_is_sent_once_more_and_counted() -> None:
    again = claimed(status="SENDING", claimedUntil=NOW, attempts=1, owner="dead")
    assert (again.claim.put["unknowns"], again.state.unknowns, again.state.owner) == (1, 1, "me")
    assert again.claim.expect == {"status": "SENDING", "attempts": 1}


def test_a_lease_that_ran_out_is_taken_over_however_many_workers_died_in_a_row() -> None:
    died = {"status": "SENDING", "claimedUntil": NOW - 1}
    for deaths in range(1, TAKEN_OVER):
        found = judged(**died, attempts=deaths, unknowns=deaths - 1)
        assert isinstance(found, Attempt)
        assert found.claim.put["unknowns"] == deaths, "each may have doubled it, and is counted"
    assert closed(**died, attempts=TAKEN_OVER, unknowns=TAKEN_OVER - 1) == ("UNKNOWN", "claim expired")


def test_a_lease_that_ran_out_of_what_must_not_be_sent_twice_or_so_late_ends_unknown() -> None:
    died = {"status": "SENDING", "claimedUntil": NOW - 1}
    assert closed(**died, onUnknown="at_most_once") == ("UNKNOWN", "claim expired")
    assert closed(100, **died, maxLateness=60) == ("UNKNOWN", "claim expired")


def test_what_is_too_late_fails_as_late_and_the_series_goes_on() -> None:
    found = judge(due(), daily(maxLateness=60), now=NOON + timedelta(seconds=61), owner="me")
    assert isinstance(found, Close)
    assert (found.status, found.reason, found.follow.next) == ("FAILED", "late", key_of("r1", NOON + timedelta(days=1)))
    assert isinstance(judge(due(), daily(maxLateness=60), now=NOON + timedelta(seconds=60), owner="me"), Attempt)


def test_what_has_ended_leaves_the_index_and_the_table_in_time() -> None:
    found = judged(61, maxLateness=60)
    assert isinstance(found, Close)
    assert found.move.put == {"status": "FAILED", "reason": "late", "TTL": NOW + 61 + THIRTY_DAYS}
    assert set(found.move.drop) == {"owner", "claimedUntil", "notBefore", "GSI1PK", "GSI1SK"}


@pytest.mark.parametrize(
    ("attributes", "field"),
    [
        ({"status": None}, "status"),
        ({"status": "DONE"}, "status"),
        ({"attempts": "many"}, "attempts"),
        ({"channel": "pigeon"}, "channel"),
        ({"channel": "email"}, "email"),
        ({"channel": "email", "email": "anna"}, "email"),
        ({"channel": "webhook"}, "tenantId"),
        ({"title": None}, "title"),
        ({"tokens": "ExponentPushToken[x]"}, "tokens"),
        ({"tokens": []}, "tokens"),
        ({"data": {"picture": b"\x00"}}, "data"),
        ({"data": {"number": 2**70}}, "data"),
        ({"maxLateness": -1}, "maxLateness"),
        ({"onUnknown": "whatever"}, "onUnknown"),
        ({"timeZone": "Mars/Olympus"}, "timeZone"),
        ({"onGap": "jump"}, "onGap"),
        ({"rule": "FREQ=SOMETIMES"}, "rule"),
        ({"rule": "FREQ=DAILY", "timeZone": None}, "timeZone"),
        ({"rule": "FREQ=DAILY", "ruleStart": "yesterday"}, "ruleStart"),
        ({"rule": "FREQ=DAILY", "ruleStart": "2026-01-01T09:00:00Z"}, "ruleStart"),
        ({"rule": "FREQ=DAILY", "localTime": None}, "localTime"),
    ],
)
def test_a_fault_of_the_row_ends_the_occurrence_with_a_reason_that_names_the_attribute(
    attributes: dict[str, Any], field: str
) -> None:
    status, reason = closed(**attributes)
    assert status == "FAILED"
    assert reason.startswith(f"{field}"), reason
    assert not any(value in reason for value in ("pigeon", "anna", "yesterday", "Mars", "SOMETIMES"))


def test_a_fault_of_the_content_does_not_end_the_series() -> None:
    found = judge(due(), daily(tokens=[]), now=NOON, owner="me")
    assert isinstance(found, Close)
    assert found.follow.next == key_of("r1", NOON + timedelta(days=1))


def test_the_next_occurrence_is_the_same_reminder_without_what_became_of_this_one() -> None:
    tokens = [PUSHED.format(name) for name in ("a", "b")]
    before = daily(
        tokens=tokens,
        deadTokens=tokens[:1],
        attempts=2,
        notBefore=NOW - 1,
        unknowns=1,
        tickets=[{"token": tokens[0], "error": "DeviceNotRegistered"}],
        reason="busy",
        colour="blue",
    )
    found = judge(due(), before, now=NOON, owner="me")
    assert isinstance(found, Attempt)
    [after] = found.follow.rows
    assert after == daily(due_at=NOON + timedelta(days=1), tokens=tokens, colour="blue", ruleStart=before["ruleStart"])
    assert found.recipients == (tokens[1],)


def test_the_rule_starts_at_the_first_local_time_where_nothing_else_is_said() -> None:
    found = judge(due(), daily(ruleStart=None, rule="FREQ=DAILY;COUNT=2"), now=NOON, owner="me")
    assert isinstance(found, Attempt)
    [after] = found.follow.rows
    assert after["ruleStart"] == "2026-11-21T12:00:00"
    last = judge(due(due_at=NOON + timedelta(days=1)), after, now=NOON + timedelta(days=1), owner="me")
    assert isinstance(last, Attempt)
    assert (last.follow.rows, last.follow.next) == ((), None)


def test_an_occurrence_that_falls_into_a_gap_leaves_a_record() -> None:
    start = due(due_at=NOON.replace(month=3, day=7, hour=7, minute=30))
    before = daily(
        due_at=start.due_at,
        timeZone="America/New_York",
        ruleStart="2026-03-01T02:30:00",
        onGap="skip",
    )
    found = judge(start, before, now=start.due_at, owner="me")
    assert isinstance(found, Attempt)
    gap, after = found.follow.rows
    assert (gap["status"], gap["reason"], gap["dueAt"]) == ("FAILED", "skipped_gap", "2026-03-08T07:30:00Z")
    assert "GSI1PK" not in gap
    assert gap["TTL"] == int(start.due_at.timestamp()) + THIRTY_DAYS
    assert (after["status"], after["dueAt"]) == ("PENDING", "2026-03-09T06:30:00Z")


def test_the_end_of_a_series_may_lie_behind_a_gap() -> None:
    start = due(due_at=NOON.replace(month=3, day=7, hour=7, minute=30))
    before = daily(
        due_at=start.due_at,
        timeZone="America/New_York",
        rule="FREQ=DAILY;UNTIL=20260308",
        ruleStart="2026-03-01T02:30:00",
        onGap="skip",
    )
    found = judge(start, before, now=start.due_at, owner="me")
    assert isinstance(found, Attempt)
    assert ([each["reason"] for each in found.follow.rows], found.follow.next) == (["skipped_gap"], None)


def test_recipients_that_were_answered_are_not_asked_again() -> None:
    tokens = [PUSHED.format(name) for name in "abca"]
    done = [{"token": tokens[1], "id": "t-1"}]
    assert claimed(tokens=tokens, tickets=done, attempts=1).recipients == (tokens[0], tokens[2])
    assert closed(tokens=tokens[1:2], tickets=done) == ("SENT", "")
    assert closed(61, tokens=tokens, tickets=done, maxLateness=60) == ("SENT", "")


def test_a_device_in_both_spellings_of_its_token_is_one_recipient() -> None:
    both = ["ExponentPushToken[a]", "ExpoPushToken[a]", "ExponentPushToken[b]"]
    first = judge(due(), row(tokens=both), now=NOON, owner="me")
    assert isinstance(first, Attempt)
    assert first.recipients == ("ExponentPushToken[a]", "ExponentPushToken[b]")
    answered = row(tokens=both, tickets=[{"token": "ExpoPushToken[a]", "id": "t1"}])
    again = judge(due(), answered, now=NOON, owner="me")
    assert isinstance(again, Attempt)
    assert again.recipients == ("ExponentPushToken[b]",)


def test_an_ended_occurrence_is_as_good_as_its_recipients() -> None:
    reached, unknown, gone = {"id": "t"}, {"error": "unknown"}, {"error": "DeviceNotRegistered"}
    assert end_of((reached, gone)) == ("SENT", "")
    assert end_of((reached, unknown)) == ("UNKNOWN", "no answer")
    assert end_of((gone, gone)) == ("FAILED", "DeviceNotRegistered")


def test_the_bus_event_says_what_the_reminder_says() -> None:
    attempt = claimed(channel="webhook", tenantId="t-1", data={"n": plain(7)})
    detail = attempt.detail
    assert detail.pop("id").startswith("reminder-")
    assert detail == {
        "correlationId": "r1",
        "tenantId": "t-1",
        "reminderId": "r1",
        "dueAt": due_text(NOON),
        "title": "Tea",
        "body": "It is time.",
        "data": {"n": 7},
    }


def test_a_spoiled_row_leaves_the_index_whatever_else_it_holds() -> None:
    move = spoiled({"PK": "x", "SK": "y", "status": 7}, "PK: odd", now=NOON)
    assert move.expect == {"status": 7}, "a tick sees no more of it"
    assert move.put["reason"] == "PK: odd"
    assert {"GSI1PK", "GSI1SK"} <= set(move.drop)


def test_a_row_key_is_what_it_was() -> None:
    assert due().key == Key("REMINDER#r1", "AT#2026-11-21T12:00:00Z")
