"""The reminders table and its stand-in, at the same tests: what is due is found, each row is moved once."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from tests.aws import Aws
from tests.workers.reminder_dispatch.fakes import NOON, FakeReminders, daily, due, row
from workers.reminder_dispatch.schedule.occurrence import Move, Row, read_content, read_series
from workers.reminder_dispatch.table import store as store_module
from workers.reminder_dispatch.table.keys import MINUTE, Key, address_key, device_key, shard_of
from workers.reminder_dispatch.table.store import DynamoReminders, Reminders

OCCURRENCE = json.loads((Path(__file__).parents[2] / "events" / "reminder-occurrence.json").read_text())
OF_A_TICK = {"PK", "SK", "status", "claimedUntil", "notBefore", "tenantId", "priority"}


async def found(store: Reminders, reminder_id: str = "r1") -> list[Row]:
    return [one async for page in store.pages(NOON, shard_of(reminder_id)) for one in page]


async def test_a_row_is_read_as_it_was_written(store: Reminders) -> None:
    written = daily(data={"n": 7, "list": [1, "two", None, True], "map": {"x": "y"}}, maxLateness=60)
    assert await store.load(due().key) is None
    assert await store.add(written)
    assert await store.load(due().key) == written


async def test_a_row_is_added_once(store: Reminders) -> None:
    assert await store.add(row(title="first"))
    assert not await store.add(row(title="second"))
    assert (await store.load(due().key) or {})["title"] == "first"


async def test_a_move_happens_if_the_row_is_as_expected(store: Reminders) -> None:
    await store.add(row(reason="busy"))
    claim = Move(
        expect={"status": "PENDING", "attempts": None}, put={"status": "SENDING", "attempts": 1}, drop=("reason",)
    )
    assert await store.move(due().key, claim)
    assert not await store.move(due().key, claim)
    after = await store.load(due().key) or {}
    assert (after["status"], after["attempts"], "reason" in after) == ("SENDING", 1, False)


async def test_a_move_expects_lists_and_numbers_too(store: Reminders) -> None:
    await store.add(row(tokens=["a", "b"], attempts=2))
    assert not await store.move(due().key, Move(expect={"tokens": ["b", "a"]}, put={"tokens": []}))
    assert not await store.move(due().key, Move(expect={"attempts": 1}, put={"tokens": []}))
    assert await store.move(due().key, Move(expect={"tokens": ["a", "b"], "attempts": 2}, put={"tokens": ["b"]}))
    assert (await store.load(due().key) or {})["tokens"] == ["b"]


async def test_a_row_that_is_gone_is_not_moved_and_not_made(store: Reminders) -> None:
    assert not await store.move(due().key, Move(expect={"status": None}, put={"status": "FAILED"}))
    assert await store.load(due().key) is None


async def test_of_many_claims_at_once_one_is_written(store: Reminders) -> None:
    await store.add(row())
    claims = (
        Move(expect={"status": "PENDING"}, put={"status": "SENDING", "owner": str(number)}) for number in range(8)
    )
    assert sum(await asyncio.gather(*(store.move(due().key, claim) for claim in claims))) == 1


async def test_what_is_due_is_found_under_its_minute_and_shard_and_nowhere_else(store: Reminders) -> None:
    await store.add(row(notBefore=7))
    await store.add(row(due_at=NOON + MINUTE))
    [one] = await found(store)
    assert {name: one[name] for name in OF_A_TICK & one.keys()} == {
        "PK": "REMINDER#r1",
        "SK": "AT#2026-11-21T12:00:00Z",
        "status": "PENDING",
        "notBefore": 7,
    }
    other = [page async for page in store.pages(NOON, (shard_of("r1") + 1) % 16)]
    assert other == []


async def test_what_has_left_the_index_is_not_found(store: Reminders) -> None:
    await store.add(row())
    await store.move(due().key, Move(expect={}, put={"status": "SENT"}, drop=("GSI1PK", "GSI1SK")))
    assert await found(store) == []


async def test_a_full_minute_comes_in_pages(store: Reminders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "PAGE", 7)
    if isinstance(store, FakeReminders):
        store.page = 7
    ids = [one for one in (f"r{number}" for number in range(640)) if shard_of(one) == 3]
    for one in ids:
        await store.add(row(one))
    pages = [page async for page in store.pages(NOON, 3)]
    assert sorted(one["PK"] for page in pages for one in page) == sorted(f"REMINDER#{one}" for one in ids)
    assert len(pages) == -(-len(ids) // 7)


async def test_the_cursor_moves_forward_only(store: Reminders) -> None:
    assert await store.cursor() is None
    for minutes in (0, 5, 3):
        await store.advance(NOON + timedelta(minutes=minutes))
    assert await store.cursor() == NOON + timedelta(minutes=5)


async def test_a_cursor_that_cannot_be_read_is_none(aws: Aws) -> None:
    table = aws.table_like("reminders")
    item: dict[str, Any] = {"PK": {"S": "TICK"}, "SK": {"S": "CURSOR"}, "minute": {"S": "half past two"}}
    aws.dynamodb.put_item(TableName=table, Item=item)
    async with aws.open("dynamodb") as client:
        assert await DynamoReminders(client, table=table).cursor() is None


async def test_what_is_not_a_lost_condition_is_raised(aws: Aws) -> None:
    async with aws.open("dynamodb") as client:
        store = DynamoReminders(client, table="no-such-table")
        with pytest.raises(ClientError):
            await store.add(row())
        with pytest.raises(ClientError):
            await store.move(due().key, Move(expect={}, put={"status": "SENT"}))
        with pytest.raises(ClientError):
            await store.advance(NOON)


async def test_the_documented_row_is_read_and_goes_through_the_table_unchanged(aws: Aws) -> None:
    table = aws.table_like("reminders")
    aws.dynamodb.put_item(TableName=table, Item=OCCURRENCE)
    async with aws.open("dynamodb") as client:
        key = Key(OCCURRENCE["PK"]["S"], OCCURRENCE["SK"]["S"])
        found = await DynamoReminders(client, table=table).load(key)
    assert found is not None
    content, series = read_content(found), read_series(found)
    assert content.data == {"batch": 7, "ratio": 0.5, "tags": ["a", "b"], "first": True, "note": None}
    assert series is not None
    assert (series.zone, series.start.isoformat()) == ("Europe/Berlin", "2026-11-01T10:00:00")
    serialize, deserialize = TypeSerializer().serialize, TypeDeserializer().deserialize
    assert {name: deserialize(serialize(value)) for name, value in found.items()} == found


async def test_what_was_queued_is_known_by_minute_and_shard_page_after_page(store: Reminders) -> None:
    before, after = NOON - MINUTE, NOON + MINUTE
    assert await store.marks(NOON, after) == {}
    await store.mark(before, 3, ["a" * 16], forget_at=1)
    await store.mark(NOON, 3, ["b" * 16, "c" * 16], forget_at=1)
    await store.mark(NOON, 3, ["d" * 16], forget_at=1)
    await store.mark(NOON, 15, ["b" * 16], forget_at=1)
    await store.mark(after, 0, ["e" * 16], forget_at=1)
    found = {place: sorted(marks) for place, marks in (await store.marks(NOON, NOON)).items()}
    assert found == {(NOON, 3): ["b" * 16, "c" * 16, "d" * 16], (NOON, 15): ["b" * 16]}
    assert set(await store.marks(before, after)) == {(before, 3), (NOON, 3), (NOON, 15), (after, 0)}
    assert await store.cursor() is None


async def test_dead_tokens_are_known_among_many(store: Reminders) -> None:
    tokens = [device_key(f"ExponentPushToken[{number}]") for number in range(250)]
    assert not await store.dead(tokens[:1])
    for token in (tokens[3], tokens[240]):
        await store.entomb(token, why="DeviceNotRegistered", at=NOON, forget_at=1)
    await store.entomb(tokens[3], why="DeviceNotRegistered", at=NOON, forget_at=2)
    assert await store.dead([*tokens, device_key("ExpoPushToken[3]")]) == {tokens[3], tokens[240]}
    assert not await store.dead([])
    await store.entomb(address_key("Anna@example.com"), why="bounce", at=NOON, forget_at=1)
    asked = [address_key(name) for name in ("anna@example.com", "bob@example.com")]
    assert await store.dead(asked) == {asked[0]}
    assert [await store.revive(asked[0], at=NOON, forget_at=1) for _ in range(2)] == [True, False]
    assert not await store.dead(asked)


async def test_a_mark_of_what_was_sent_before_a_registration_counts_no_more(store: Reminders) -> None:
    asked = [device_key("ExponentPushToken[a]"), device_key("ExponentPushToken[b]")]
    await store.revive(asked[0], at=NOON, forget_at=1)
    for each in asked:
        await store.entomb(each, why="DeviceNotRegistered", at=NOON - MINUTE, forget_at=1)
    assert await store.dead(asked) == {asked[1]}
    await store.entomb(asked[0], why="DeviceNotRegistered", at=NOON + MINUTE, forget_at=1)
    assert await store.dead(asked) == set(asked)


def test_what_looks_like_a_token_or_an_address_is_what_its_caller_says() -> None:
    odd = "a[b@example.com]"
    assert (device_key(odd).pk, address_key(odd).pk[:8]) == ("TOKEN#b@example.com", "ADDRESS#")


async def test_a_row_is_taken_for_missing_only_where_two_answers_say_so() -> None:
    answers: list[Any] = [{}, {"Item": {"title": {"S": "Stretch"}}}]

    class EmptiedOnce:
        """A table whose first answer was emptied on its way."""

        async def get_item(self, **_asked: Any) -> Any:
            return answers.pop(0)

    client: Any = EmptiedOnce()
    assert await DynamoReminders(client, table="reminders").load(due().key) == {"title": "Stretch"}


async def test_what_is_null_is_as_what_is_absent(store: Reminders) -> None:
    await store.add(row() | {"attempts": None})
    expected = {"status": "PENDING", "attempts": None}
    assert await store.move(due().key, Move(expect=expected, put={"status": "FAILED"}))
    assert not await store.move(due().key, Move(expect=expected, put={"status": "SENT"}))
