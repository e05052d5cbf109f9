"""What a canary's verdict rests on, how a rate is kept, and when SQS's own redrive may be asked."""

import math
from typing import Any

import pytest

from fleet.dead_letters.model.filters import Filters
from fleet.dead_letters.model.shapes import Origin
from fleet.dead_letters.model.view import View, view
from fleet.dead_letters.replay.canary import Seen, Sight, watch
from fleet.dead_letters.replay.move_task import objections
from fleet.dead_letters.replay.pacing import Pace
from tests.fleet.dead_letters.fakes import DLQ, SOURCE, World, envelope, letter

IDS = frozenset({"m-1", "m-2"})
BOTH, ONE = IDS, frozenset({"m-1"})


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


async def judged(
    *sights: Sight, seconds: float = 10.0, settle: float = 2.0, cancelled: bool = False, to_the_end: bool = False
) -> tuple[Seen, float]:
    """The last sight repeats itself. Answers what was seen, and after how many seconds."""
    clock, left = Clock(), [*sights]

    async def look(_: frozenset[str]) -> Sight:
        return left.pop(0) if len(left) > 1 else left[0]

    seen = await watch(
        IDS,
        look,
        seconds=seconds,
        settle=settle,
        to_the_end=to_the_end,
        cancelled=lambda: cancelled,
        clock=clock,
        sleep=clock.sleep,
    )
    return seen, clock.now - 100


@pytest.mark.parametrize(
    ("sights", "verdict", "after"),
    [
        ([Sight(done=BOTH)], "good", 0),
        ([Sight(), Sight(done=ONE), Sight(done=BOTH)], "good", 2),
        ([Sight(done=ONE)], "none", 10),
        ([Sight(), Sight(returned=ONE)], "bad", 1),
        ([Sight(done=BOTH, returned=ONE)], "bad", 0),
        ([Sight(quiet=True)], "good", 2),
        ([Sight(quiet=True), Sight(), Sight(quiet=True)], "good", 4),
        ([Sight(quiet=True), Sight(quiet=True, returned=ONE)], "bad", 1),
        ([Sight()], "none", 10),
        ([Sight(returned=frozenset({"somebody else's"}))], "none", 10),
    ],
)
async def test_a_verdict_is_good_bad_or_nobody_can_say(sights: list[Sight], verdict: str, after: float) -> None:
    seen, took = await judged(*sights)
    assert (seen.verdict, took) == (verdict, after)


@pytest.mark.parametrize(
    ("sights", "verdict", "back", "after"),
    [
        ([Sight(returned=ONE), Sight(), Sight(returned=BOTH)], "bad", BOTH, 2),
        ([Sight(returned=ONE), Sight(done=BOTH - ONE)], "bad", ONE, 1),
        ([Sight(returned=ONE), Sight(quiet=True)], "bad", ONE, 3),
        ([Sight(returned=ONE), Sight()], "bad", ONE, 10),
        ([Sight()], "none", frozenset(), 10),
    ],
)
async def test_after_the_last_step_every_letter_that_comes_back_is_counted(
    sights: list[Sight], verdict: str, back: frozenset[str], after: float
) -> None:
    seen, took = await judged(*sights, to_the_end=True)
    assert (seen.verdict, seen.returned, took) == (verdict, back, after)


async def test_a_cancelled_watch_ends_without_a_verdict() -> None:
    seen, took = await judged(Sight(), cancelled=True)
    assert (seen.verdict, took) == ("none", 0)


@pytest.mark.parametrize(("rate", "batch"), [(0.5, 1), (5, 1), (50, 5), (500, 10), (None, 10)])
async def test_a_rate_is_kept_and_no_second_is_too_full(rate: float | None, batch: int) -> None:
    clock = Clock()
    pace = Pace(rate, clock=clock, sleep=clock.sleep)
    assert pace.batch == batch
    times: list[float] = []
    for number in range(200):
        await pace.turn(batch, cancelled=lambda: False)
        times += [clock.now] * batch
        clock.now += 0.001 if rate is None or number % 40 else 2 * batch / rate  # a call that now and then is slow
    if rate is not None:
        fullest = max(sum(begin <= each < begin + 1 for each in times) for begin in times)
        assert fullest <= math.ceil(rate * 1.1)
        assert (len(times) - batch) / (times[-1] - times[0]) == pytest.approx(rate, rel=0.1)


def views(count: int = 3, **fields: Any) -> list[View]:
    given = {"moved_from": SOURCE, **fields}
    return [
        view(letter(id=f"m-{number}", **given), retention=1e6, origin=Origin(), now=1_800_000_000.0)
        for number in range(count)
    ]


def world_plan(**options: Any) -> Any:
    world = World()
    world.put("{}", "{}", "{}")
    return world.plan(via="aws", **options)


FED = Origin(DLQ, (SOURCE,))


def test_sqs_own_redrive_is_asked_where_it_can_do_all() -> None:
    assert objections(views(), Filters(), FED, to="", plan=world_plan(rate=500), unfiltered=3) == []
    parked = views(moved_from="", attributes={"fleet-failure": envelope()})
    assert objections(parked, Filters(), FED, to=SOURCE, plan=world_plan(), unfiltered=3) == []


@pytest.mark.parametrize(
    ("case", "why"),
    [
        ({"filters": Filters(errors=("E",))}, "cannot select"),
        ({"unfiltered": 4}, "cannot select"),
        ({"plan": world_plan(canary=(1,))}, "no canary"),
        ({"plan": world_plan(keep=True)}, "leave the originals"),
        ({"plan": world_plan(rate=501)}, "500 per second"),
        ({"plan": world_plan(rate=0.5)}, "whole number"),
        ({"origin": Origin(DLQ)}, "another SQS queue"),
        ({"views": views(moved_from="")}, "other shapes"),
        ({"views": views(moved_from="", attributes={"fleet-failure": envelope()})}, "no way back"),
    ],
)
def test_sqs_own_redrive_is_refused_with_what_it_cannot_do(case: dict[str, Any], why: str) -> None:
    given: dict[str, Any] = {
        "views": views(),
        "filters": Filters(),
        "origin": FED,
        "to": "",
        "plan": world_plan(),
        "unfiltered": 3,
    }
    given |= case
    result = objections(given.pop("views"), given.pop("filters"), given.pop("origin"), **given)
    assert any(why in each for each in result)
