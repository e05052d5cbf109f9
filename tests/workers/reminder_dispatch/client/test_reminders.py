"""A tenant's reminders through the client, on the table that the worker reads, also while a dispatch is under way."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.aws import Aws
from tests.fakes import FakeSender
from tests.workers.reminder_dispatch.client.test_reminder import WANTED, wall
from tests.workers.reminder_dispatch.fakes import NOON, FakeReminders, World, row
from workers.reminder_dispatch.client import (
    NoSuchReminder,
    Refused,
    Reminder,
    ReminderClient,
    WrongField,
    open_reminders_blocking,
)
from workers.reminder_dispatch.client.reminders import SHOWN
from workers.reminder_dispatch.event import ReminderDue
from workers.reminder_dispatch.schedule.occurrence import Move, Row
from workers.reminder_dispatch.table.keys import Key, due_text, head_key
from workers.reminder_dispatch.table.store import DynamoReminders

DAILY = replace(WANTED, rule="FREQ=DAILY")
LETTER = Reminder(
    tenant_id="acme", channel="email", email="anna@example.com", title="Visit", at=NOON + timedelta(days=9)
)


@dataclass
class Producer:
    """The client, its clock, what it queued, and the worker's own look at the table."""

    client: ReminderClient
    dynamodb: Any
    table: str
    queue: FakeSender
    at: datetime = NOON

    async def waiting(self, reminder_id: str) -> list[str]:
        _, found = await self.client.show("acme", reminder_id)
        return [each.due_at for each in found if each.status in {"PENDING", "SENDING"}]


@pytest.fixture
async def producer(aws: Aws) -> AsyncIterator[Producer]:
    queue, table = FakeSender(), aws.table_like("reminders")
    async with aws.open("dynamodb") as dynamodb:
        made = Producer(None, dynamodb, table, queue)  # type: ignore[arg-type]  # the client needs its clock
        made.client = ReminderClient(dynamodb, table=table, send=queue, now=lambda: made.at)
        yield made


async def test_one_key_is_one_reminder_however_often_it_is_scheduled(producer: Producer) -> None:
    first, again = await producer.client.schedule(DAILY), await producer.client.schedule(DAILY)
    assert (first.is_new, again.is_new, first.due_at) == (True, False, again.due_at)
    with pytest.raises(Refused, match="another reminder of this key: reschedule it"):
        await producer.client.schedule(replace(DAILY, title="Coffee"))
    other = await producer.client.schedule(replace(DAILY, tenant_id="other"))
    assert other.reminder_id != first.reminder_id
    assert [each.reminder_id async for each in producer.client.list("acme")] == [first.reminder_id]
    for wrong in ("other", "acme"):
        with pytest.raises(NoSuchReminder):
            await producer.client.show(wrong, first.reminder_id if wrong == "other" else "rm_none")
    with pytest.raises(NoSuchReminder):
        await producer.client.cancel("other", first.reminder_id)
    assert producer.queue.sent == []


async def test_what_is_due_before_a_tick_is_sure_to_come_is_queued_at_once(producer: Producer) -> None:
    soon = replace(WANTED, at=NOON + timedelta(seconds=5), time_zone="")
    for _ in range(2):
        await producer.client.schedule(soon)
    assert [(json.loads(each.body)["dueAt"], each.delay) for each in producer.queue.sent] == [
        ("2026-11-21T12:00:05Z", 5),
        ("2026-11-21T12:00:05Z", 5),
    ], "the second call mends a first that died between table and queue"


async def test_a_plan_is_written_in_a_transaction_of_the_caller(producer: Producer) -> None:
    made = producer.client.plan(DAILY)
    order = {"Put": {"TableName": producer.table, "Item": {"PK": {"S": "ORDER#1"}, "SK": {"S": "ORDER"}}}}
    await producer.dynamodb.transact_write_items(TransactItems=[order, *made.items])
    assert await producer.waiting(made.reminder_id) == ["2026-11-22T08:00:00Z"]
    with pytest.raises(producer.dynamodb.exceptions.TransactionCanceledException):
        await producer.dynamodb.transact_write_items(TransactItems=[order, *made.items])
    assert not (await producer.client.schedule(DAILY)).is_new


