"""How full queues were in the last hour, as this console counted them, and how old their oldest message, as CloudWatch has it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from fleet.console.inventories import FAULTS, Inventories
from shared.outcome import code_of

EVERY = 60.0
"""Seconds between two counts; one GetQueueAttributes for each queue."""
PATIENCE = 2.0
"""Seconds for which the page waits for CloudWatch, which may be silent where SQS is not."""
SPAN = 3600.0
"""Seconds that a plot shows."""
WIDTH, HEIGHT = 120, 24
MOST_METRICS = 500
"""In one GetMetricData: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html"""

Ages = Callable[[Sequence[str], float], Mapping[str, Sequence["Sample"]]]


class Sample(NamedTuple):
    """`at` in epoch seconds; the value is a count, or seconds."""

    at: float
    value: float


class Plot(NamedTuple):
    """Points of a polyline of WIDTH by HEIGHT, and the newest and the highest value."""

    points: str
    newest: float
    highest: float


@dataclass
class Depths:
    """Samples by queue name. `ages` asks CloudWatch for the last hour of some queues, and `now` is the wall clock in epoch seconds."""

    ages: Ages
    now: Callable[[], float]
    counted: dict[str, deque[Sample]] = field(default_factory=dict)
    old: Mapping[str, Sequence[Sample]] = field(default_factory=dict)
    fault: str = ""
    since: float = 0.0
    _asked: float = 0.0
    asking: asyncio.Task[None] | None = None

    def count(self, queues: Iterable[tuple[str, int]]) -> None:
        """A count of this moment; what is older than an hour is forgotten."""
        now = self.now()
        self.since = self.since or now
        for name, visible in queues:
            kept = self.counted.setdefault(name, deque())
            kept.append(Sample(now, float(visible)))
            while now - kept[0].at > SPAN:
                kept.popleft()

    async def refresh(self, names: Sequence[str]) -> None:
        """Ask for the ages, once a minute at most; that they cannot be had is said on the page, and keeps nothing else from it."""
        if self.asking is None and self.now() - self._asked >= EVERY:
            self._asked = self.now()
            self.asking = asyncio.create_task(self._ask(names))
        if self.asking is not None:
            await asyncio.wait([self.asking], timeout=PATIENCE)

    async def _ask(self, names: Sequence[str]) -> None:
        try:
            self.old, self.fault = await asyncio.to_thread(self.ages, names, self.now()), ""
        except Exception as error:  # noqa: BLE001 - also an answer of another shape, as emulators have them
            self.old, self.fault = {}, code_of(error)
        finally:
            self.asking = None

    def depth(self, name: str) -> Plot | None:
        return plot(self.counted.get(name, ()), now=self.now())

    def age(self, name: str) -> Plot | None:
        return plot(self.old.get(name, ()), now=self.now())


async def keep(depths: Depths, inventories: Inventories) -> None:
    """Count each minute until cancelled. A minute in which SQS does not answer has no point."""
    while True:
        with suppress(*FAULTS):
            depths.count(await inventories.depths())
        await asyncio.sleep(EVERY)


def plot(samples: Iterable[Sample], *, now: float) -> Plot | None:
    """The last hour; None where there are not two points of it."""
    kept = [each for each in samples if 0 <= now - each.at <= SPAN]
    if len(kept) < 2:
        return None
    highest = max(each.value for each in kept)
    points = [
        f"{WIDTH * (1 - (now - each.at) / SPAN):.1f},{HEIGHT - 1 - (HEIGHT - 2) * each.value / (highest or 1):.1f}"
        for each in kept
    ]
    return Plot(" ".join(points), kept[-1].value, highest)


def cloudwatch(open_client: Callable[[], Any]) -> Ages:
    """Asks CloudWatch for SQS's ApproximateAgeOfOldestMessage, which an emulator may not have."""

    def asked(names: Sequence[str], now: float) -> Mapping[str, Sequence[Sample]]:
        client, found = open_client(), dict[str, Sequence[Sample]]()
        chosen = names[:MOST_METRICS]
        begin, end = (datetime.fromtimestamp(each, UTC) for each in (now - SPAN, now))
        wanted = [_query(number, name) for number, name in enumerate(chosen)]
        answer = client.get_metric_data(
            MetricDataQueries=wanted, StartTime=begin, EndTime=end, ScanBy="TimestampAscending"
        )
        for each in answer["MetricDataResults"]:
            pairs = zip(each["Timestamps"], each["Values"], strict=True)
            found[chosen[int(each["Id"][1:])]] = [Sample(at.timestamp(), value) for at, value in pairs]
        return found

    return asked


def _query(number: int, name: str) -> dict[str, Any]:
    metric = {
        "Namespace": "AWS/SQS",
        "MetricName": "ApproximateAgeOfOldestMessage",
        "Dimensions": [{"Name": "QueueName", "Value": name}],
    }
    return {"Id": f"q{number}", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Maximum"}}
