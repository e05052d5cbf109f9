"""Of a known subject everything is hidden with their own key; with the key they go from the archive, and the chain stays."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from shared.message.envelope import StreamRecord
from tests.workers.audit_archive.fakes import KEY, NO_STREAM, REDACTOR, Clock, World, record
from workers.audit_archive.chain.chain import Chain, Maker
from workers.audit_archive.chain.verify import verify
from workers.audit_archive.event import RowChanged
from workers.audit_archive.handler import handle_batch
from workers.audit_archive.hiding import BySubject
from workers.audit_archive.redaction.keys import HashKey
from workers.audit_archive.redaction.subjects import subjects
from workers.audit_archive.store.subject_keys import CACHE_SECONDS, Held, SubjectKeys

TABLE = "fleet-sessions-dev"
NEWER = HashKey("k2", b"newer-key-newer-key-newer-key-32")


@dataclass
class FakeSubjects:
    """The table `subject-keys`; `down` is why it does not answer."""

    items: dict[str, Held] = field(default_factory=dict)
    reads: list[Sequence[str]] = field(default_factory=list)
    down: Exception | None = None

    async def read(self, names: Sequence[str]) -> Mapping[str, Held]:
        self.reads.append(names)
        if self.down:
            raise self.down
        return {name: self.items[name] for name in names if name in self.items}

    async def put_new(self, name: str, wrapped: bytes) -> bool:
        if name in self.items:
            return False
        self.items[name] = Held(wrapped)
        return True

    async def erase(self, name: str, at: str) -> Held | None:
        before, self.items[name] = self.items.get(name), Held(erased_at=at)
        return before


@dataclass
class Place:
    """An archive whose sessions are of owners, and the table of their keys."""

    world: World = field(default_factory=World)
    table: FakeSubjects = field(default_factory=FakeSubjects)

    def keys(self, *keys: HashKey) -> SubjectKeys:
        return SubjectKeys(self.table, keys or (KEY,), self.world.clock)

    async def archive(self, *records: StreamRecord, keys: SubjectKeys | None = None) -> list[Exception | None]:
        return await handle_batch(
            [RowChanged(each) for each in records],
            hiding=BySubject(REDACTOR, subjects(f"{TABLE}:owner.id"), (keys or self.keys()).of),
            keep=self.world.worker().keep,
            stream=NO_STREAM,
            digests=Chain(maker=Maker(bucket=self.world.bucket, now=self.world.clock), every=timedelta(0)),
        )


def session(number: int, owner: str | None = "anna", **more: Any) -> StreamRecord:
    image = {"sessionId": {"S": f"s-{number}"}, "email": {"S": "a@b.example"}, **more}
    if owner:
        image["owner"] = {"M": {"id": {"S": owner}}}
    return record(f"e{number}", new=image, sequence_number=str(number), table=TABLE)


def tag(value: Mapping[str, str]) -> str:
    """`s:…` of a hash with a subject's key, else the fleet's key id."""
    return value["S"].removeprefix("hmac:").rpartition(":")[0]


async def test_each_subject_has_a_key_of_its_own_and_who_has_none_the_fleets() -> None:
    place = Place()
    assert await place.archive(session(1), session(2), session(3, "bert"), session(4, None)) == [None] * 4
    anna, again, bert, nobody = sorted(place.world.lines(), key=lambda line: str(line["event_id"]))
    emails = [line["new"]["email"] for line in (anna, again, bert, nobody)]
    assert emails[0] == emails[1]
    assert len({tag(email) for email in emails}) == 3
    assert [tag(email)[:2] for email in emails] == ["s:", "s:", "s:", "k1"]
    assert "anna" not in json.dumps(anna)
    assert len(place.table.reads) == 1
    assert len(place.table.items) == 2


async def test_a_subjects_name_is_hidden_wherever_it_is_a_word_and_nowhere_else() -> None:
    note: dict[str, Any] = {
        "pk": {"S": "USER#anna"},
        "text": {"S": '{"by":"anna"}'},
        "place": {"S": "hannaford"},
        "anna": {"BOOL": True},
    }
    place = Place()
    await place.archive(session(1, **note))
    [line] = place.world.lines()
    hashed = line["new"]["owner"]["M"]["id"]["S"]
    assert line["new"]["pk"] == {"S": f"USER#{hashed}"}
    assert line["new"]["text"] == {"S": json.dumps({"by": hashed}, separators=(",", ":"))}
    assert line["new"]["place"] == {"S": "hannaford"}
    assert line["new"][hashed] == {"BOOL": True}


async def test_an_erased_subject_is_linked_to_nothing_old_or_new_and_the_chain_still_verifies() -> None:
    place = Place()
    await place.archive(session(1))
    keys = place.keys()
    [key] = (await keys.known("anna")).keys
    assert f"hmac:{key.id}:" in json.dumps(place.world.lines())
    assert await keys.erase(keys.names("anna")) == 1
    after = await keys.known("anna")
    assert (after.keys, bool(after.erased_at)) == ((), True)
    await place.archive(session(2), session(3))
    old, new, newer = sorted(place.world.lines(), key=lambda line: str(line["event_id"]))
    assert [tag(line["new"]["email"]) for line in (old, new, newer)] == [key.id, "s:erased", "s:erased"]
    await place.archive(session(4), keys=place.keys())
    assert len({line["new"]["email"]["S"] for line in place.world.lines()}) == 3  # each batch another lost key
    assert await keys.erase(keys.names("anna")) == 0
    assert (await verify(place.world.bucket)).ok


async def test_a_key_is_read_again_after_a_minute_so_that_an_erasure_is_known_everywhere() -> None:
    place = Place()
    worker = place.keys()
    await place.archive(session(1), keys=worker)
    await place.archive(session(2), keys=worker)
    assert len(place.table.reads) == 1
    await worker.erase(worker.names("anna"))
    place.world.clock.advance(CACHE_SECONDS)
    await place.archive(session(3), keys=worker)
    tags = [tag(line["new"]["email"]) for line in place.world.lines()]
    assert tags.count("s:erased") == 1


async def test_no_record_is_hidden_otherwise_while_the_table_cannot_be_read() -> None:
    place = Place(table=FakeSubjects(down=TimeoutError("no table")))
    results = await place.archive(session(1), session(2, None))
    assert [type(result) for result in results] == [TimeoutError, type(None)]
    assert place.world.archived() == ["e2"]  # and no gap: the other one comes again


async def test_a_rotated_fleet_key_finds_the_subject_of_the_old_one_and_erases_both() -> None:
    place = Place()
    await place.archive(session(1))
    rotated = place.keys(NEWER, KEY)
    await place.archive(session(2), keys=rotated)
    assert len({tag(line["new"]["email"]) for line in place.world.lines()}) == 1
    await rotated.erase(rotated.names("anna"))
    assert [each.wrapped for each in place.table.items.values()] == [b"", b""]
    await place.archive(session(3), keys=place.keys(NEWER))
    assert tag(place.world.lines()[-1]["new"]["email"]) == "s:erased"


async def test_two_workers_that_meet_a_subject_at_once_take_one_key() -> None:
    place = Place()

    class Racing(FakeSubjects):
        async def put_new(self, name: str, wrapped: bytes) -> bool:
            await super().put_new(name, b"of another worker")
            return await super().put_new(name, wrapped)

    mine, other = SubjectKeys(Racing(place.table.items), (KEY,), Clock()), place.keys()
    assert await mine.of(["anna"]) == await other.of(["anna"])


async def test_where_the_subject_changes_each_image_is_its_own_subjects() -> None:
    place = Place()
    change = session(1, "bert").model_copy(update={"event_name": "MODIFY", "old": session(1).new})
    await place.archive(change, session(2, "bert"))
    moved, other = sorted(place.world.lines(), key=lambda line: str(line["event_id"]))
    assert tag(moved["new"]["email"]) == tag(other["new"]["email"]) != tag(moved["old"]["email"])


async def test_the_keys_in_a_gap_are_the_subjects_as_well() -> None:
    place = Place()
    broken = session(1).model_copy(update={"keys": {"email": {"S": "a@b.example"}}})
    await place.archive(broken, broken.model_copy(update={"new": {}, "event_name": "MODIFY", "old": broken.new}))
    row, gap = sorted(place.world.lines(), key=lambda line: str(line["activity"]))
    assert gap["keys"] == row["keys"]
    assert tag(gap["keys"]["email"])[:2] == "s:"


async def test_a_process_remembers_no_more_subjects_than_it_may() -> None:
    place = Place()
    keys = SubjectKeys(place.table, (KEY,), place.world.clock, most=8)
    for number in range(4):
        await keys.of([f"{number}{letter}" for letter in "abc"])
    await keys.of(["3a", "3b", "3c", "2a", "2b"])
    assert len(place.table.reads) == 4  # those of the last ones are remembered
    await keys.of(["0a"])
    assert len(place.table.reads) == 5


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("sessions", "table 1 is not of the form"),
        ("sessions:a;b:", "table 2 is not of the form"),
        ("sessions:a,b", "table 1 is not of the form"),
        ("sessions:a;sessions:b", "named twice"),
    ],
)
def test_a_setting_that_names_no_subject_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        subjects(text)
