"""What a fast call saves, roughly: a change that puts botocore back on its path is seen."""

import pytest

from tests.bench.aws_calls import CALLS, lines, measure


@pytest.mark.slow
async def test_each_fast_call_costs_a_fraction_of_aioboto3s() -> None:
    rows = await measure(count=200, rounds=2)
    assert len(lines(rows)) == len(CALLS)
    assert {row["call"]: row for row in rows if row["fast"] > row["aioboto3"] / 4} == {}
