"""Which minutes a tick looks through, whatever the clock and the cursor say, and what it makes of each row."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workers.reminder_dispatch.fakes import NOON, row
from workers.reminder_dispatch.schedule.window import (
    CATCH_UP,
    LOOK_AHEAD,
    LOOK_BACK,
    OVERLAP,
    Leave,
    Queue,
    Spoil,
    Window,
    sort,
    window_of,
)
from workers.reminder_dispatch.table.keys import MINUTE


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def seen(window: Window) -> list[datetime]:
    return [step.minute for step in window.steps]


def reached(window: Window) -> datetime | None:
    """Where the cursor stands after the whole window."""
    return max((step.cursor for step in window.steps if step.cursor is not None), default=None)


def test_a_tick_looks_from_the_overlap_behind_the_cursor_to_the_next_tick() -> None:
    window = window_of(NOON, NOON + timedelta(seconds=5))
    assert (seen(window)[0], seen(window)[-1]) == (NOON - OVERLAP, NOON + MINUTE)
    assert (reached(window), window.unfinished) == (NOON + MINUTE, False)


def test_without_a_cursor_it_looks_an_hour_back() -> None:
    first = window_of(None, NOON)
    assert (max(seen(first)), first.unfinished) == (NOON + MINUTE, True)
    assert (min(seen(first)), reached(first)) == (NOON - LOOK_BACK, NOON - LOOK_BACK + CATCH_UP)


def test_minutes_missed_in_an_outage_are_caught_up_bit_by_bit_without_a_hole() -> None:
    cursor, looked_through = NOON - timedelta(days=7), set[datetime]()
    ticks = 0
    while True:
        window = window_of(cursor, NOON)
        looked_through.update(seen(window))
        assert len(window.steps) <= (CATCH_UP + OVERLAP) / MINUTE + 2
        assert (reached(window) or cursor) > cursor
        cursor, ticks = reached(window) or cursor, ticks + 1
        if not window.unfinished:
            break
    assert cursor == NOON + MINUTE
    assert all(NOON - timedelta(days=7) + number * MINUTE in looked_through for number in range(7 * 24 * 60 + 1))
    assert ticks <= 7 * 24 * 60 / ((CATCH_UP - OVERLAP) / MINUTE) + 1


@given(st.integers(0, 600), st.integers(0, 59))
def test_the_present_comes_first_and_the_cursor_never_passes_what_was_not_looked_through(
    behind: int, second: int
) -> None:
    now = NOON + timedelta(seconds=second)
    start = NOON - behind * MINUTE
    window = window_of(start, now)
    assert seen(window)[0] == NOON - OVERLAP
    looked_through = set[datetime]()
    for step in window.steps:
        looked_through.add(step.minute)
        minute = start
        while step.cursor is not None and minute < step.cursor:
            assert minute in looked_through
            assert minute + MINUTE <= window.horizon
            minute += MINUTE


def test_a_cursor_in_the_future_counts_as_now() -> None:
    window = window_of(NOON + timedelta(days=1), NOON)
    assert (seen(window)[0], reached(window)) == (NOON - OVERLAP, NOON + MINUTE)


def sorted_row(found: dict[str, Any], minute: datetime = NOON, now: datetime = NOON) -> Queue | Leave | Spoil:
    return sort(found, minute, window=window_of(NOON, now), now=now)


@pytest.mark.parametrize(("seconds", "delay"), [(-30, 0), (0, 0), (0.4, 1), (59, 59)])
def test_a_due_row_is_queued_with_its_exact_delay(seconds: float, delay: int) -> None:
    due_at = (NOON + timedelta(seconds=30)).replace(microsecond=0)
    found = sorted_row(row(due_at=due_at), now=due_at - timedelta(seconds=seconds))
    assert found == Queue("r1", due_at, delay)


def test_what_is_due_after_the_next_tick_is_left_to_it() -> None:
    due_at = NOON + LOOK_AHEAD + timedelta(seconds=1)
    assert sorted_row(row(due_at=due_at), minute=NOON + MINUTE) == Leave()


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"status": "SENDING", "claimedUntil": NOON.timestamp() + 5}, Leave()),
        ({"status": "SENDING", "claimedUntil": NOON.timestamp() - 5}, Queue("r1", NOON, 0)),
        ({"status": "SENDING"}, Queue("r1", NOON, 0)),
        ({"notBefore": NOON.timestamp() + 5}, Leave()),
        ({"notBefore": NOON.timestamp() - 5}, Queue("r1", NOON, 0)),
        ({"notBefore": "soon"}, Queue("r1", NOON, 0)),
        ({"status": None}, Queue("r1", NOON, 0)),
        ({"status": 7}, Queue("r1", NOON, 0)),
    ],
)
def test_a_row_that_somebody_has_in_hand_is_left_and_any_other_is_queued(
    attributes: dict[str, Any], expected: Queue | Leave
) -> None:
    assert sorted_row(row(**attributes)) == expected


def test_a_row_whose_key_names_no_occurrence_is_spoiled() -> None:
    assert isinstance(sorted_row(row(PK="REMINDER")), Spoil)
    assert isinstance(sorted_row(row(SK="AT#2026-11-21 12:00")), Spoil)


def test_a_row_in_a_wrong_minute_is_queued_if_it_is_due_and_spoiled_if_no_tick_would_find_it_again() -> None:
    assert sorted_row(row(due_at=NOON - minutes(90))) == Queue("r1", NOON - minutes(90), 0)
    assert sorted_row(row(due_at=NOON + minutes(90))) == Spoil("GSI1PK: not the minute of the due time")


@pytest.mark.parametrize("held", [2**40, 2**56, -(2**56), 2**70, "9" * 400])
def test_a_row_in_a_wrong_minute_is_queued_whatever_it_is_held_until(held: Any) -> None:
    assert sorted_row(row(due_at=NOON - minutes(90), notBefore=held)) == Queue("r1", NOON - minutes(90), 0)
