"""The short form of the soak; the long one is `python -m tests.soak`."""

from pathlib import Path

import pytest

from tests.soak.report import summary
from tests.soak.run import RESTARTS_PER_SECOND, soak
from tests.soak.schedule import schedule

SEED = 20_261_121


@pytest.mark.long
async def test_kills_restarts_and_faults_lose_nothing_and_break_no_order(tmp_path: Path) -> None:
    soaked = await soak(SEED, seconds=12.0, logs=tmp_path, patience=25.0)
    assert soaked.verdict.faults == {}, summary(soaked)
    assert soaked.verdict.spoilt_calls > 0.05 * soaked.verdict.calls, "faults were at work"
    assert soaked.tally.killed, "and consumers died"


def test_a_seed_draws_the_same_schedule_again() -> None:
    first, again = (schedule(7, seconds=30, restarts_per_second=RESTARTS_PER_SECOND) for _ in range(2))
    assert first == again
    assert first != schedule(8, seconds=30, restarts_per_second=RESTARTS_PER_SECOND)
