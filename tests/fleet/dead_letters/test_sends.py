"""What is known of every send: written down before anything is tried again, in order, within the lease; what is not known is
counted as such.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from botocore.exceptions import ClientError

from fleet.dead_letters.model.letter import DeadLetter
from fleet.dead_letters.model.plan.outgoing import Parcel
from fleet.dead_letters.model.plan.plan import Plan
from fleet.dead_letters.replay.canary import Seen
from fleet.dead_letters.replay.mover import Replay
from fleet.dead_letters.replay.post import Posted
from fleet.dead_letters.replay.report import is_done, report
from fleet.dead_letters.replay.sending import Expand
from tests.fleet.dead_letters.fakes import SOURCE, FakeBox, FakePost, Fuse, World

FIFO = f"{SOURCE}.fifo"


def world(letters: int, *, groups: int = 0) -> World:
    made = World()
    for place, name in enumerate(made.put(*(f'{{"order": {number}}}' for number in range(letters)))):
        made.dead[name].group = f"g-{place % groups}" if groups else ""
    return made


@dataclass
class Says(FakePost):
    """Answers of a queue: for each call, what it says of the letters by id; then it takes everything."""

    answers: list[dict[str, str]] = field(default_factory=list)
    journals: list[bytes] = field(default_factory=list)
    seconds: float = 0.0
    unleased: int = 0

    async def __call__(self, destination: str, parcels: Sequence[Parcel]) -> Posted:
        self.journals.append(self.world.journal)
        self.unleased += sum(self.world.dead[each.id].hidden_until <= self.world.now for each in parcels)
        said = self.answers.pop(0) if self.answers else {}
        taken = [each for each in parcels if said.get(each.id, "lost") == "lost"]
        if taken:
            await super().__call__(destination, taken)
        self.world.now += self.seconds
        refused = {place: said[each.id] for place, each in enumerate(parcels) if said.get(each.id, "lost") != "lost"}
        final = frozenset(place for place, code in refused.items() if code == "Invalid")
        lost = frozenset(place for place, each in enumerate(parcels) if said.get(each.id) == "lost")
        return Posted(refused, final, lost)


class Yielding(FakeBox):
    """Another replay has its turn between any two calls."""

    async def receive(self, *, visibility: int, wait: int) -> list[DeadLetter]:
        await asyncio.sleep(0)
        return await super().receive(visibility=visibility, wait=wait)


async def run(
    world: World,
    plan: Plan,
    post: FakePost,
    *,
    expand: Expand | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    withheld: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    async def unwatched(_: object) -> Seen:
        return Seen("good")

    journal = world.reopened(Fuse())
    replay = Replay(
        plan=plan,
        box=FakeBox(world),
        post=post,
        journal=journal,
        watch=unwatched,
        last_look=0,
        expand=expand,
        cancelled=cancelled,
        withheld=withheld or {},
        clock=lambda: world.now,
        sleep=world.sleep,
    )
    await replay.run()
    result = report(plan, journal.progress)
    ends = ("sent", "failed", "gone", "skipped", "uncertain", "remaining")
    assert result["planned"] == sum(result[name] for name in ends)
    return result


async def test_what_was_accepted_is_on_the_disk_before_what_was_refused_is_sent_again() -> None:
    given = world(10)
    post = Says(given, answers=[{"m-3": "InternalError"}])
    result = await run(given, given.plan(), post)
    assert (result["sent"], result["deleted"]) == (10, 10)
    [begun], [_, line] = ([orjson.loads(each) for each in journal.splitlines()] for journal in post.journals[:2])
    assert (begun["state"], len(begun["ids"])) == ("sending", 10)
    assert (line["state"], len(line["ids"]), "m-3" in line["ids"]) == ("sent", 9, False)


async def test_a_lost_answer_is_counted_not_sent_again_by_this_run_and_once_more_by_the_next() -> None:
    given = world(25)
    plan = given.plan()
    result = await run(given, plan, Says(given, answers=[{f"m-{number}": "lost" for number in range(10)}]))
    assert (result["sent"], result["deleted"], result["uncertain"], result["remaining"]) == (15, 15, 10, 0)
    assert {*given.sends.values()} == {1}
    assert not is_done(plan, given.reopened(Fuse()).progress)
    given.now += 700
    result = await run(given, plan, FakePost(given))
    assert (result["sent"], result["deleted"], result["uncertain"], result["sent_twice"]) == (25, 25, 0, 10)
    assert sorted(given.sends.values()) == [1] * 15 + [2] * 10


async def test_a_letter_that_may_have_been_sent_and_is_gone_is_counted_once() -> None:
    given = world(2)
    plan = given.plan()
    await run(given, plan, Says(given, answers=[{"m-0": "lost"}]))
    given.dead.clear()
    result = await run(given, plan, FakePost(given))
    assert (result["sent"], result["gone"], result["uncertain"], result["remaining"]) == (1, 1, 0, 0)


async def test_a_replay_none_of_whose_answers_arrives_stops_after_three_calls() -> None:
    given = world(100)
    post = Says(given, answers=[dict.fromkeys(given.dead, "lost") for _ in range(10)])
    result = await run(given, given.plan(), post)
    assert (result["uncertain"], result["remaining"], len(post.journals)) == (30, 70, 3)


async def test_a_letter_is_not_tried_again_once_its_lease_has_ended() -> None:
    given = world(20)
    post = Says(given, answers=[{}, dict.fromkeys(given.dead, "InternalError")], seconds=26.0)
    result = await run(given, given.plan(), post)
    assert (result["sent"], result["deleted"], post.unleased) == (20, 20, 0)
    assert {*given.sends.values()} == {1}


async def test_a_letter_that_was_refused_until_its_lease_ended_was_not_sent_and_is_not_called_uncertain() -> None:
    given = world(1)
    post = Says(given, answers=[{"m-0": "InternalError"}], seconds=60.0)
    result = await run(given, given.plan(), post, cancelled=lambda: bool(post.journals))
    assert (result["uncertain"], result["failed"], given.sends) == (0, 1, {})


@pytest.mark.parametrize("answer", ["Invalid", "InternalError"])
async def test_nothing_of_a_fifo_group_overtakes_a_letter_that_was_refused(answer: str) -> None:
    given = world(40, groups=4)
    plan = given.plan(FIFO)
    post = Says(given, answers=[{"m-5": answer}] * 20)
    result = await run(given, plan, post)
    assert (result["sent"], result["failed"], result["remaining"]) == (31, 1, 8)
    assert {each.id for each in given.source if each.group == "g-1"} == {"m-1"}
    await run(given, plan, FakePost(given))
    for group in range(4):
        places = [int(each.id[2:]) for each in given.source if each.group == f"g-{group}"]
        assert (len(places), places) == (10, sorted(places))


async def test_two_operators_who_know_nothing_of_each_other_send_each_letter_once() -> None:
    """Each has a plan over all of them, a journal and a log of their own: what keeps them apart are the leases of SQS."""
    given, other = world(60), World()
    plans = [given.plan(), given.plan()]

    class Slow(FakePost):
        async def __call__(self, destination: str, parcels: Sequence[Parcel]) -> Posted:
            await asyncio.sleep(0)
            return await super().__call__(destination, parcels)

    async def good(_: object) -> Seen:
        return Seen("good")

    async def replay(plan: Plan, home: World) -> dict[str, Any]:
        journal = home.reopened(Fuse())
        await Replay(plan=plan, box=Yielding(given), post=Slow(given), journal=journal, watch=good, last_look=0).run()
        return report(plan, journal.progress)

    results = await asyncio.gather(replay(plans[0], given), replay(plans[1], other))
    assert (sum(each["sent"] for each in results), {*given.sends.values()}, given.dead) == (60, {1}, {})
    assert min(each["sent"] for each in results) > 0
    assert [each["sent"] + each["gone"] + each["remaining"] for each in results] == [60, 60]


async def test_behind_a_withheld_letter_of_a_fifo_group_nothing_is_sent() -> None:
    given = world(12, groups=3)
    result = await run(given, given.plan(FIFO), FakePost(given), withheld={"m-1": "another plan may have sent it"})
    assert (result["sent"], result["failed"], result["remaining"]) == (8, 1, 3)
    assert {each.group for each in given.source} == {"g-0", "g-2"}


async def test_in_a_standard_queue_a_refused_letter_stops_no_other_of_its_group() -> None:
    given = world(40, groups=4)
    post = Says(given, answers=[{"m-5": "Invalid"}])
    result = await run(given, given.plan(), post, withheld={"m-6": "another plan may have sent it"})
    assert (result["sent"], result["failed"], result["remaining"]) == (38, 2, 0)


async def test_a_fifo_queue_is_asked_again_after_a_lost_answer_for_it_knows_the_message() -> None:
    given = world(1, groups=1)
    post = Says(given, answers=[{"m-0": "lost"}])
    result = await run(given, given.plan(FIFO), post)
    assert (result["sent"], result["uncertain"], result["sent_twice"]) == (1, 0, 0)
    assert len({each.deduplication for each in given.source}) == 1


DENIED = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "a payload"}}, "GetRecords")


@pytest.mark.parametrize(
    ("fault", "count", "why"),
    [(ValueError("a payload"), "skipped", "cannot be read (ValueError)"), (DENIED, "failed", "AccessDeniedException")],
)
async def test_records_that_cannot_be_read_leave_one_letter_and_no_other(
    fault: Exception, count: str, why: str
) -> None:
    given = world(3)
    plan = given.plan()
    object.__setattr__(plan.letters[1], "shape", "pipe-stream")

    async def expand(_: DeadLetter) -> list[Parcel]:
        raise fault

    result = await run(given, plan, FakePost(given), expand=expand)
    assert (result["sent"], result[count]) == (2, 1)
    [left] = result["faults"]
    assert (left["id"], why in left["why"], "payload" in left["why"]) == ("m-1", True, False)


async def test_a_run_that_is_cut_hears_the_answer_deletes_what_it_sent_and_gives_back_the_rest() -> None:
    given = world(50)

    class Cut(FakePost):
        async def __call__(self, destination: str, parcels: Sequence[Parcel]) -> Posted:
            if len(given.sends) == 20:
                running.cancel()
                await asyncio.sleep(0)
            return await super().__call__(destination, parcels)

    running = asyncio.ensure_future(run(given, given.plan(), Cut(given)))
    with pytest.raises(asyncio.CancelledError):
        await running
    progress = given.reopened(Fuse()).progress
    assert (len(given.sends), progress.sent, len(given.dead)) == (30, progress.deleted, 20)
    assert all(each.hidden_until <= given.now for each in given.dead.values())


async def test_a_changed_body_whose_original_is_not_archived_is_left_and_no_other() -> None:
    given = world(3)
    plan = given.plan()
    object.__setattr__(plan.letters[1], "mended", "{}")
    result = await run(given, plan, FakePost(given))
    assert (result["sent"], result["failed"], [*given.dead]) == (2, 1, ["m-1"])
    assert "not archived" in result["faults"][0]["why"]


async def test_a_fifo_letter_whose_answer_was_lost_is_uncertain_also_where_it_is_refused_afterwards() -> None:
    given = world(1, groups=1)
    post = Says(given, answers=[{"m-0": "lost"}, *[{"m-0": "InternalError"}] * 10])
    result = await run(given, given.plan(FIFO), post)
    assert (result["uncertain"], result["failed"]) == (1, 0)
