"""A call of the client that breaks off after any of its writes: what its head says by then is what goes out."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.workers.reminder_dispatch.client.test_reminder import WANTED, wall
from tests.workers.reminder_dispatch.client.test_reminders import Producer, dispatched, producer
from workers.reminder_dispatch.client import ReminderClient
from workers.reminder_dispatch.table.keys import head_key
from workers.reminder_dispatch.table.store import DynamoReminders

__all__ = ["producer"]
TWICE = replace(WANTED, at=wall("2027-10-31T02:30"), on_overlap="both")
WRITES = ("update_item", "put_item", "transact_write_items")


class Killed(Exception):
    """The producer's process is gone."""


class Mortal:
    """DynamoDB's client in a process that ends after so many writes."""

    def __init__(self, client: Any, *, writes: int) -> None:
        self._client, self.left = client, writes

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        return self._counted(found) if name in WRITES else found

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        async def counted(**asked: Any) -> Any:
            if not self.left:
                raise Killed
            self.left -= 1
            return await call(**asked)

        return counted


@pytest.mark.parametrize("writes", range(4))
@pytest.mark.parametrize("change", ["cancel", "reschedule"])
async def test_what_comes_once_goes_out_as_its_head_says(producer: Producer, change: str, writes: int) -> None:
    made = await producer.client.schedule(TWICE)
    assert len(made.due_at) == 2
    mortal = Mortal(producer.dynamodb, writes=writes)
    dying = ReminderClient(mortal, table=producer.table, send=producer.queue, now=lambda: producer.at)  # type: ignore[arg-type]  # stands for it
    later = replace(TWICE, at=TWICE.at + timedelta(days=1))
    try:
        if change == "cancel":
            await dying.cancel("acme", made.reminder_id)
        else:
            await dying.reschedule("acme", made.reminder_id, later)
    except Killed:
        assert not mortal.left
    head, found = await producer.client.show("acme", made.reminder_id)
    store, sent = DynamoReminders(producer.dynamodb, table=producer.table), 0
    for due in made.due_at:
        sent += len((await dispatched(producer, store, made.reminder_id, due)).notes)
    is_as_it_was = head.is_active and head.revision == 1
    assert is_as_it_was == (writes == 0)
    assert sent == (2 * len(WANTED.tokens) if is_as_it_was else 0)
    assert {each.revision for each in found if each.status == "PENDING"} == (
        {head.revision} if head.is_active else set()
    )


YEARLY = replace(WANTED, rule="FREQ=YEARLY")


@pytest.mark.parametrize("writes", range(5))
@pytest.mark.parametrize("change", ["cancel", "reschedule"])
async def test_a_series_does_not_come_back_once_its_head_is_gone(producer: Producer, change: str, writes: int) -> None:
    """DynamoDB deletes a head after its TTL; the next occurrence comes in a year."""
    made = await producer.client.schedule(YEARLY)
    store = DynamoReminders(producer.dynamodb, table=producer.table)
    [first] = made.due_at
    await dispatched(producer, store, made.reminder_id, first)
    mortal = Mortal(producer.dynamodb, writes=writes)
    producer.at = first + timedelta(days=1)
    dying = ReminderClient(mortal, table=producer.table, send=producer.queue, now=lambda: producer.at)  # type: ignore[arg-type]  # stands for it
    once = replace(YEARLY, rule="", at=YEARLY.at + timedelta(days=3))
    call = (
        dying.cancel("acme", made.reminder_id)
        if change == "cancel"
        else dying.reschedule("acme", made.reminder_id, once)
    )
    with suppress(Killed):
        await call
    next_year = first.replace(year=first.year + 1)
    head = await store.load(head_key(made.reminder_id))
    assert head is not None
    if "TTL" in head and int(head["TTL"]) < next_year.timestamp():
        await producer.dynamodb.delete_item(
            TableName=producer.table, Key={"PK": {"S": head["PK"]}, "SK": {"S": "HEAD"}}
        )
    sent = await dispatched(producer, store, made.reminder_id, next_year)
    assert len(sent.notes) == (0 if writes else len(WANTED.tokens))
    if not mortal.left:
        return
    assert "TTL" in head, "and the head is not kept for ever"


async def test_a_change_that_was_not_queued_is_queued_when_it_is_made_again(producer: Producer) -> None:
    made = await producer.client.schedule(replace(WANTED, key="soon"))
    soon = replace(WANTED, key="soon", at=producer.at + timedelta(seconds=5), time_zone="")
    for _ in range(2):
        await producer.client.reschedule("acme", made.reminder_id, soon)
    assert [each.delay for each in producer.queue.sent] == [5, 5]
