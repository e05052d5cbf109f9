import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.webhook_delivery.rules import (
    HINTED,
    STANDARD_WEBHOOKS,
    Again,
    Delivered,
    Endpoint,
    Exhausted,
    Failed,
    Gone,
    Reply,
    Schedule,
    Subscription,
    Succeeded,
    delay,
    judge,
    recorded,
    seconds_asked,
    wait,
    wants,
    why_not,
)

NOW = datetime(2026, 11, 21, 9, 0, 0, 250_000, tzinfo=UTC)
DICE = st.floats(0, 1, exclude_max=True)


def subscribed(*event_types: str, enabled: bool = True) -> Subscription:
    return Subscription("endpoint-1", event_types, enabled=enabled)


@pytest.mark.parametrize(
    ("patterns", "event_type", "wanted"),
    [
        (("*",), "upload.completed", True),
        (("upload.completed",), "upload.completed", True),
        (("upload.*",), "upload.completed", True),
        (("upload.*",), "upload.part.completed", True),
        (("upload.*",), "upload", False),
        (("upload.*",), "uploads.completed", False),
        (("upload.completed",), "upload.completed.twice", False),
        (("upload",), "upload.completed", False),
        (("*.completed",), "upload.completed", False),
        (("Upload.Completed",), "upload.completed", False),
        (("reminder.due", "upload.*"), "upload.completed", True),
        ((), "upload.completed", False),
        (("",), "upload.completed", False),
    ],
)
def test_an_endpoint_gets_what_it_asked_for(patterns: tuple[str, ...], event_type: str, *, wanted: bool) -> None:
    assert wants(subscribed(*patterns), event_type) is wanted


@pytest.mark.parametrize(
    ("endpoint", "reason"),
    [
        (None, "endpoint_gone"),
        (subscribed("*", enabled=False), "endpoint_disabled"),
        (replace(subscribed("*"), fault="enabled"), "endpoint_unreadable"),
        (subscribed("*"), ""),
    ],
)
def test_why_nothing_goes_to_an_endpoint(endpoint: Subscription | None, reason: str) -> None:
    assert why_not(endpoint) == reason


@pytest.mark.parametrize(("pattern", "wanted"), [("*", False), ("webhook.*", False), ("webhook.exhausted", True)])
def test_what_tells_of_webhooks_is_taken_by_its_exact_name_alone(pattern: str, wanted: bool) -> None:  # noqa: FBT001
    assert wants(subscribed(pattern), "webhook.exhausted") is wanted


def test_every_status_has_its_meaning() -> None:
    for status in range(600):
        verdict = judge(Reply(status), attempt=1, schedule=STANDARD_WEBHOOKS, now=NOW, dice=0.0)
        if 200 <= status <= 299:
            assert verdict == Delivered(), status
        elif status == 410:
            assert verdict == Gone(), status
        else:
            assert verdict == Again(at=NOW + timedelta(seconds=5)), status


@pytest.mark.parametrize("status", [0, 100, 301, 400, 404, 429, 500, 503, 599])
def test_the_last_attempt_that_fails_exhausts_the_delivery(status: int) -> None:
    assert judge(Reply(status), attempt=10, schedule=STANDARD_WEBHOOKS, now=NOW, dice=0.0) == Exhausted()
    assert judge(Reply(status), attempt=11, schedule=STANDARD_WEBHOOKS, now=NOW, dice=0.0) == Exhausted()


def test_the_last_attempt_can_still_deliver_or_be_told_to_go() -> None:
    assert judge(Reply(204), attempt=10, schedule=STANDARD_WEBHOOKS, now=NOW, dice=0.0) == Delivered()
    assert judge(Reply(410), attempt=10, schedule=STANDARD_WEBHOOKS, now=NOW, dice=0.0) == Gone()