async def test_a_change_takes_the_place_of_all_that_was(producer: Producer) -> None:
    made = await producer.client.schedule(DAILY)
    later = replace(DAILY, at=wall("2026-11-22T18:00"), tokens=WANTED.tokens[:1])
    for _ in range(2):
        changed = await producer.client.reschedule("acme", made.reminder_id, later)
        assert await producer.waiting(made.reminder_id) == ["2026-11-22T17:00:00Z"]
        assert changed.due_at == (datetime.fromisoformat("2026-11-22T17:00:00Z"),)
    back = await producer.client.reschedule("acme", made.reminder_id, replace(DAILY, title="Coffee"))
    assert back.due_at == made.due_at, "where it had been ended before"
    head, occurrences = await producer.client.show("acme", made.reminder_id)
    assert head.revision == 3
    assert [(each.due_at, each.status, each.reason) for each in occurrences] == [
        ("2026-11-22T17:00:00Z", "FAILED", "rescheduled"),
        ("2026-11-22T08:00:00Z", "PENDING", ""),
    ]
    with pytest.raises(WrongField, match=r"^tenantId: "):
        await producer.client.reschedule("acme", made.reminder_id, replace(DAILY, tenant_id="other"))


async def test_what_was_cancelled_comes_no_more_until_it_is_scheduled_anew(producer: Producer) -> None:
    made = await producer.client.schedule(DAILY)
    assert [(await producer.client.cancel("acme", made.reminder_id)).ended for _ in range(2)] == [1, 0]
    assert await producer.waiting(made.reminder_id) == []
    assert [each.is_active async for each in producer.client.list("acme")] == [False]
    with pytest.raises(Refused, match="was cancelled"):
        await producer.client.schedule(DAILY)
    await producer.client.reschedule("acme", made.reminder_id, DAILY)
    assert await producer.waiting(made.reminder_id) == ["2026-11-22T08:00:00Z"]


async def test_a_series_goes_on_over_instants_that_an_older_one_was_to_have(producer: Producer) -> None:
    made = await producer.client.schedule(replace(DAILY, at=wall("2026-11-23T09:00")))
    today = (await producer.client.reschedule("acme", made.reminder_id, DAILY)).due_at[0]
    await dispatched(producer, DynamoReminders(producer.dynamodb, table=producer.table), made.reminder_id, today)
    assert await producer.waiting(made.reminder_id) == ["2026-11-23T08:00:00Z"]


class Between(DynamoReminders):
    """The worker's table, where a producer does something before the call of this number."""

    def __init__(self, client: Any, table: str, *, number: int, act: Callable[[], Awaitable[object]]) -> None:
        super().__init__(client, table=table)
        self.left, self._act = number, act

    async def load(self, key: Key) -> Row | None:
        await self._step()
        return await super().load(key)

    async def move(self, key: Key, move: Move) -> bool:
        await self._step()
        return await super().move(key, move)

    async def add(self, row: Row) -> bool:
        await self._step()
        return await super().add(row)

    async def _step(self) -> None:
        self.left -= 1
        if self.left == -1:
            await self._act()


COFFEE = "Coffee"
STEPS = 6
"""More than a dispatch has of the table: load, add, load the head, claim, record."""


async def dispatched(producer: Producer, store: DynamoReminders, reminder_id: str, at: datetime) -> World:
    world = World(FakeReminders(), at=at)
    world.store = store  # type: ignore[assignment]  # the table, and no fake
    due = ReminderDue.model_validate({"reminderId": reminder_id, "dueAt": due_text(at)})
    await world.redelivered(due)
    return world


@pytest.mark.parametrize("wanted", [DAILY, WANTED], ids=["series", "once"])
@pytest.mark.parametrize("number", range(STEPS))
async def test_a_cancel_at_any_step_of_a_dispatch_ends_the_series(
    producer: Producer, number: int, wanted: Reminder
) -> None:
    made = await producer.client.schedule(replace(wanted, key=uuid4().hex))
    [due] = made.due_at
    cancels: list[asyncio.Task[Any]] = []

    async def cancel() -> None:
        cancels.append(asyncio.ensure_future(producer.client.cancel("acme", made.reminder_id)))
        await cancels[0]

    store = Between(producer.dynamodb, producer.table, number=number, act=cancel)
    producer.at = due
    world = await dispatched(producer, store, made.reminder_id, due)
    if store.left >= 0:  # a dispatch of what comes once has fewer steps
        await cancel()
    assert await producer.waiting(made.reminder_id) == []
    told = cancels[0].result()
    head, _ = await producer.client.show("acme", made.reminder_id)
    assert not head.is_active
    assert len(world.notes) <= len(wanted.tokens)
    if told.ended and not told.in_flight and not wanted.rule:
        assert world.notes == [], "ended before its claim"


