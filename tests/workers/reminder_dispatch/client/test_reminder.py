"""What a producer may ask for, and what is refused with the field and the fix."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.workers.reminder_dispatch.fakes import NOON
from workers.reminder_dispatch.client import Reminder, WrongField, preview
from workers.reminder_dispatch.client.items import plan
from workers.reminder_dispatch.schedule.occurrence import read_content, read_series
from workers.reminder_dispatch.table.attributes import untyped
from workers.reminder_dispatch.table.keys import identity_of, index_keys, key_of

wall = datetime.fromisoformat

WANTED = Reminder(
    tenant_id="acme",
    channel="push",
    tokens=("ExponentPushToken[phone]", "ExponentPushToken[tablet]"),
    title="Tea",
    body="It is time.",
    data={"screen": "tea", "warmth": 0.5},
    at=wall("2026-11-22T09:00"),
    time_zone="Europe/Berlin",
    key="tea-of-ada",
)
BY_MAIL = {"channel": "email", "tokens": (), "email": "ada@example.com"}


@pytest.mark.parametrize(
    ("changes", "name", "fix"),
    [
        ({"time_zone": "Mars/Olympus"}, "timeZone", "an IANA name such as Europe/Berlin"),
        ({"time_zone": ""}, "timeZone", "Europe/Berlin"),
        ({"at": datetime(2026, 11, 22, 9, tzinfo=UTC)}, "at", "leave the offset out"),
        ({"at": wall("2026-11-20T09:00")}, "at", "has passed"),
        ({"at": wall("2027-03-28T02:30"), "on_gap": "skip"}, "at", "another time, or shift"),
        ({"rule": "FREQ=SOMETIMES"}, "rule", "one RRULE of RFC 5545"),
        ({"rule": "FREQ=SECONDLY;INTERVAL=86399;BYHOUR=3"}, "rule", "too costly"),
        ({"rule": "FREQ=DAILY;UNTIL=20261121T000000Z"}, "rule", "it comes no more"),
        ({"title": "\ud83d"}, "title", "surrogate"),
        ({"body": "\ud83d"}, "title", "surrogate"),
        ({"project": "\ud83d"}, "title", "surrogate"),
        ({"tokens": ()}, "tokens", "1 to 100"),
        ({"tokens": ("abc",)}, "tokens", r"ExponentPushToken\[\.\.\.\]"),
        ({"body": "x" * 4_096}, "data", "4096 bytes"),
        ({"data": {"n": float("nan")}}, "data", "a JSON object"),
        ({"data": {"n": 2**63}}, "data", r"below 2\^63"),
        ({"data": {"n": 1e300}}, "data", "1e120"),
        ({"channel": "email", "tokens": ()}, "email", "ada@example.com"),
        ({"channel": "webhook"}, "tokens", "leave it out"),
        ({"channel": "webhook", "tokens": (), "body": "x" * 200_001}, "data", "200000 at most"),
        ({"channel": "fax"}, "channel", "push, email or webhook"),
        ({"on_gap": "never"}, "onGap", "shift, skip or gap_end"),
        ({"max_lateness": -1}, "maxLateness", "from 0"),
        ({"max_lateness": 10**38}, "maxLateness", r"to 2\^31"),
        ({"misfire": "never"}, "misfire", "fire_all, fire_once or skip"),
        ({"quiet_hours": "22-7"}, "quietHours", "such as 22:00-07:00"),
        ({"quiet_hours": "22:00-07:00", "quiet_days": ("FRI",)}, "quietHours", "days of MO"),
        ({"quiet_days": ("FR",)}, "quietHours", "missing"),
        ({"push": {"sond": "default"}}, "push", "fields of Expo's"),
        ({"mail": {"template": "tea"}}, "mail", "the channel is push"),
        ({**BY_MAIL, "mail": {"templat": "tea"}}, "mail", "a template that SES keeps"),
        ({**BY_MAIL, "mail": {"unsubscribe": "http://example.com"}}, "mail", "an https URL"),
        ({**BY_MAIL, "email": "Ada <ada@example.com>"}, "email", "without a name"),
        ({**BY_MAIL, "email": "ada@example.com,bob@example.com"}, "email", "one address"),
        ({**BY_MAIL, "email": "ada@example.com\r\nBcc: bob@example.com"}, "email", "one address"),
        ({**BY_MAIL, "email": "ada@example.com\n"}, "email", "one address"),
        ({**BY_MAIL, "email": "ädä@example.com"}, "email", "in ASCII"),
        ({**BY_MAIL, "push": {"sound": "default"}}, "push", "the channel is email"),
        ({"push": {"badge": "1"}}, "push", "fields of Expo's"),
        ({"push": {"ttl": 28 * 86_400 + 1}}, "push", "fields of Expo's"),
        ({"push": {"interruptionLevel": "loud"}}, "push", "fields of Expo's"),
        ({"push": {"subtitle": "x" * 4_096}}, "data", "4096 bytes"),
        ({"channel": "email", "tokens": (), "email": "ada@example.com", "push": {"badge": 1}}, "push", "leave it out"),
        ({"tenant_id": ""}, "tenantId", "1 to 256"),
        ({"key": "a\nb"}, "key", "printable"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_the_field_and_the_fix(changes: Any, name: str, fix: str) -> None:
    with pytest.raises(WrongField, match=f"^{name}: .*{fix}") as refusal:
        plan(replace(WANTED, **changes), table="t", now=NOON)
    assert refusal.value.field == name


def test_every_attribute_key_and_shard_is_as_the_worker_reads_it() -> None:
    made = plan(replace(WANTED, rule="FREQ=DAILY;COUNT=3"), table="t", now=NOON)
    head, row = (untyped(each["Put"]["Item"]) for each in made.items)
    [due] = made.due_at
    assert due == datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
    assert (row["PK"], row["SK"]) == (key_of(made.reminder_id, due).pk, key_of(made.reminder_id, due).sk)
    assert {name: row[name] for name in ("GSI1PK", "GSI1SK")} == index_keys(made.reminder_id, due)
    assert (row["reminderId"], row["status"], row["occurrenceNumber"]) == (made.reminder_id, "PENDING", 1)
    content, series = read_content(row), read_series(row)
    assert (content.tokens, dict(content.data)) == (WANTED.tokens, {"screen": "tea", "warmth": 0.5})
    assert series is not None
    assert series.start == WANTED.at
    assert (head["revision"], row["revision"], head["SK"]) == (1, 1, "HEAD")


def test_quiet_hours_are_written_as_the_worker_reads_them() -> None:
    made = plan(replace(WANTED, quiet_hours="22:00-07:00", quiet_days=("FR", "SA"), urgent=True), table="t", now=NOON)
    row = untyped(made.items[1]["Put"]["Item"])
    quiet = read_content(row).quiet_hours
    assert quiet is not None
    assert (f"{quiet.begin:%H:%M}", f"{quiet.end:%H:%M}", quiet.days, row["urgent"]) == (
        "22:00",
        "07:00",
        ("FR", "SA"),
        True,
    )


def test_an_instant_needs_no_zone_and_both_halves_of_an_overlap_are_two_rows() -> None:
    once = plan(replace(WANTED, at=NOON.replace(hour=13), time_zone=""), table="t", now=NOON)
    assert once.due_at == (NOON.replace(hour=13),)
    row = untyped(once.items[1]["Put"]["Item"])
    assert not {"localTime", "timeZone"} & row.keys()
    assert identity_of(key_of(row["reminderId"], once.due_at[0])) == (row["reminderId"], once.due_at[0])
    twice = replace(WANTED, at=wall("2027-10-31T02:30"), on_overlap="both")
    assert [f"{due:%H:%M}" for due in plan(twice, table="t", now=NOON).due_at] == ["00:30", "01:30"]


def test_a_reminders_repr_tells_no_text_and_no_address() -> None:
    assert not [word for word in ("Tea", "It is time", "phone", "screen") if word in repr(WANTED)]


def test_a_preview_shows_gaps_overlaps_and_what_is_skipped() -> None:
    daily = replace(WANTED, at=wall("2026-03-07T02:30"), time_zone="America/New_York", rule="FREQ=DAILY")
    march = datetime(2026, 3, 7, 12, tzinfo=UTC)
    told = [(f"{each.shown:%d %H:%M}", each.change, each.is_sent) for each in preview(daily, now=march, count=2)]
    assert told == [("08 03:30", "gap", True), ("09 02:30", "", True)]
    skipping = preview(replace(daily, on_gap="skip"), now=march, count=1)
    assert [(f"{each.asked:%d %H:%M}", each.change, each.is_sent) for each in skipping] == [
        ("08 02:30", "gap", False),
        ("09 02:30", "", True),
    ]
    half_past_one = replace(daily, at=wall("2026-11-01T01:30"), on_overlap="both")
    november = preview(half_past_one, now=datetime(2026, 11, 1, 0, tzinfo=UTC), count=3)
    assert [(f"{each.instant:%H:%M}", each.change) for each in november] == [
        ("05:30", "overlap"),
        ("06:30", "overlap"),
        ("06:30", ""),
    ]
    with pytest.raises(WrongField, match=r"^count: 1 to 1000"):
        preview(daily, now=march, count=0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tokens", "ExponentPushToken[phone]"),
        ("quiet_days", "FR"),
        ("at", "2026-11-22T09:00"),
        ("tenant_id", None),
        ("title", 7),
        ("data", {1: 2}),
        ("max_lateness", True),
        ("urgent", "false"),
        ("email", None),
    ],
)
def test_a_value_of_another_type_is_refused_by_its_name(name: str, value: Any) -> None:
    wrong: dict[str, Any] = {name: value}
    with pytest.raises(WrongField, match=f"^{name}: it has to be "):
        replace(WANTED, **wrong).check()
