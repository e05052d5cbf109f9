"""A look or a replay that is killed with -9: nothing is lost, and all is visible again within the bound it printed."""

import asyncio
import json
import random
import re
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from fleet.dead_letters.queues.browsing import bound, browse, give_back, sweep
from tests.fleet.dead_letters.conftest import Ground, Lines
from tests.fleet.dead_letters.fakes import FakeBox, Fuse, Killed, World
from tests.fleet.dead_letters.forked import forked
from tests.fleet.dead_letters.worker import Worker
from tests.waiting import until


def queue_of(letters: int) -> World:
    made = World()
    made.put(*("{}" for _ in range(letters)))
    return made


def all_of(world: World, *, after: float = 0.0) -> bool:
    return all(each.hidden_until <= world.now + after for each in world.dead.values())


async def test_a_browse_sees_every_letter_once_and_gives_all_back() -> None:
    world = queue_of(1234)
    found = await browse(FakeBox(world), lambda letter: letter.id, visibility=30)
    assert (len(found.found), found.complete, found.held) == (1234, True, {})
    assert all_of(world)


@pytest.mark.long
async def test_a_browse_that_is_killed_at_any_of_its_calls_leaves_nothing_hidden_beyond_its_bound() -> None:
    calls = Fuse()
    await browse(FakeBox(queue_of(1100), calls), lambda letter: letter.id, visibility=30)
    dice = random.Random(3)
    for point in (1, calls.burnt, *(dice.randrange(1, calls.burnt) for _ in range(200))):
        world = queue_of(1100)
        with pytest.raises(Killed):
            await browse(FakeBox(world, Fuse(point)), lambda letter: letter.id, visibility=bound(1100))
        assert len(world.dead) == 1100
        assert all_of(world, after=bound(1100))


async def test_a_browse_that_fails_gives_back_what_it_had() -> None:
    world = queue_of(250)

    def fails_at_the_last(letter: object) -> str:
        if sum(each.receives for each in world.dead.values()) > 200:
            raise ConnectionError
        return "seen"

    with pytest.raises(ConnectionError):
        await browse(FakeBox(world), fails_at_the_last, visibility=30)
    assert all_of(world)


async def test_letters_that_show_up_again_while_the_queue_is_read_are_counted_once() -> None:
    world = queue_of(200)
    found = await browse(FakeBox(world), lambda letter: letter.id, visibility=0)
    assert len(found.found) <= 200
    assert len(found.found) == found.seen


async def test_a_sweep_for_a_few_stops_when_it_has_them() -> None:
    world = queue_of(500)
    box = FakeBox(world)
    found = await sweep(box, lambda letter: letter, visibility=30, wanted={"m-0", "m-7"})
    assert box.received < 100
    await give_back(box, found)
    assert all_of(world)


@pytest.mark.parametrize(("letters", "seconds"), [(0, 30), (1500, 30), (10_000, 50), (1_000_000, 600)])
def test_the_bound_grows_with_the_queue(letters: int, seconds: int) -> None:
    assert bound(letters) == seconds


@pytest.mark.long
def test_processes_killed_while_they_read_ten_thousand_letters_lose_none_and_keep_the_printed_bound(
    ground: Ground, cli: Lines, tmp_path: Path
) -> None:
    """By the real clock: the last of the kills promised when everything is visible again."""
    park_kinds(ground, 10_000)
    dice, killed, promised = random.Random(12), 0, 0
    with forked(tmp_path) as fork:
        for _ in range(20):
            moment = 0.2 + 0.6 * dice.random()
            ended = fork("dlq", "groups", ground.name, environment=cli.environment, dies_after=moment)
            killed += ended.killed
            promised = max([promised, *map(int, re.findall(r"within (\d+) s", ended.stderr))])
            assert sum(ground.counts()) == 10_000
    assert killed >= 15
    assert ground.counts()[1] > 0
    waited(lambda: ground.counts() == (10_000, 0), seconds=promised + 5, pause=0.5)
    assert len({each["id"] for each in cli.json("list", ground.name)}) == 10_000


def waited(predicate: Callable[[], bool], *, seconds: float, pause: float = 0.02) -> None:
    asyncio.run(_until(predicate, seconds, pause))


async def _until(predicate: Callable[[], bool], seconds: float, pause: float) -> None:
    await until(predicate, seconds=seconds, pause=pause)


@pytest.mark.long
def test_a_replay_killed_at_work_is_resumed_and_has_every_effect_once(ground: Ground, cli: Lines) -> None:
    ground.park(*({"order": number} for number in range(400)))
    cli("dlq", "plan", ground.name, "--rate", "200", "-o", cli.plan())
    with Worker(ground) as worker:
        with cli.process("dlq", "replay", cli.plan(), "--yes", "--reason", "mended"):
            waited(partial(has_written, cli, 7), seconds=15)
        [early] = cli.json("resume", cli.plan(), "--yes", "--reason", "mended", exits=4)
        assert early["remaining"] > 0
        waited(lambda: ground.counts()[1] == 0, seconds=60, pause=0.5)
        [result] = cli.json("resume", cli.plan(), "--yes", "--reason", "mended")
        worker.until_handled(400)
    assert (result["sent"], result["deleted"] + result["vanished"], result["remaining"]) == (400, 400, 0)
    assert (len(worker.effects), ground.counts()) == (400, (0, 0))
    assert worker.handled <= 400 + 10
    assert [each["outcome"] for each in cli.audit()] == ["begun", "begun", "partly", "begun", "done"]


def has_written(cli: Lines, lines: int) -> bool:
    return len(read(cli)) > lines


def read(cli: Lines) -> list[str]:
    return [line for path in Path(cli.plan()).parent.glob("p.*.journal") for line in path.read_text().splitlines()]


def park_kinds(ground: Ground, letters: int) -> None:
    """As many letters as that, of 25 kinds."""
    for kind in range(25):
        ground.park(*({"order": number} for number in range(letters // 25)), error_type=f"Error{kind}")


@pytest.mark.e2e
@pytest.mark.long
def test_ten_thousand_letters_are_grouped_and_listed_within_a_minute_each(ground: Ground, cli: Lines) -> None:
    park_kinds(ground, 10_000)
    for command in ("groups", "list"):
        started = time.monotonic()
        result = cli("dlq", command, ground.name, "--json")
        assert time.monotonic() - started < 60, command
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        assert len(lines) == (25 if command == "groups" else 10_000)
        assert len({name for line in lines for name in line.get("ids", [line.get("id")])}) == 10_000
        assert ground.counts() == (10_000, 0)


@pytest.mark.long
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_replay_gives_back_what_it_holds_and_ends_with_130(
    how: signal.Signals, ground: Ground, cli: Lines
) -> None:
    ground.park(*({"order": number} for number in range(50)))
    cli("dlq", "plan", ground.name, "--rate", "5", "-o", cli.plan())
    with cli.process("dlq", "replay", cli.plan(), "--yes", "--reason", "mended") as running:
        waited(partial(has_written, cli, 4), seconds=15)
        running.send_signal(how)
        assert running.wait(timeout=5) == 130
    left, hidden = ground.counts()
    assert (hidden, left + len(ground.content(ground.source))) == (0, 50)
    assert cli.audit()[-1]["outcome"] == "interrupted"
    assert cli.audit()[-1]["counts"]["remaining"] == left