@pytest.mark.parametrize("number", range(STEPS))
async def test_a_change_at_any_step_of_a_dispatch_leaves_one_series_and_sends_one_of_both(
    producer: Producer, number: int
) -> None:
    made = await producer.client.schedule(replace(DAILY, key=uuid4().hex))
    [due] = made.due_at
    producer.at = due - timedelta(seconds=1)  # the producer's clock: the same instant is still to come

    async def change() -> None:
        await producer.client.reschedule("acme", made.reminder_id, replace(DAILY, title=COFFEE))

    store = Between(producer.dynamodb, producer.table, number=number, act=change)
    world = await dispatched(producer, store, made.reminder_id, due)
    if store.left >= 0:
        await change()
    titles = [note.title for note in world.notes]
    assert len(titles) == len(DAILY.tokens)
    assert len(set(titles)) == 1
    waiting = await producer.waiting(made.reminder_id)
    assert waiting == [due_text(due + timedelta(days=1))]
    tomorrow = await dispatched(producer, store, made.reminder_id, due + timedelta(days=1))
    assert {note.title for note in tomorrow.notes} == {COFFEE}


@pytest.mark.parametrize("value", [None, 7, {"a": 1}])
async def test_a_head_that_somebody_has_changed_hides_no_other_and_can_be_cancelled(
    producer: Producer, value: Any
) -> None:
    names = ("reminderId", "status", "channel", "at", "timeZone", "rule", "fingerprint", "createdAt", "updatedAt")
    store = DynamoReminders(producer.dynamodb, table=producer.table)
    made = [await producer.client.schedule(replace(DAILY, key=name)) for name in names]
    for name, each in zip(names, made, strict=True):
        wrong = Move({}, {}, (name,)) if value is None else Move({}, {name: value})
        assert await store.move(head_key(each.reminder_id), replace(wrong, put={**wrong.put, "by": "hand"}))
    listed = [head.reminder_id async for head in producer.client.list("acme")]
    assert sorted(listed) == sorted(each.reminder_id for each in made)
    for each in made:
        await producer.client.show("acme", each.reminder_id)
        assert (await producer.client.cancel("acme", each.reminder_id)).ended == 1


def test_code_without_an_event_loop_does_the_same(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {**aws.environment, "REMINDERS_TABLE_NAME": aws.table_like("reminders")}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with open_reminders_blocking(environment, now=lambda: NOON) as reminders:
        made = reminders.schedule(DAILY)
        assert [each.reminder_id for each in reminders.list("acme")] == [made.reminder_id]
        assert len(reminders.preview(DAILY, count=3)) == 3
        later = replace(DAILY, at=wall("2026-11-23T09:00"))
        assert reminders.reschedule("acme", made.reminder_id, later).due_at == (made.due_at[0] + timedelta(days=1),)
        assert reminders.cancel("acme", made.reminder_id).ended == 1
        _, occurrences = reminders.show("acme", made.reminder_id)
        assert {each.status for each in occurrences} == {"FAILED"}


async def test_a_cancel_finds_what_waits_before_large_rows_that_were_put_earlier(producer: Producer) -> None:
    """An answer of DynamoDB holds a megabyte."""
    large = replace(LETTER, body="x" * 190_000)
    made = await producer.client.schedule(large)
    for hours in range(1, 9):
        await producer.client.reschedule(
            "acme", made.reminder_id, replace(large, at=LETTER.at - timedelta(hours=hours))
        )
    gone = await producer.client.cancel("acme", made.reminder_id)
    assert (gone.ended, gone.in_flight) == (1, 0)


async def test_a_cancel_finds_what_waits_before_any_number_of_older_revisions(producer: Producer) -> None:
    made = await producer.client.schedule(LETTER)
    older = [
        row(made.reminder_id, LETTER.at + timedelta(hours=number), status="FAILED", revision=number)
        for number in range(1, 3 * SHOWN)
    ]
    store = DynamoReminders(producer.dynamodb, table=producer.table)
    await asyncio.gather(*map(store.add, older))
    assert await store.move(head_key(made.reminder_id), Move({"revision": 1}, {"revision": 3 * SHOWN}))
    assert (await producer.client.cancel("acme", made.reminder_id)).ended == 1
