"""What the answers of a channel make of an occurrence."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from tests.workers.reminder_dispatch.fakes import NOON, PUSHED, due, row
from workers.reminder_dispatch.channels.channel import TOO_LATE, Accepted, Answer, Busy, Lost, Misconfigured, Refused
from workers.reminder_dispatch.rules import judge
from workers.reminder_dispatch.sending.conclusion import ATTEMPTS, Conclusion, conclude
from workers.reminder_dispatch.sending.decision import Attempt

NOW = int(NOON.timestamp())
A, B, C = (PUSHED.format(name) for name in "abc")
DEAD = Refused("DeviceNotRegistered", dead=True)


def attempt(tokens: int = 1, /, **attributes: Any) -> Attempt:
    found = judge(due(), row(**{"tokens": [A, B, C][:tokens], **attributes}), now=NOON, owner="me")
    assert isinstance(found, Attempt)
    return found


def concluded(of: Attempt, *answers: Answer, dice: float = 0.5) -> Conclusion:
    return conclude(of, answers, now=NOON, dice=dice, pause=77)


def test_an_accepted_reminder_is_sent_with_its_tickets_and_leaves_the_index() -> None:
    end = concluded(attempt(2), Accepted("t-1"), Accepted("t-2"))
    assert end.move.expect == {"status": "SENDING", "owner": "me"}
    assert end.move.put == {
        "status": "SENT",
        "tickets": [{"token": A, "id": "t-1"}, {"token": B, "id": "t-2"}],
        "unknowns": 0,
        "sentAt": "2026-11-21T12:00:00Z",
        "TTL": NOW + 30 * 86_400,
    }
    assert set(end.move.drop) == {"owner", "claimedUntil", "GSI1PK", "GSI1SK"}
    assert end.retry_in is None


def test_a_dead_token_is_recorded_and_the_reminder_fails_only_if_no_other_was_reached() -> None:
    alone, together = concluded(attempt(), DEAD), concluded(attempt(2), DEAD, Accepted("t"))
    assert (alone.status, alone.reason) == ("FAILED", "DeviceNotRegistered")
    assert (together.status, together.move.put["deadTokens"]) == ("SENT", [A])


@pytest.mark.parametrize(("attempts", "least", "most"), [(0, 4, 7), (1, 8, 13), (2, 15, 25), (12, 900, 900)])
def test_a_busy_channel_is_asked_again_after_growing_waits(attempts: int, least: int, most: int) -> None:
    of = attempt(attempts=attempts)
    waits = [concluded(of, Busy("429", of="message"), dice=dice).retry_in or 0 for dice in (0.0, 0.999)]
    assert least <= waits[0] <= waits[1] <= most
    end = concluded(of, Busy("429", of="message"), dice=0.0)
    assert (end.status, end.move.put["notBefore"]) == ("PENDING", NOW + waits[0])
    assert set(end.move.drop) == {"owner", "claimedUntil"}, "it stays in the index"


def test_after_many_attempts_it_is_given_up_with_the_reason() -> None:
    end = concluded(attempt(attempts=ATTEMPTS - 1), Busy("429", of="message"))
    assert (end.status, end.reason) == ("FAILED", "gave up: 429")


def test_who_was_answered_is_kept_when_others_must_be_asked_again() -> None:
    end = concluded(attempt(3), Accepted("t-1"), DEAD, Busy("429", of="message"))
    assert end.status == "PENDING"
    kept = end.move.put["tickets"]
    assert kept == [{"token": A, "id": "t-1"}, {"token": B, "error": "DeviceNotRegistered"}]
    again = attempt(3, attempts=1, tickets=kept, deadTokens=[B])
    assert again.recipients == (C,)
    last = concluded(again, Accepted("t-3"))
    assert (last.status, last.move.put["tickets"][-1]) == ("SENT", {"token": C, "id": "t-3"})
    assert last.move.put["deadTokens"] == [B]


def test_a_lost_request_is_sent_once_more_by_default_and_then_is_unknown() -> None:
    first = concluded(attempt(), Lost("no answer"))
    assert (first.status, first.ambiguous, first.move.put["unknowns"]) == ("PENDING", True, 1)
    assert first.retry_in is not None
    second = concluded(attempt(attempts=1, unknowns=1), Lost("no answer"))
    assert (second.status, second.reason, second.retry_in) == ("UNKNOWN", "no answer", None)


def test_a_lost_event_is_put_again_until_the_bus_answers_for_it_is_known_by_its_id() -> None:
    assert (
        concluded(attempt(channel="webhook", tenantId="acme", attempts=5, unknowns=5), Lost("no answer")).status
        == "PENDING"
    )
    once = concluded(attempt(channel="webhook", tenantId="acme", onUnknown="at_most_once"), Lost("no answer"))
    assert once.status == "UNKNOWN"


def test_a_lost_request_is_never_sent_again_where_at_most_once_was_asked() -> None:
    end = concluded(attempt(onUnknown="at_most_once"), Lost("no answer"))
    assert (end.status, end.ambiguous, end.retry_in) == ("UNKNOWN", True, None)
    assert end.move.put["tickets"] == [{"token": A, "error": "unknown"}]


def test_a_busy_neighbour_does_not_bring_a_lost_recipient_back_where_at_most_once_was_asked() -> None:
    end = concluded(attempt(2, onUnknown="at_most_once"), Lost("no answer"), Busy("429", of="message"))
    assert (end.status, end.move.put["tickets"]) == ("PENDING", [{"token": A, "error": "unknown"}])
    again = attempt(2, onUnknown="at_most_once", attempts=1, unknowns=1, tickets=end.move.put["tickets"])
    assert again.recipients == (B,)
    assert concluded(again, Accepted("t")).status == "UNKNOWN"


def test_what_no_channel_looked_at_is_asked_for_again_however_often_and_is_not_counted() -> None:
    for fault in (Misconfigured("UNAUTHORIZED"), Busy("503"), TOO_LATE):
        of = attempt(2, attempts=3 * ATTEMPTS, outages=2 * ATTEMPTS + 1)
        end = concluded(of, fault, Busy("not tried", of="us"))
        assert (end.status, end.retry_in, end.move.put["reason"]) == ("PENDING", 77, fault.why)
        assert (end.move.put["notBefore"], end.move.put["outages"]) == (NOW + 77, 2 * ATTEMPTS + 2)
        assert end.move.put["tickets"] == []
    of = attempt(2, attempts=3 * ATTEMPTS, outages=2 * ATTEMPTS + 1)
    assert concluded(of, Busy("429", of="message"), Busy("429", of="message")).status == "FAILED"


def test_an_email_keeps_its_message_id_and_no_address() -> None:
    end = concluded(attempt(0, channel="email", email="anna@example.com"), Accepted("ses-1"))
    assert end.move.put["tickets"] == [{"id": "ses-1"}]


def test_waits_together_last_for_hours() -> None:
    waits = [concluded(attempt(attempts=done), Busy("429", of="message")).retry_in or 0 for done in range(ATTEMPTS - 1)]
    assert sum(waits) > timedelta(hours=5).total_seconds()
    assert all(earlier < later or later == 900 for earlier, later in pairwise(waits))


def test_what_a_gateway_answered_for_goes_out_again_but_never_where_nothing_may_go_out_twice() -> None:
    answer = Busy("Expo: 504", unsure=True)
    again, end = concluded(attempt(), answer), concluded(attempt(onUnknown="at_most_once"), answer)
    assert (again.status, again.move.put["unknowns"], again.retry_in) == ("PENDING", 0, 77)
    assert (end.status, end.move.put["unknowns"], end.retry_in) == ("UNKNOWN", 1, None)
