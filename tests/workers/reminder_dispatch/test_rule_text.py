"""What a recurrence rule may say, and what is refused before it runs."""

from datetime import UTC, datetime

import pytest

from workers.reminder_dispatch.schedule.rule_text import BadRule, read_rule


def test_a_rule_is_read_part_by_part() -> None:
    rule = read_rule("RRULE:FREQ=weekly;INTERVAL=2;BYDAY=MO,FR,MO;BYHOUR=9,8;COUNT=10;")
    assert (rule.frequency, rule.interval, rule.days, rule.hours) == ("WEEKLY", 2, (0, 4), (8, 9))
    assert (rule.count, rule.until, rule.minutes) == (10, None, ())


def test_weekdays_with_a_number_are_apart_from_those_without() -> None:
    rule = read_rule("FREQ=MONTHLY;BYDAY=-1FR,TU,+2MO;WKST=SU")
    assert (rule.days, rule.counted_days, rule.week_start) == ((1,), ((0, 2), (4, -1)), 6)


@pytest.mark.parametrize(
    ("text", "until"),
    [
        ("20261224", datetime.fromisoformat("2026-12-24T23:59:59.999999")),
        ("20261224T100000", datetime.fromisoformat("2026-12-24T10:00:00")),
        ("20261224T100000Z", datetime(2026, 12, 24, 10, tzinfo=UTC)),
    ],
)
def test_until_is_a_day_a_wall_time_or_an_instant(text: str, until: datetime) -> None:
    assert read_rule(f"FREQ=DAILY;UNTIL={text}").until == until


@pytest.mark.parametrize(
    "text",
    [
        "",
        "every day",
        "COUNT=3",
        "FREQ=SOMETIMES",
        "FREQ=DAILY;FREQ=DAILY",
        "FREQ=DAILY;X-LATER=1",
        "FREQ=DAILY;INTERVAL",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;INTERVAL=-1",
        "FREQ=DAILY;INTERVAL=100001",
        "FREQ=DAILY;INTERVAL=1.5",
        "FREQ=DAILY;COUNT=0",
        "FREQ=DAILY;COUNT=100001",
        "FREQ=DAILY;COUNT=3;UNTIL=20270101",
        "FREQ=DAILY;UNTIL=tomorrow",
        "FREQ=DAILY;UNTIL=20260230",
        "FREQ=DAILY;UNTIL=20260101T250000Z",
        "FREQ=DAILY;BYHOUR=24",
        "FREQ=DAILY;BYHOUR=-1",
        "FREQ=DAILY;BYHOUR=",
        "FREQ=DAILY;BYMINUTE=60",
        "FREQ=DAILY;BYMONTH=0",
        "FREQ=DAILY;BYMONTHDAY=-32",
        "FREQ=DAILY;BYMONTHDAY=0",
        "FREQ=WEEKLY;BYDAY=XX",
        "FREQ=WEEKLY;BYDAY=1MO",
        "FREQ=MONTHLY;BYDAY=0MO",
        "FREQ=MONTHLY;BYDAY=54MO",
        "FREQ=WEEKLY;WKST=1",
        "FREQ=YEARLY;BYYEARDAY=" + ",".join(["366"] * 3_000),
        "FREQ=DAILY;BYEASTER=0",
        "FREQ=DAILY\nRDATE=20260101",
        "DTSTART:20260101T000000\nRRULE:FREQ=DAILY",
        f"FREQ=DAILY;BYHOUR={','.join(map(str, range(24)))};BYMINUTE={','.join(map(str, range(60)))};BYSECOND=0,30",
    ],
)
def test_what_is_not_a_rule_or_would_never_end_is_refused_by_name_and_without_quoting_it(text: str) -> None:
    with pytest.raises(BadRule, match=r"^rule: [\w .]+") as refusal:
        read_rule(text)
    assert "X-LATER" not in str(refusal.value)
    assert "SOMETIMES" not in str(refusal.value)
