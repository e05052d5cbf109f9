"""A replay that dies at any call, is resumed, and has lost nothing and done nothing twice."""

import random

import pytest

from fleet.dead_letters.model.plan.plan import Plan, Step
from fleet.dead_letters.replay.canary import Seen
from fleet.dead_letters.replay.journal import folded
from fleet.dead_letters.replay.mover import Replay
from fleet.dead_letters.replay.report import is_done, report
from tests.fleet.dead_letters.fakes import FakeBox, FakePost, Fuse, Killed, World


def world(letters: int) -> World:
    made = World()
    made.put(*(f'{{"order": {number}}}' for number in range(letters)))
    return made


async def attempt(world: World, plan: Plan, *, kill_at: int) -> int:
    """One process over the plan. Answers how many points it passed where it could have been killed."""
    fuse = Fuse(kill_at)

    async def good(step: Step) -> Seen:
        fuse.burn()
        world.consume()
        return Seen("good")

    await Replay(
        plan=plan,
        box=FakeBox(world, fuse),
        post=FakePost(world, fuse),
        journal=world.reopened(fuse),
        watch=good,
        sleep=world.sleep,
    ).run()
    return fuse.burnt


async def resumed_after(world: World, plan: Plan, kills: list[int]) -> None:
    for kill_at in kills:
        with pytest.raises(Killed):
            await attempt(world, plan, kill_at=kill_at)
        world.now += 700  # what the dead process had in hand shows up again
    for _ in range(3):
        await attempt(world, plan, kill_at=0)


def account(world: World, plan: Plan) -> None:
    """The independent ledger: one effect for each key, none under a key of its own, and counts that add up."""
    world.consume()
    assert world.effects == {each.key for each in plan.letters}
    assert len(world.effects) == len(plan.letters)
    assert world.dead == {}
    progress = world.reopened(Fuse()).progress
    result = report(plan, progress)
    assert is_done(plan, progress)
    assert (
        result["planned"]
        == result["sent"]
        + result["failed"]
        + result["gone"]
        + result["skipped"]
        + result["uncertain"]
        + result["remaining"]
    )
    assert result["sent"] == len(plan.letters)


async def test_a_replay_that_is_not_disturbed_sends_each_letter_once() -> None:
    given = world(35)
    plan = given.plan(canary=(1, 5, 20))
    await resumed_after(given, plan, [])
    assert set(given.sends.values()) == {1}
    account(given, plan)


async def test_killed_at_every_single_call_it_loses_nothing_and_does_nothing_twice() -> None:
    plan = world(35).plan(canary=(1, 5))
    points = await attempt(world(35), plan, kill_at=0)
    assert points > 40
    for point in range(1, points + 1):
        given = world(35)
        await resumed_after(given, plan, [point])
        assert max(given.sends.values()) <= 2
        account(given, plan)
        twice = {name for name, times in given.sends.items() if times > 1}
        assert twice <= given.reopened(Fuse()).progress.twice


async def test_wherever_it_is_killed_its_journal_knows_each_letter_that_was_sent_as_one_that_may_have_been() -> None:
    plan = world(35).plan(canary=(1,))
    points = await attempt(world(35), plan, kill_at=0)
    for point in range(1, points + 1):
        given = world(35)
        with pytest.raises(Killed):
            await attempt(given, plan, kill_at=point)
        progress = folded(given.journal)
        assert given.sends.keys() <= progress.sent | progress.unsure
        assert len(progress.unsure) <= 10
        result = report(plan, progress)
        assert result["planned"] == sum(result[name] for name in ("sent", "uncertain", "remaining"))
        assert report(plan, progress, running=True)["uncertain"] == 0


async def test_a_letter_that_the_journal_calls_sent_is_never_sent_again() -> None:
    plan = world(35).plan()
    points = await attempt(world(35), plan, kill_at=0)
    for point in range(1, points + 1):
        given = world(35)
        with pytest.raises(Killed):
            await attempt(given, plan, kill_at=point)
        written = set(given.reopened(Fuse()).progress.sent)
        before = dict(given.sends)
        given.now += 700
        await attempt(given, plan, kill_at=0)
        assert {name: given.sends[name] for name in written} == {name: before[name] for name in written}


@pytest.mark.long
async def test_a_replay_of_five_hundred_letters_killed_at_every_point_and_a_thousand_times_at_least() -> None:
    """Each point once, then several kills of one replay, one after the other, wherever they fall."""
    plan = world(500).plan(canary=(1, 5, 20))
    points = await attempt(world(500), plan, kill_at=0)
    dice = random.Random(4)
    each_once = [[point] for point in range(1, points + 1)]
    chains = [[dice.randrange(1, points) for _ in range(dice.choice((2, 4)))] for _ in range(350)]
    kills = 0
    for died in (*each_once, *chains):
        given = world(500)
        for kill_at in died:
            try:
                await attempt(given, plan, kill_at=kill_at)
            except Killed:
                kills += 1
            given.now += 700
        for _ in range(2):
            await attempt(given, plan, kill_at=0)
        account(given, plan)
    assert kills >= 1000


