"""What a fast call saves, roughly: a change that puts botocore back on its path is seen."""

import pytest

from tests.bench.aws_calls import CALLS, lines, measure
from tests.traced import allowed


@pytest.mark.slow
async def test_each_fast_call_costs_a_fraction_of_aioboto3s() -> None:
    dear = {each.name for each in CALLS}
    for _ in range(3):  # a busy machine moves a single measurement: dear is what is dear in each
        rows = await measure(count=200, rounds=2)
        assert len(lines(rows)) == len(CALLS)
        # Our own code is what is measured under coverage, and botocore's is not.
        dear &= {row["call"] for row in rows if row["fast"] > allowed(row["aioboto3"] / 4)}
        if not dear:
            return
    pytest.fail(f"more than a quarter of aioboto3's CPU in each of three rounds: {dear}")
