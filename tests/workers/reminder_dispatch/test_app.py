"""The worker as it is deployed: from a tick on its queue to the push at Expo and the row that says so."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from shared.clients import Clients
from shared.settings import SettingsError
from shared.worker import Together, Worker
from tests.aws import Aws
from tests.fakes import delivery
from tests.waiting import until
from tests.workers.reminder_dispatch.expo_server import ExpoServer
from tests.workers.reminder_dispatch.fakes import daily, due, row
from workers.reminder_dispatch.app import APP, DISPATCH_TIMEOUT, open_workers
from workers.reminder_dispatch.channels.push.rate import RECIPIENTS
from workers.reminder_dispatch.event import ReminderDue
from workers.reminder_dispatch.rules import LEASE_SECONDS
from workers.reminder_dispatch.table.keys import Key
from workers.reminder_dispatch.table.store import DynamoReminders


@asynccontextmanager
async def opened(
    aws: Aws, expo: ExpoServer, monkeypatch: pytest.MonkeyPatch, **more: str
) -> AsyncIterator[tuple[dict[str, str], DynamoReminders, Worker[Any], Worker[Any], Worker[Any]]]:
    """The workers on queues and a table of their own."""
    for name, value in aws.endpoint.environment.items():
        monkeypatch.setenv(name, value)  # boto reads these by itself
    async with expo.serving() as url:
        names = {
            **aws.environment,
            "REMINDERS_TABLE_NAME": aws.table_like("reminders"),
            "REMINDERS_QUEUE_URL": aws.queue("reminders"),
            "REMINDER_TICKS_QUEUE_URL": aws.queue("ticks"),
            "REMINDER_RECEIPTS_QUEUE_URL": aws.queue("receipts"),
            "EXPO_PUSH_URL": url,
            **more,
        }
        async with Clients(names) as clients, open_workers(names, clients) as (ticks, reminders, receipts):
            table = DynamoReminders(await clients.open("dynamodb"), table=names["REMINDERS_TABLE_NAME"])
            yield names, table, ticks, reminders, receipts


async def tick(worker: Worker[Any], at: datetime) -> None:
    body = orjson.dumps({"source": "scheduler", "time": at}).decode()
    assert await worker.do.handle([worker.decode(delivery(body))]) == [None]


async def test_from_the_tick_to_the_phone(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=2)
    expo = ExpoServer(access_token="secret")
    async with opened(aws, expo, monkeypatch, EXPO_ACCESS_TOKEN="secret") as (names, table, ticks, reminders, _):
        await table.add(daily("push", at))
        await table.add(row("hook", at, channel="webhook", tenantId="t-1"))
        await table.advance(at.replace(second=0))
        for _ in range(3):
            await tick(ticks, at)

        def queued() -> list[str]:
            bodies.extend(aws.bodies(names["REMINDERS_QUEUE_URL"]))
            return bodies if len(bodies) >= 2 else []

        bodies: list[str] = []
        await until(queued, what="one message for each of two reminders")
        assert len(bodies) == 2, "three ticks queue each once"
        events: list[ReminderDue] = [reminders.decode(delivery(body)) for body in 3 * bodies]
        assert await reminders.do.handle(events) == [None] * 6

        pushed, hooked = await table.load(due("push", at).key), await table.load(due("hook", at).key)
        tomorrow = await table.load(due("push", at + timedelta(days=1)).key)
    assert pushed is not None
    assert hooked is not None
    assert tomorrow is not None
    assert (pushed["status"], hooked["status"], tomorrow["status"]) == ("SENT", "SENT", "PENDING")
    assert expo.accepted == ["ExponentPushToken[push]"]


async def test_a_long_past_is_caught_up_by_a_tick_of_its_own(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    at = datetime.now(UTC)
    async with opened(aws, ExpoServer(), monkeypatch) as (names, table, ticks, *_):
        await table.advance(at - timedelta(minutes=25))
        await tick(ticks, at)
        [again] = await until(lambda: aws.bodies(names["REMINDER_TICKS_QUEUE_URL"]), what="the tick sent on")
        await tick(ticks, ticks.decode(delivery(again)).time)
        cursor = await table.cursor()
        assert await table.load(Key("TICK", "CURSOR")) is not None
    assert cursor is not None
    assert cursor > at


async def test_the_settings_are_named_when_they_are_missing() -> None:
    async with Clients({}) as clients:
        with pytest.raises(SettingsError, match=r"REMINDERS_TABLE_NAME.*EVENT_BUS_NAME"):
            async with open_workers({}, clients):
                pass


async def test_the_workers_are_three_and_gather_what_one_request_to_expo_may_hold(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(aws, ExpoServer(), monkeypatch) as (_, _, ticks, reminders, receipts):
        assert APP.queues == (ticks.queue, reminders.queue, receipts.queue)
        assert isinstance(reminders.do, Together)
        assert reminders.do.count == RECIPIENTS


def test_a_lease_outlives_the_handler_that_holds_it() -> None:
    assert LEASE_SECONDS > DISPATCH_TIMEOUT
