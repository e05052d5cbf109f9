"""Before a mended copy is sent, and before its original is deleted, the archive says so: a kill in between forgets nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import Any, Self

import pytest

from fleet.dead_letters.model.plan.outgoing import Parcel
from fleet.dead_letters.model.shapes import Origin
from fleet.dead_letters.model.view import view
from fleet.dead_letters.putting_away import NotAccepted, Stored, copies, mend
from fleet.dead_letters.queues.archive import EDIT, Archive, Label
from fleet.dead_letters.queues.catalog import QueueInfo
from fleet.dead_letters.queues.dead_letter_queue import Unsent
from fleet.dead_letters.queues.removal import Taken
from fleet.dead_letters.replay.inventory import Desk, Open
from fleet.dead_letters.replay.mover import Replay
from fleet.dead_letters.settings import ReplaySettings
from tests.fleet.dead_letters.fakes import DLQ, SOURCE, FakeBox, FakePost, Fuse, Killed, World
from tests.fleet.dead_letters.test_replay_pace import good

INFO = QueueInfo("webhooks-dlq", "http://127.0.0.1:1/webhooks-dlq", DLQ, 1_209_600, 1, 0)


@dataclass
class FakeS3:
    """A bucket in memory."""

    objects: dict[str, bytes] = field(default_factory=dict)

    def put_object(self, *, Key: str, Body: bytes, **_: Any) -> Any:
        self.objects[Key] = Body
        return {"ETag": "e"}

    def get_object(self, *, Key: str, **_: Any) -> Any:
        return {"ETag": "e", "Body": BytesIO(self.objects[Key])}

    def get_paginator(self, _: str) -> Self:
        return self

    def paginate(self, *, Prefix: str, **_: Any) -> Any:
        return [{"Contents": [{"Key": each} for each in self.objects if each.startswith(Prefix)]}]


class Edit:
    """One letter that is edited, and what the archive says of it at each moment."""

    def __init__(self) -> None:
        self.world = World()
        [self.id] = self.world.put('{"n": 0}')
        client: Any = FakeS3()
        self.archive = Archive(client, bucket="archive")
        self.told: list[str] = []
        self.answer = Unsent()

    def says(self) -> str:
        return copies(self.archive, DLQ).found.get(self.id, "")

    async def post(self, destination: str, parcels: Sequence[Parcel]) -> Unsent:
        assert (destination, [each.id for each in parcels]) == (SOURCE, [self.id])
        self.told.append(self.says())
        return self.answer

    async def __call__(self) -> None:
        nobody: Any = None
        desk = Desk(ReplaySettings(dlq_last_look_seconds=0), nobody, {}, lambda: 1.0)
        box = FakeBox(self.world)
        [found] = await box.receive(visibility=0, wait=0)
        seen = view(found, retention=1e6, origin=Origin(DLQ, (SOURCE,)), now=self.world.now)
        label = Label(f"{EDIT}1", INFO.name, 1.0, 2e9, "tester", "because", 0, replaced=True, queue_arn=DLQ)
        stored = Stored(self.archive, replace(label, copy="perhaps"))

        class Deleting(FakeBox):
            async def delete(inner, _: Any) -> set[str]:  # noqa: N805 - `self` is the edit
                self.told.append(self.says())
                raise Killed

        opened = Open(INFO, Origin(DLQ, (SOURCE,)), Deleting(self.world), nobody)
        await mend(
            desk, opened, seen, "{}", edit_id=f"{EDIT}1", stored=stored, post=self.post, to=SOURCE, taken=Taken()
        )


async def test_the_archive_knows_of_the_copy_before_it_is_sent_and_before_its_original_is_deleted() -> None:
    edit = Edit()
    with pytest.raises(Killed):
        await edit()
    assert edit.told == [
        f"a mended copy of it may have been sent ({EDIT}1)",
        f"a mended copy of it was sent ({EDIT}1)",
    ]


async def test_a_copy_that_was_refused_is_forgotten() -> None:
    edit = Edit()
    edit.answer = Unsent(refused=frozenset({edit.id}))
    with pytest.raises(NotAccepted):
        await edit()
    assert (edit.says(), [each.label.replaced for each in edit.archive.batches(DLQ)]) == ("", [False])


@pytest.mark.parametrize("canary", [(), (1,)])
async def test_a_withheld_letter_is_left_and_the_others_go_on(canary: tuple[int, ...]) -> None:
    world = World()
    first, second = world.put('{"n": 0}', '{"n": 1}')
    journal = world.reopened(Fuse())
    run = Replay(
        plan=world.plan(canary=canary),
        box=FakeBox(world),
        post=FakePost(world),
        journal=journal,
        watch=good,
        withheld={first: "a copy was sent"},
        last_look=0,
    )
    await run.run()
    assert (journal.progress.sent, journal.progress.failed) == ({second}, {first})
    assert (journal.progress.faults, [*world.dead]) == ({first: "a copy was sent"}, [first])
