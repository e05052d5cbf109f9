"""The figures of webhooks are taken by real processes, and what must hold on any machine holds."""

import asyncio

import pytest

from tests.bench.webhooks import tables
from tests.bench.webhooks.play import reuse, spread, waits
from tests.bench.webhooks.spread import spread as spread_here


def test_what_was_found_stands_beside_what_is_aimed_at() -> None:
    cpu = {"aiohttp": 200.0, "sender": 150.0, "whole": 1_000.0}
    rows = {
        "http": cpu,
        "waits": [{"per_second": 199.6, "median_ms": 31.2, "p99_ms": 48.4}],
        "reuse": {"burst": 0.9712, "quiet": 0.995},
        "spread": [{"endpoints": 10_000, "mib": 7.25, "seconds": 4.0, "cpu": 1.0}],
    }
    found = [*tables.lines(rows)]
    assert ("the same, the worker's sender", "1.5 x at most", "150 us, 0.75 x") in found
    assert found[3][2] == "31 ms, 48 ms"
    assert [each[2] for each in found[4:]] == ["97.1%", "99.5%", "7.2 MiB, 4.0 s (1.00 s of CPU)"]


def test_every_endpoint_gets_one_job_also_over_many_pages() -> None:
    assert asyncio.run(spread_here(1_700))["endpoints"] == 1_700


@pytest.mark.slow
def test_a_fan_out_to_ten_thousand_endpoints_adds_little_memory() -> None:
    assert spread(10_000)["mib"] <= 20


@pytest.mark.slow
def test_requests_of_a_burst_go_over_kept_connections() -> None:
    assert reuse(burst=500, seconds=1, per_second=8)["burst"] >= 0.85


@pytest.mark.slow
def test_the_wait_of_each_event_is_found() -> None:
    assert waits(seconds=1, per_second=50)["deliveries"] == 50
