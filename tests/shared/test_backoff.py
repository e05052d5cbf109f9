"""How long a failed message hides."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.backoff import LONGEST_VISIBILITY_TIMEOUT, Backoff

ATTEMPTS = st.integers(min_value=1, max_value=10**9)
DICE = st.floats(min_value=0, max_value=1, exclude_max=True)
BACKOFFS = st.builds(
    Backoff,
    base=st.floats(min_value=0.01, max_value=3_600),
    factor=st.floats(min_value=1, max_value=1_000),
    cap=st.floats(min_value=1, max_value=1e9),
)


@pytest.mark.guarantee("B20")
@given(backoff=BACKOFFS, attempt=ATTEMPTS, dice=DICE)
def test_a_delay_is_never_below_one_second_and_never_above_twelve_hours(
    backoff: Backoff, attempt: int, dice: float
) -> None:
    assert 1.0 <= backoff.delay(attempt, dice=dice) <= LONGEST_VISIBILITY_TIMEOUT


@given(backoff=BACKOFFS, attempt=ATTEMPTS, dice=DICE)
def test_a_delay_is_never_above_its_cap(backoff: Backoff, attempt: int, dice: float) -> None:
    assert backoff.delay(attempt, dice=dice) <= backoff.cap


@given(backoff=BACKOFFS, attempt=st.integers(min_value=1, max_value=20), dice=DICE)
def test_a_delay_is_below_base_times_the_factor_to_the_failures_before(
    backoff: Backoff, attempt: int, dice: float
) -> None:
    bound = backoff.base * backoff.factor ** (attempt - 1)
    assert backoff.delay(attempt, dice=dice) <= max(1.0, bound)


@given(backoff=BACKOFFS, attempt=ATTEMPTS, dice=DICE)
def test_more_failures_never_shorten_the_delay(backoff: Backoff, attempt: int, dice: float) -> None:
    assert backoff.delay(attempt, dice=dice) <= backoff.delay(attempt + 1, dice=dice)


@pytest.mark.parametrize(("attempt", "ceiling"), [(1, 2), (2, 30), (3, 450), (4, 6_750), (5, 7_200), (9, 7_200)])
def test_the_default_grows_from_two_seconds_to_two_hours(attempt: int, ceiling: float) -> None:
    assert Backoff().delay(attempt, dice=0.999_999) == pytest.approx(ceiling, rel=1e-4)


def test_the_jitter_is_full() -> None:
    assert Backoff().delay(3, dice=0.5) == 225
    assert Backoff().delay(3, dice=0.0) == 1.0


def test_a_receive_count_that_sqs_did_not_tell_counts_as_the_first_failure() -> None:
    assert Backoff().delay(0, dice=0.9) == Backoff().delay(1, dice=0.9)
