"""An archive that nobody touched raises no alarm: while workers write, from a copy, partly in cold storage."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from tests.workers.audit_archive.fakes import NOON, FakeBucket, World, row
from tests.workers.audit_archive.tampering import archive, kinds, listed_in, replace
from workers.audit_archive.chain.chain import Maker
from workers.audit_archive.chain.digest import digest_key
from workers.audit_archive.chain.verify import verify
from workers.audit_archive.rules import marker, object_key
from workers.audit_archive.source import Directory, InColdStorage

Result = TypeVar("Result")

STRANGE = object_key(row().partition, at=NOON, token="e" * 16)


async def test_an_untouched_archive_is_valid_and_counted() -> None:
    world = await archive()
    found = await verify(world.bucket)
    assert found.ok
    assert found.first is None
    assert (found.digests, found.objects, found.rows) == (6, 10, 55)
    assert [(note.kind, note.where) for note in found.notes] == [("asserted empty", digest_key(6))]


async def test_an_empty_bucket_is_valid() -> None:
    found = await verify(FakeBucket())
    assert (found.ok, found.digests, found.objects) == (True, 0, 0)


async def test_what_waits_for_the_next_digest_is_not_a_finding() -> None:
    world = await archive()
    await world.worker().keep([row("new")])
    found = await verify(world.bucket)
    assert found.ok
    assert [note.kind for note in found.notes] == ["asserted empty", "pending"]


async def test_workers_that_go_on_writing_raise_no_alarm() -> None:
    world = await archive()
    number = 0

    async def busy(call: str, key: str, effect: Callable[[], Result]) -> Result:
        nonlocal number
        number += 1
        await world.worker().keep([row(f"late{number}")])
        if number % 2:
            await Maker(bucket=world.bucket, now=world.clock).make()
        result = effect()
        await world.worker().keep([row(f"later{number}")])
        await Maker(bucket=world.bucket, now=world.clock).make()
        return result

    found = await verify(world.bucket.over(busy))
    assert found.findings == ()


async def test_what_is_in_cold_storage_is_noted_and_not_blamed() -> None:
    world = await archive()
    cold = {listed_in(world, 1)[0], digest_key(2)}

    async def frozen(call: str, key: str, effect: Callable[[], Result]) -> Result:
        if call == "get" and key in cold:
            raise InColdStorage(key)
        return effect()

    found = await verify(world.bucket.over(frozen))
    assert found.ok
    noted = {note.where for note in found.notes if note.kind == "cold storage"}
    assert noted == cold | set(listed_in(world, 2))


async def test_a_source_that_fails_is_not_taken_for_a_broken_archive() -> None:
    world = await archive()
    for failing in (digest_key(2), listed_in(world, 2)[0]):

        async def faulty(call: str, key: str, effect: Callable[[], Result], failing: str = failing) -> Result:
            if call == "get" and key == failing:
                raise ConnectionError(key)
            return effect()

        with pytest.raises(ConnectionError):
            await verify(world.bucket.over(faulty))


async def test_a_digest_deleted_while_it_is_read_is_a_gap() -> None:
    world = await archive()

    async def vanishing(call: str, key: str, effect: Callable[[], Result]) -> Result:
        result = effect()
        if call == "keys" and key == "digests/":
            world.bucket.objects.pop(digest_key(3), None)
        return result

    found = await verify(world.bucket.over(vanishing))
    assert kinds(found)[0] == ("missing digest", digest_key(3))


async def test_progress_is_told_for_each_object() -> None:
    world = await archive()
    reports: list[tuple[int, int]] = []
    await verify(world.bucket, progress=lambda checked, expected: reports.append((checked, expected)))
    assert reports == [(checked, 10) for checked in range(1, 11)]


async def test_a_copy_on_a_disk_gives_the_same_result(tmp_path: Path) -> None:
    world = await archive()
    del world.bucket.objects[listed_in(world, 2)[0]]
    replace(world, listed_in(world, 4)[1], b"nothing")
    world.bucket.objects[marker(STRANGE)] = (b"", {})
    for key, (body, _) in world.bucket.objects.items():
        path = tmp_path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    assert await verify(Directory(tmp_path)) == await verify(world.bucket)


async def test_a_name_that_is_a_folder_or_below_a_file_is_not_an_object(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"x")
    source = Directory(tmp_path)
    assert [await source.get(key) for key in ("folder", "file/below", "absent", "file")] == [None, None, None, b"x"]


@pytest.mark.slow
async def test_an_archive_that_grows_raises_no_alarm_at_any_look() -> None:
    world = World()
    for number in range(1000):
        await world.worker().keep([row(f"e{number}", created_at=NOON + timedelta(minutes=number))])
        world.clock.advance(7)
        if number % 3 == 0:
            await Maker(bucket=world.bucket, now=world.clock).make()
        if number % 50 == 0:
            assert (await verify(world.bucket)).ok
    assert (await verify(world.bucket)).ok
