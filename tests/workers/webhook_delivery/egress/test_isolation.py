"""Endpoints that hang beside others that answer, in virtual time: the others do not wait for them."""

from dataclasses import replace

import pytest

from tests.bench.isolation import Load, simulated
from tests.virtual_time import virtual

CALM = Load(seconds=300.0)
SHORT = Load(seconds=40.0)


def judge(load: Load, dead_seconds: float) -> None:
    alone = virtual(simulated(replace(load, hanging=0)))
    beside = virtual(simulated(load, dead_seconds=dead_seconds))
    assert beside.quantile(0.99) <= 1.2 * alone.quantile(0.99)
    assert beside.hanging_posts > 0


@pytest.mark.slow
def test_healthy_endpoints_do_not_wait_for_those_that_hang() -> None:
    judge(replace(SHORT, hanging=20), 15.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("load", "dead_seconds"),
    [
        (replace(CALM, hanging=20, seed=2), 15.0),
        (replace(CALM, hanging=20), 5.0),  # names whose servers do not answer
        (replace(CALM, hanging=40), 15.0),
        (replace(CALM, endpoints=100, hanging=1, share=0.5), 15.0),
        (replace(CALM, endpoints=100, hanging=1, share=0.5, rate=100.0, seconds=60.0), 15.0),
    ],
)
def test_nor_for_many_for_dead_names_or_for_one_that_has_half_the_traffic(load: Load, dead_seconds: float) -> None:
    judge(load, dead_seconds)


@pytest.mark.slow
def test_without_the_bulkhead_they_would() -> None:
    assert virtual(simulated(replace(SHORT, hanging=20), isolated=False)).quantile(0.99) > 1.0