def test_the_default_schedule_is_the_specification_s() -> None:
    assert STANDARD_WEBHOOKS.attempts == 10
    assert timedelta(seconds=sum(STANDARD_WEBHOOKS.delays)) == timedelta(hours=75, minutes=35, seconds=5)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        ("0", 0),
        ("120.1", 121),
        ("120.0", 120),
        (" 7 ", 7),
        ("9" * 400, math.inf),
        ("9" * 5000, math.inf),
        ("Sat, 21 Nov 2026 09:02:00 GMT", 119.75),
        ("Saturday, 21-Nov-26 09:02:00 GMT", 119.75),
        ("Sat Nov 21 09:02:00 2026", 119.75),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 0),
        ("Sun Nov  6 08:49:37 1994", 0),
        ("invalid", None),
        ("", None),
        (None, None),
        ("-5", None),
        ("+5", None),
        ("1e3", None),
        ("5 s", None),
        ("nan", None),
        ("inf", None),
        ("٣", None),
        ("2026-11-21T09:02:00Z", None),
        ("Sat, 31 Nov 2026 09:02:00 GMT", None),
        ("\udcff", None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(header: str | None, seconds: float | None) -> None:
    assert seconds_asked(header, now=NOW) == seconds


@pytest.mark.parametrize("status", sorted(HINTED))
def test_a_hint_later_than_the_schedule_is_honoured(status: int) -> None:
    verdict = judge(Reply(status, retry_after="120.1"), attempt=1, schedule=STANDARD_WEBHOOKS, now=NOW, dice=0.0)
    assert verdict == Again(at=NOW + timedelta(seconds=121))


@pytest.mark.parametrize("status", [400, 404, 500, 301])
def test_other_failures_keep_to_the_schedule_whatever_they_hint(status: int) -> None:
    verdict = judge(Reply(status, retry_after="120"), attempt=1, schedule=STANDARD_WEBHOOKS, now=NOW, dice=0.0)
    assert verdict == Again(at=NOW + timedelta(seconds=5))


def test_a_hint_never_brings_an_attempt_earlier() -> None:
    verdict = judge(Reply(503, retry_after="1"), attempt=4, schedule=STANDARD_WEBHOOKS, now=NOW, dice=0.0)
    assert verdict == Again(at=NOW + timedelta(hours=2))


def test_a_hint_is_capped_and_adds_no_attempt() -> None:
    verdict = judge(Reply(429, retry_after="9" * 30), attempt=9, schedule=STANDARD_WEBHOOKS, now=NOW, dice=0.0)
    assert verdict == Again(at=NOW + timedelta(days=1))
    assert judge(Reply(429, retry_after="5"), attempt=10, schedule=STANDARD_WEBHOOKS, now=NOW, dice=0.0) == Exhausted()


@given(
    st.sampled_from([0, 302, 404, 429, 500, 503]),
    st.integers(1, 9),
    st.one_of(st.none(), st.integers(0, 10**7).map(str), st.floats(0, 10**6).map(lambda f: f"{f:.3f}")),
    DICE,
)
def test_an_attempt_is_never_earlier_than_the_schedule_or_the_hint_and_not_much_later(
    status: int, attempt: int, hint: str | None, dice: float
) -> None:
    verdict = judge(Reply(status, retry_after=hint), attempt=attempt, schedule=STANDARD_WEBHOOKS, now=NOW, dice=dice)
    assert isinstance(verdict, Again)
    asked = math.ceil(float(hint)) if hint is not None and status in HINTED else 0
    target = max(STANDARD_WEBHOOKS.delays[attempt], min(asked, 86_400))
    waited = (verdict.at - NOW).total_seconds()
    assert target <= waited <= target * 1.1 + 1.0


@given(st.floats(0, 10**6), DICE)
def test_jitter_is_additive_and_bounded(target: float, dice: float) -> None:
    assert target <= wait(target, jitter=0.1, dice=dice) <= max(math.ceil(target), target * 1.1 + 1.0)


@pytest.mark.parametrize("ratio", [0.0, -0.1, math.nan, math.inf, -math.inf])
def test_jitter_can_be_switched_off_cleanly(ratio: float) -> None:
    assert wait(300, jitter=ratio, dice=0.999) == 300
    assert wait(0.4, jitter=ratio, dice=0.999) == 1


def test_jitter_spreads_a_crowd() -> None:
    assert len({wait(1800, jitter=0.1, dice=n / 100) for n in range(100)}) > 90


@pytest.mark.parametrize(
    ("seconds", "hop"), [(-5, 0), (0, 0), (0.001, 1), (5, 5), (899.5, 900), (900, 900), (7200, 900)]
)
def test_a_message_is_delayed_until_it_is_due_and_for_900_seconds_at_most(seconds: float, hop: int) -> None:
    assert delay(NOW + timedelta(seconds=seconds), now=NOW) == hop


def test_a_custom_schedule_says_how_many_attempts_there_are() -> None:
    short = Schedule((0, 0.5))
    assert judge(Reply(500), attempt=1, schedule=short, now=NOW, dice=0.0) == Again(at=NOW + timedelta(seconds=1))
    assert judge(Reply(500), attempt=2, schedule=short, now=NOW, dice=0.0) == Exhausted()


def test_a_recorded_attempt_says_what_is_left_to_do() -> None:
    reply = Reply(0, "timeout")
    assert recorded(Delivered(), Reply(200)) == Succeeded()
    assert recorded(Again(at=NOW), reply) == Failed(0, "timeout", next_at=NOW, settled=False)
    assert recorded(Exhausted(), reply) == Failed(0, "timeout", next_at=None, settled=False)
    assert recorded(Gone(), Reply(410)) == Failed(410, None, next_at=None, settled=True)


def test_an_endpoint_shows_neither_url_nor_secrets() -> None:
    endpoint = Endpoint("t", "e", "https://example.com/?token=t0ken", ("whsec_s3cret",), enabled=True)
    assert "t0ken" not in repr(endpoint)
    assert "s3cret" not in repr(endpoint)
