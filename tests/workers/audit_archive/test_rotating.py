"""The hash keys are rotated while workers run: nothing that another process made with a newer or an older key is lost."""

import base64
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from shared import KeyReused, Secret
from tests.workers.audit_archive.fakes import World, row
from workers.audit_archive.chain.chain import Maker
from workers.audit_archive.redaction.keys import HashKey, hash_keys
from workers.audit_archive.store.archive import Archive
from workers.audit_archive.store.rotating import RotatingKeys
from workers.audit_archive.store.seal import Seals


def text(name: str, fill: str | None = None) -> str:
    return f"{name}:{base64.b64encode((fill or name).encode() * 32).decode()}"


def ids(keys: object) -> list[str]:
    return [key.id for key in keys if isinstance(key, HashKey)]  # type: ignore[attr-defined]


class Kept:
    """What Secrets Manager holds; a reading gives it at once."""

    def __init__(self, *texts: str) -> None:
        self.texts = texts
        self.at = 0.0

    def keys(self) -> RotatingKeys:
        """Of a process that began when the first text was the only one."""

        async def read() -> tuple[str, ...]:
            self.at += 1
            return self.texts

        secret = Secret("AUDIT_HASH_KEYS", self.texts[:1], read=read, clock=lambda: self.at)
        return RotatingKeys(secret, hash_keys(self.texts[0]))


async def test_both_versions_count_and_the_first_key_of_the_current_one_makes_new_hashes() -> None:
    kept = Kept(f"{text('k2')},{text('k1')}")
    keys = kept.keys()
    assert ids(await keys.now()) == ["k2", "k1"]
    assert keys.seals.seal("object", "0" * 64).startswith("k2:")
    kept.texts = (text("k3"), *kept.texts)  # who rotates may leave the old ones out
    kept.at += 1000
    assert ids(await keys.now()) == ["k3", "k2", "k1"]
    assert keys.seals.seal("object", "0" * 64).startswith("k3:")
    assert ids(await keys.again()) == ["k3", "k2", "k1"]


async def test_a_new_version_that_cannot_be_read_changes_nothing_and_is_told_once() -> None:
    kept = Kept(text("k1"))
    keys = kept.keys()
    kept.texts = ("k2:c2hvcnQ=", *kept.texts)
    kept.at += 1000
    with capture_logs() as logs:
        assert [ids(await keys.now()) for _ in range(3)] == 3 * [["k1"]]
    told = [each for each in logs if each["event"] == "audit_hash_keys_unreadable"]
    assert [each["reason"] for each in told] == ["key 1 is not base64 of 32 bytes or more"]
    with pytest.raises(ValueError, match="key 1 is not base64"):
        await keys.again()


async def test_an_id_that_is_used_again_for_another_key_is_told() -> None:
    kept = Kept(text("k1"))
    keys = kept.keys()
    kept.texts = (text("k1", "x"), text("k1"))
    with capture_logs() as logs:
        [found] = await keys.again()
    assert found.secret == b"x" * 32
    assert [each["key_id"] for each in logs if each["event"] == "audit_hash_key_id_reused"] == ["k1"]


def sealing(world: World, seals: Seals) -> Archive:
    return Archive(claims=world.claims(), bucket=world.bucket, now=world.clock, token=world.token, seals=seals)


async def test_another_content_under_an_archived_identity_is_refused_by_whoever_has_the_key_of_its_claim() -> None:
    world, other = World(), row("a", new={"status": {"S": "FORGED"}})
    await sealing(world, Seals(hash_keys(text("k1")))).keep([row("a")])
    rotated, stranger = hash_keys(f"{text('k2')},{text('k1')}"), hash_keys(text("k1", "x"))
    for keys, of_the_other in ((rotated, KeyReused), (stranger, type(None))):
        worker = sealing(world, Seals(keys))
        assert await worker.keep([row("a")]) == {row("a").identity: None}
        assert type((await worker.keep([other]))[other.identity]) is of_the_other
    assert world.archived() == ["a"]


async def test_no_claim_tells_a_guess_of_its_events_content_to_who_has_no_key() -> None:
    world = World()
    archive = sealing(world, Seals(hash_keys(text("k1"))))
    await archive.keep([row("a")])
    [[entry]] = [held.values() for held, _ in world.items.held.values()]
    assert row("a").fingerprint[:8] not in entry.hex()


async def test_a_digest_lists_what_another_process_sealed_with_a_key_that_this_one_has_not_read() -> None:
    world, kept = World(), Kept(text("k1"))
    rotating = kept.keys()
    kept.texts = (text("k2"), *kept.texts)
    assert await sealing(world, Seals(hash_keys(kept.texts[0]))).keep([row("a")]) == {row("a").identity: None}
    await Maker(bucket=world.bucket, now=world.clock, seals=rotating.seals).make()
    assert world.listed() == world.data_objects() != []


async def test_where_the_newer_key_cannot_be_read_there_is_no_digest_yet_and_nothing_is_given_up() -> None:
    world, kept = World(), Kept(text("k1"))
    rotating = kept.keys()
    await sealing(world, Seals(hash_keys(text("k2")))).keep([row("a")])
    kept.texts = ("unreadable", *kept.texts)
    with pytest.raises(ValueError, match="not of the form"):
        await Maker(bucket=world.bucket, now=world.clock, seals=rotating.seals).make()
    kept.texts = (text("k2"), text("k1"))
    world.clock.at += timedelta(minutes=1)
    await Maker(bucket=world.bucket, now=world.clock, seals=rotating.seals).make()
    assert world.listed() == world.data_objects() != []
