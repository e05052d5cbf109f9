"""What a large replay costs in receives, and that nothing is sent whose lease has run out; a queue in memory."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from fleet.dead_letters.model.letter import DeadLetter
from fleet.dead_letters.model.plan.outgoing import Parcel
from fleet.dead_letters.replay.canary import Seen
from fleet.dead_letters.replay.mover import Replay
from fleet.dead_letters.replay.post import Posted
from shared.sqs.batches import BATCH
from tests.fleet.dead_letters.fakes import FakeBox, FakePost, Fuse, World


@dataclass
class CountingBox(FakeBox):
    calls: int = 0

    async def receive(self, *, visibility: int, wait: int) -> list[DeadLetter]:
        self.calls += 1
        return await super().receive(visibility=visibility, wait=wait)


@dataclass
class SlowPost(FakePost):
    """Each call takes so many seconds; it notes the letters that others could have received by then."""

    seconds: float = 0.0
    unleased: int = 0

    async def __call__(self, destination: str, parcels: Sequence[Parcel]) -> Posted:
        self.unleased += sum(self.world.dead[each.id].hidden_until <= self.world.now for each in parcels)
        failed = await super().__call__(destination, parcels)
        self.world.now += self.seconds
        return failed


async def good(_: object) -> Seen:
    return Seen("good")


def replay(world: World, box: FakeBox, post: FakePost, *, planned: int) -> Replay:
    plan = world.plan(rate=None)
    object.__setattr__(plan, "letters", plan.letters[-planned:])
    journal = world.reopened(Fuse())
    return Replay(plan=plan, box=box, post=post, journal=journal, watch=good, last_look=0, clock=lambda: world.now)


@pytest.mark.slow
@pytest.mark.parametrize("letters", [1_000, 4_000])
async def test_the_receives_grow_with_the_queue_and_not_with_its_square(letters: int) -> None:
    """The planned half lies behind letters that nobody planned: these are met once, too."""
    world = World()
    world.put(*(f'{{"order": {number}}}' for number in range(letters)))
    box = CountingBox(world)
    run = replay(world, box, FakePost(world), planned=letters // 2)
    await run.run()
    assert len(run.journal.progress.deleted) == letters // 2
    assert box.calls <= 1.2 * letters / BATCH + 20
    world.now += 1
    assert await box.count() == (letters // 2, 0)


async def test_a_letter_whose_lease_ran_out_is_received_again_before_it_is_sent() -> None:
    world = World()
    world.put(*(f'{{"order": {number}}}' for number in range(200)))
    post = SlowPost(world, seconds=9.0)
    run = replay(world, FakeBox(world), post, planned=200)
    await run.run()
    assert post.unleased == 0
    assert len(run.journal.progress.deleted) == 200
    assert {*world.sends.values()} == {1}
