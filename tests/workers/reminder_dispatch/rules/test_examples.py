"""RFC 5545's own examples (3.8.5.3), and rules of which libraries disagree."""

from datetime import datetime
from itertools import islice

from workers.reminder_dispatch.schedule.rule_text import read_rule
from workers.reminder_dispatch.schedule.walls import walls

TUESDAY = "1997-09-02T09:00:00"


def found(rule: str, count: int, start: str = TUESDAY) -> str:
    """The first wall times, as `MMDD` where they are at nine, else with the time."""
    begin = datetime.fromisoformat(start)
    first = islice(walls(read_rule(rule), begin, begin), count)
    return " ".join(f"{wall:%m%d}" if wall.hour == 9 and not wall.minute else f"{wall:%m%dT%H%M}" for wall in first)


RFC_5545 = {
    "FREQ=DAILY;INTERVAL=10": "0902 0912 0922 1002 1012",
    "FREQ=YEARLY;BYMONTH=9;BYDAY=MO,WE": "0903 0908 0910 0915",
    "FREQ=WEEKLY;INTERVAL=2;WKST=SU": "0902 0916 0930 1014",
    "FREQ=WEEKLY;WKST=SU;BYDAY=TU,TH": "0902 0904 0909 0911",
    "FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=TU,TH": "0902 0904 0916 0918",
    "FREQ=MONTHLY;BYDAY=1FR": "0905 1003 1107 1205",
    "FREQ=MONTHLY;INTERVAL=2;BYDAY=1SU,-1SU": "0907 0928 1102 1130 0104 0125",
    "FREQ=MONTHLY;BYDAY=-2MO": "0922 1020 1117 1222",
    "FREQ=MONTHLY;BYMONTHDAY=-3": "0928 1029 1128 1229",
    "FREQ=MONTHLY;BYMONTHDAY=2,15": "0902 0915 1002 1015",
    "FREQ=MONTHLY;BYMONTHDAY=1,-1": "0930 1001 1031 1101",
    "FREQ=MONTHLY;INTERVAL=18;BYMONTHDAY=10,11,12,13,14,15": "0910 0911 0912 0913 0914 0915 0310",
    "FREQ=MONTHLY;INTERVAL=2;BYDAY=TU": "0902 0909 0916 0923 0930 1104",
    "FREQ=YEARLY;INTERVAL=3;BYYEARDAY=1,100,200": "0101 0409 0718 0101",
    "FREQ=YEARLY;BYDAY=20MO": "0518 0517 0515",
    "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO": "0511 0517 0515",
    "FREQ=YEARLY;BYMONTH=3;BYDAY=TH": "0305 0312 0319 0326",
    "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13": "0213 0313 1113 0813",
    "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13": "0913 1011 1108 1213",
    "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8": "1104 1106 1108",
    "FREQ=MONTHLY;BYDAY=TU,WE,TH;BYSETPOS=3": "0904 1007 1106",
    "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2": "0929 1030 1127 1230",
    "FREQ=HOURLY;INTERVAL=3": "0902 0902T1200 0902T1500 0902T1800",
    "FREQ=MINUTELY;INTERVAL=90": "0902 0902T1030 0902T1200 0902T1330",
    "FREQ=DAILY;BYHOUR=9,10;BYMINUTE=0,20": "0902 0902T0920 0902T1000 0902T1020 0903",
    "FREQ=MINUTELY;INTERVAL=20;BYHOUR=9,10": "0902 0902T0920 0902T0940 0902T1000 0902T1020 0902T1040 0903",
}


def test_the_examples_of_rfc_5545() -> None:
    assert {rule: found(rule, expected.count(" ") + 1) for rule, expected in RFC_5545.items()} == RFC_5545


def test_the_first_day_of_the_week_decides_which_weeks_have_their_turn() -> None:
    start = "1997-08-05T09:00:00"
    assert found("FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;WKST=MO", 4, start) == "0805 0810 0819 0824"
    assert found("FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;WKST=SU", 4, start) == "0805 0817 0819 0831"


def test_positions_count_in_the_whole_week_also_in_the_one_of_the_start() -> None:
    """dateutil counts from the start on, and has the first Wednesday of a series that starts on one in each week."""
    assert found("FREQ=WEEKLY;BYDAY=MO,WE,FR;BYSETPOS=1", 2, "1997-09-03T09:00:00") == "0908 0915"
    assert found("FREQ=WEEKLY;BYDAY=MO,WE,FR;BYSETPOS=2", 2, "1997-09-03T09:00:00") == "0903 0910"
    assert found("FREQ=WEEKLY;BYDAY=MO,WE,FR;BYSETPOS=-1", 2, "1997-12-31T09:00:00") == "0102 0109"
    assert found("FREQ=WEEKLY;BYDAY=MO,TH;BYSETPOS=1", 2, "1998-01-01T09:00:00") == "0105 0112"


def test_positions_count_within_the_hour_and_within_the_minute() -> None:
    assert found("FREQ=HOURLY;BYMINUTE=0,10,20;BYSETPOS=-1", 2) == "0902T0920 0902T1020"
    assert found("FREQ=HOURLY;BYMINUTE=5,50;BYSECOND=0,30;BYSETPOS=2,3", 2) == "0902T0905 0902T0950"
    assert found("FREQ=MINUTELY;BYSECOND=10,20;BYSETPOS=2", 2) == "0902 0902T0901"
    assert found("FREQ=SECONDLY;BYSETPOS=2", 1) == ""
    assert found("FREQ=DAILY;BYHOUR=9,12;BYSETPOS=3", 1) == ""


def test_weekdays_with_and_without_a_number_come_both() -> None:
    """dateutil takes what is both, and so nothing."""
    assert found("FREQ=MONTHLY;BYDAY=MO,1TU", 4) == "0902 0908 0915 0922"


def test_a_week_of_two_years_belongs_to_the_year_of_its_middle() -> None:
    assert found("FREQ=YEARLY;BYWEEKNO=53;BYDAY=FR", 2) == "0101 1231"
    assert found("FREQ=YEARLY;BYWEEKNO=1;BYDAY=MO", 3) == "1229 0104 0103"
    assert found("FREQ=YEARLY;BYWEEKNO=-1;BYDAY=SU", 2) == "1228 0103"
