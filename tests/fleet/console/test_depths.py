"""Plots of the last hour: what the console counted itself, and what CloudWatch has; what cannot be had is said."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from threading import Event
from typing import Any

import pytest
from botocore.exceptions import ClientError

from fleet.console.running.depths import EVERY, HEIGHT, SPAN, Depths, Sample, cloudwatch, plot
from tests.fleet.console.fakes import QUEUE, Bench
from tests.waiting import until

NOW = 1_000_000.0


def test_a_plot_is_an_hour_wide_and_as_high_as_its_highest_point() -> None:
    found = plot(
        [Sample(NOW - SPAN - 1, 99), Sample(NOW - SPAN, 0), Sample(NOW - SPAN / 2, 10), Sample(NOW, 5)], now=NOW
    )
    assert found is not None
    assert (found.points, found.newest, found.highest) == (f"0.0,{HEIGHT - 1:.1f} 60.0,1.0 120.0,12.0", 5, 10)
    assert plot([Sample(NOW, 5)], now=NOW) is None
    assert plot([Sample(NOW - 60, 0), Sample(NOW, 0)], now=NOW) is not None


def test_what_is_older_than_an_hour_is_forgotten() -> None:
    at = [NOW]
    depths = Depths(lambda _names, _now: {}, lambda: at[0])
    for _ in range(200):
        depths.count([("webhooks", 1)])
        at[0] += EVERY
    assert len(depths.counted["webhooks"]) == SPAN / EVERY + 1


async def test_ages_are_asked_once_a_minute_and_their_absence_is_told() -> None:
    asked: list[Sequence[str]] = []

    def ages(names: Sequence[str], _now: float) -> Mapping[str, Sequence[Sample]]:
        asked.append(names)
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetMetricData")

    depths = Depths(ages, lambda: NOW)
    for _ in range(3):
        await depths.refresh(["webhooks"])
    assert (len(asked), depths.fault) == (1, "AccessDenied")


async def test_a_silent_cloudwatch_holds_the_page_up_for_a_moment_only_and_is_asked_once(
    desk: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet.console.running.depths.PATIENCE", 0.01)
    answer, asked = Event(), list[object]()

    def silent(names: Sequence[str], _now: float) -> Mapping[str, Sequence[Sample]]:
        asked.append(names)
        answer.wait(10)
        return {}

    desk.console.depths.ages = silent
    desk.world.now += EVERY
    try:
        for _ in range(3):
            assert "which has not answered yet" in await desk.browser.page("/")
    finally:
        answer.set()
    await until(lambda: desk.console.depths.asking is None, seconds=5, what="the answer")
    assert len(asked) == 1
    assert "and there is none" in await desk.browser.page("/")


async def test_an_answer_of_another_shape_keeps_nothing_else_from_the_page() -> None:
    def odd(_names: Sequence[str], _now: float) -> Mapping[str, Sequence[Sample]]:
        raise KeyError("MetricDataResults")

    depths = Depths(odd, lambda: NOW)
    await depths.refresh(["webhooks"])
    assert depths.fault == "KeyError"


def test_cloudwatch_is_asked_for_all_queues_at_once() -> None:
    class Client:
        def get_metric_data(self, **asked: Any) -> dict[str, Any]:
            [first, second] = asked["MetricDataQueries"]
            assert first["MetricStat"]["Metric"]["Dimensions"] == [{"Name": "QueueName", "Value": "a"}]
            at = datetime.fromtimestamp(NOW - 60, UTC)
            return {"MetricDataResults": [{"Id": second["Id"], "Timestamps": [at], "Values": [12.0]}]}

    assert cloudwatch(Client)(["a", "b"], NOW) == {"b": [Sample(NOW - 60, 12.0)]}


async def test_the_console_counts_by_itself_and_plots_what_it_counted(desk: Bench) -> None:
    depths = desk.console.depths

    await until(lambda: QUEUE in depths.counted, seconds=5, what="the first count")
    page = await desk.browser.page("/")
    assert "<polyline" not in page
    assert "and there is none" in page
    desk.world.now += EVERY
    depths.count(await desk.console.inventories.depths())
    depths.ages = lambda _names, now: {"webhooks": [Sample(now - 60, 30.0), Sample(now, 90.0)]}
    page = await desk.browser.page("/")
    assert 'aria-label="Visible: 12 now, at most 12"' in page
    assert 'aria-label="Age of the oldest: 90 s now, at most 90 s"' in page
    assert desk.box.received == 0