@pytest.mark.slow
async def test_refused_entries_of_every_batch_call_are_tried_again_and_counted() -> None:
    dice = random.Random(7)
    for _ in range(30):
        given = world(35)
        plan = given.plan(canary=(3,))
        given.refuse = lambda _call, _id: dice.random() < 0.3
        for _ in range(3):
            await attempt(given, plan, kill_at=0)
            given.now += 700
        given.refuse = lambda _call, _id: False
        for _ in range(3):
            await attempt(given, plan, kill_at=0)
            given.now += 700
        account(given, plan)


async def test_a_cancelled_replay_stops_and_can_be_resumed() -> None:
    given = world(35)
    plan = given.plan()
    sent: list[int] = []

    async def nobody(step: Step) -> Seen:
        raise AssertionError("nothing is watched that was cancelled")

    replay = Replay(
        plan=plan,
        box=FakeBox(given),
        post=FakePost(given),
        journal=given.reopened(Fuse()),
        watch=nobody,
        cancelled=lambda: len(given.sends) >= 10,
        progressed=lambda _step, progress: sent.append(len(progress.sent)),
    )
    await replay.run()
    assert sent == [10]
    assert all(each.hidden_until <= given.now for each in given.dead.values())
    await resumed_after(given, plan, [])
    account(given, plan)


async def test_a_canary_that_comes_back_stops_everything_behind_it() -> None:
    given = world(100)
    plan = given.plan(canary=(1, 5, 20))

    async def bad(step: Step) -> Seen:
        return Seen("bad", frozenset(each.id for each in step.letters))

    for _ in range(2):
        await Replay(
            plan=plan, box=FakeBox(given), post=FakePost(given), journal=given.reopened(Fuse()), watch=bad
        ).run()
    result = report(plan, given.reopened(Fuse()).progress)
    assert (result["sent"], result["returned"], result["remaining"]) == (1, 1, 99)
    assert sum(given.sends.values()) == 1


async def test_a_letter_that_is_no_longer_there_is_gone_and_a_changed_one_is_skipped() -> None:
    given = world(5)
    plan = given.plan()
    del given.dead["m-0"]
    given.dead["m-1"].body = "something else"
    await attempt(given, plan, kill_at=0)
    result = report(plan, given.reopened(Fuse()).progress)
    assert (result["sent"], result["gone"], result["skipped"], result["remaining"]) == (3, 1, 1, 0)
    assert [*given.dead] == ["m-1"]


async def test_a_letter_in_somebody_elses_hands_is_not_called_gone() -> None:
    given = world(5)
    plan = given.plan()
    given.dead["m-0"].hidden_until = given.now + 10_000
    await attempt(given, plan, kill_at=0)
    result = report(plan, given.reopened(Fuse()).progress)
    assert (result["sent"], result["gone"], result["remaining"]) == (4, 0, 1)


async def test_keeping_sends_copies_and_deletes_nothing() -> None:
    given = world(7)
    plan = given.plan(keep=True)
    await attempt(given, plan, kill_at=0)
    await attempt(given, plan, kill_at=0)
    assert (len(given.source), len(given.dead)) == (7, 7)
    assert is_done(plan, given.reopened(Fuse()).progress)
    assert all(each.hidden_until <= given.now for each in given.dead.values())


@pytest.mark.parametrize("how", ["gone", "taken", "changed"])
async def test_the_next_letters_take_the_place_of_a_canary_of_which_nothing_was_sent(how: str) -> None:
    given = world(30)
    plan = given.plan(canary=(2, 5))
    for name in ("m-0", "m-1", "m-2", "m-3"):
        if how == "gone":
            del given.dead[name]
        elif how == "taken":
            given.dead[name].hidden_until = given.now + 1_000
        else:
            given.dead[name].body = "{}"

    async def bad(step: Step) -> Seen:
        return Seen("bad", frozenset({step.letters[-1].id}))

    journal = given.reopened(Fuse())
    await Replay(
        plan=plan, box=FakeBox(given), post=FakePost(given), journal=journal, watch=bad, sleep=given.sleep
    ).run()
    assert {*given.sends} == {"m-4", "m-5"}
    first = report(plan, given.reopened(Fuse()).progress)["steps"][0]
    assert (first["letters"], first["sent"], first["verdict"]) == (6, 2, "bad")


async def test_a_plan_of_canaries_that_have_all_gone_comes_to_its_end() -> None:
    given = world(3)
    plan = given.plan(canary=(1, 5))
    given.dead.clear()
    await attempt(given, plan, kill_at=0)
    assert report(plan, given.reopened(Fuse()).progress)["gone"] == 3
