"""Real processes and a real SIGKILL, hundreds of times: nothing is lost, nothing is done twice, all shows up in time."""

import json
import random
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.dead_letters.replay.journal import opened
from tests.fleet.dead_letters.clockwork import Clockwork, Ledger, clockwork
from tests.fleet.dead_letters.forked import Ended

pytestmark = pytest.mark.long

ACT = ("--yes", "--reason", "mended")


@pytest.fixture
def works(tmp_path: Path) -> Iterator[Clockwork]:
    with clockwork(tmp_path) as made:
        yield made


def replay_points(works: Clockwork, letters: int) -> int:
    """How many points an undisturbed replay of so many letters passes."""
    works.park(letters)
    plan = str(works.home / "undisturbed")
    works("dlq", "plan", works.name, "-o", plan)
    points = works("dlq", "replay", plan, *ACT, counts=True).points
    works.work(Ledger())
    assert points is not None
    return points


def carried_on(works: Clockwork, plan: str, *options: str, dies_at: int | None = None) -> Ended:
    """What an operator does after a kill: resume, or begin where the plan had not been begun."""
    ended = works("dlq", "resume", plan, *ACT, *options, dies_at=dies_at, exits=None)
    if "never begun" in ended.stderr:
        ended = works("dlq", "replay", plan, *ACT, *options, dies_at=dies_at, exits=None)
    return ended


def killed_replay(works: Clockwork, letters: int, kills: list[int], *, renew: bool) -> int:
    """One plan, carried out by processes that die at these points, one after the other, until one may live.

    Answers how many were killed: the last of them may have come to their end before their point.
    """
    ledger, died = Ledger(), 0
    works.park(letters)
    plan = str(works.home / f"p-{random.randrange(10**9)}")
    works("dlq", "plan", works.name, "-o", plan)
    for point in kills:
        ended = carried_on(works, plan, dies_at=point)
        works.work(ledger, renew=renew)
        if not ended.killed:
            assert ended.status == 0, ended.stderr
            break
        died += 1
        works.server.control.advance(60)  # what the dead process had in hand shows up again
    ended = carried_on(works, plan, "--json")
    assert ended.status == 0, ended.stderr
    result = json.loads(ended.stdout)
    works.work(ledger, renew=renew)
    assert (result["planned"], result["sent"], result["remaining"]) == (letters, letters, 0)
    assert result["deleted"] + result["vanished"] == letters
    assert (result["failed"], result["gone"], result["skipped"], result["returned"]) == (0, 0, 0, 0)
    assert ledger.effects == dict.fromkeys(map(str, range(letters)), 1)
    assert letters <= ledger.handled <= letters + 10 * died, "a kill sends one batch twice at most"
    assert works.counts() == (0, 0)
    return died


@pytest.mark.parametrize("renew", [False, True], ids=["plain", "renewed identities"])
def test_a_small_replay_dies_at_points_all_over_and_has_every_effect_once(works: Clockwork, *, renew: bool) -> None:
    points = replay_points(works, 25)
    for point in range(1, points, points // 5):
        killed_replay(works, 25, [point, point // 2 + 1], renew=renew)
    assert "all as they were written" in works("audit", "verify").stdout


def test_the_audit_log_is_sound_wherever_and_however_often_its_writer_was_killed(works: Clockwork) -> None:
    works.park(1)
    plan = str(works.home / "p")
    works("dlq", "plan", works.name, "-o", plan)
    cancel = ("dlq", "cancel", plan, *ACT)
    plan_id = json.loads(Path(plan).read_bytes())["plan_id"]
    with opened(Path(plan), plan_id, now=time.time):  # a runner, whom `cancel` needs
        points = works(*cancel, counts=True).points or 0
        assert points >= 8
        for point in range(1, points + 1):
            for _ in range(3):
                assert works(*cancel, dies_at=point, exits=None).killed
            works("audit", "verify")
            works(*cancel)


@pytest.mark.long
@pytest.mark.parametrize("renew", [False, True], ids=["plain", "renewed identities"])
def test_replays_of_five_hundred_letters_die_hundreds_of_times(works: Clockwork, *, renew: bool) -> None:
    """The first kills are spread evenly over all points of one replay; those after them fall where they may."""
    points = replay_points(works, 500)
    assert points > 900
    dice = random.Random(28)
    replays, kills = 20, 0
    for turn in range(replays):
        first = 1 + int((turn + dice.random()) * points / replays)
        kills += killed_replay(works, 500, [first, *(dice.randrange(1, 450) for _ in range(9))], renew=renew)
    assert kills > 100
    assert "all as they were written" in works("audit", "verify").stdout


@pytest.mark.long
def test_two_hundred_looks_at_ten_thousand_letters_are_killed_and_each_gives_all_back_in_time(works: Clockwork) -> None:
    works.park(10_000, groups=25)
    started = time.monotonic()
    works("dlq", "groups", works.name)
    whole, dice = time.monotonic() - started, random.Random(12)
    hidden = 0
    for _ in range(200):
        moment = 0.08 + whole * dice.random() ** 6  # most of them early, for whole runs take seconds; some at its end
        ended = works("dlq", "groups", works.name, dies_after=moment, exits=None)
        promised = int(found[0]) if (found := re.findall(r"within (\d+) s", ended.stderr)) else 0
        visible, in_flight = works.counts()
        assert visible + in_flight == 10_000
        hidden += bool(in_flight)
        works.server.control.advance(promised)
        assert works.counts() == (10_000, 0)
    assert hidden >= 40, "the kills fell where there was something to lose"
    result = [json.loads(line) for line in works("dlq", "groups", works.name, "--json").stdout.splitlines()]
    assert (len(result), len({name for group in result for name in group["ids"]})) == (25, 10_000)
