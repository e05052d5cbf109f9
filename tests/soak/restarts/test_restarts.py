"""The short form of the restarts; the long one is `python -m tests.soak.restarts`."""

from pathlib import Path

import pytest

from tests.soak.restarts.judging import explained
from tests.soak.restarts.run import restarts

SEED = 20_261_126


@pytest.mark.long
async def test_restarts_under_load_bury_nothing_lose_nothing_and_cost_a_receipt_each_at_most(tmp_path: Path) -> None:
    restarted = await restarts(SEED, count=24, logs=tmp_path)
    assert restarted.verdict.faults == {}
    assert restarted.fleet.tally.killed, "some were killed"
    assert restarted.verdict.again, "and some messages felt it"


def test_a_receipt_is_explained_by_a_restart_between_it_and_the_one_before() -> None:
    assert explained([1.0], [])
    assert explained([1.0, 5.0], [(2.0, 3.0)])
    assert not explained([1.0, 5.0], [(6.0, 7.0)])


def test_a_restart_explains_one_receipt_of_a_message() -> None:
    assert not explained([1.0, 2.5, 5.0], [(2.0, 3.0)])
    assert explained([1.0, 2.5, 5.0], [(2.0, 3.0), (3.0, 4.0)])
