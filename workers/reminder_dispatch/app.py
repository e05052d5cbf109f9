"""The reminder worker put together: ticks are looked through, due reminders are dispatched."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from operator import attrgetter
from typing import Any
from uuid import uuid4

from pydantic import Field

from shared import App, Clients, Limits, Secret, Settings, Together, Worker, make_lambda_handler, read_settings
from workers.reminder_dispatch.channels.apart import apart
from workers.reminder_dispatch.channels.gate import Gates
from workers.reminder_dispatch.channels.push.rate import request_size
from workers.reminder_dispatch.event import decode_due, decode_tick
from workers.reminder_dispatch.handler import dispatch
from workers.reminder_dispatch.receipts import handler as receipts
from workers.reminder_dispatch.receipts.event import decode_receipts
from workers.reminder_dispatch.scan import look
from workers.reminder_dispatch.sending.ports import Aside, Ports

NAME = "reminder-dispatch"
TICKS, REMINDERS, RECEIPTS = "reminder-ticks", "reminders", "reminder-receipts"

LOOK_TIMEOUT = 30.0
"""Seconds: an hour of minutes, or one minute of a hundred thousand reminders; a tick cut short keeps its progress."""

DISPATCH_TIMEOUT = 30.0
"""Seconds; a claim's lease (rules.LEASE_SECONDS) is longer."""


class ReminderSettings(Settings):
    """What this worker reads from the environment."""

    reminders_table_name: str = Field(description="the DynamoDB table of reminders")
    event_bus_name: str = Field(description="the bus that webhook reminders are put on")
    expo_push_url: str = Field(
        default="https://exp.host/--/api/v2/push/send", pattern="^https?://", description="where Expo takes pushes"
    )
    expo_per_second: int = Field(default=600, ge=1, le=600, description="pushes a second from each process")
    email_sender: str | None = Field(
        default=None, description="the address that e-mail is sent from, verified with SES; without it none is sent"
    )
    email_configuration_set: str | None = Field(default=None, description="the SES configuration set of what is sent")


@asynccontextmanager
async def open_workers(environment: Mapping[str, str], clients: Clients) -> AsyncIterator[tuple[Worker[Any], ...]]:
    """Raises SettingsError."""
    # Imported when they are used: they bring aiohttp and boto3, which would double what a Lambda sandbox loads at first.
    from workers.reminder_dispatch.channels import bus
    from workers.reminder_dispatch.channels.email import ses
    from workers.reminder_dispatch.channels.push.expo import Expo, open_session
    from workers.reminder_dispatch.receipts.asking import ask_later
    from workers.reminder_dispatch.receipts.expo import ExpoReceipts
    from workers.reminder_dispatch.table.store import DynamoReminders

    settings = read_settings(ReminderSettings, environment)
    token = Secret.of(environment, "EXPO_ACCESS_TOKEN")
    store = DynamoReminders(await clients.open("dynamodb"), table=settings.reminders_table_name)
    queue = await clients.sender(REMINDERS)
    looks = await clients.sender(RECEIPTS)
    events = await clients.bus(settings.event_bus_name)
    # One thread: whatever a tenant's rules cost, the event loop has its half of the interpreter.
    async with open_session() as session, _thread() as aside:
        expo = Expo(
            session,
            url=settings.expo_push_url,
            access_token=token,
            per_second=settings.expo_per_second,
        )
        ports = Ports(
            store=store,
            room=expo.room,
            request_size=request_size(settings.expo_per_second),
            push=expo.push,
            mail=apart(
                partial(
                    ses.mail,
                    send=(await clients.open("sesv2", attempts=1)).send_email,
                    sender=settings.email_sender,
                    configuration_set=settings.email_configuration_set,
                )
            ),
            announce=apart(partial(bus.announce, put=events.put)),
            queue=queue,
            ask_later=partial(ask_later, send=looks),
            now=now,
            sign=lambda: uuid4().hex,
            dice=random.random,
            aside=aside,
            gates=Gates(now=time.time, dice=random.random),
        )
        ticks = Worker(
            name=NAME,
            queue=TICKS,
            decode=decode_tick,
            do=Together(
                partial(look, store=store, queue=queue, again=await clients.sender(TICKS), now=now),
                count=10,
                seconds=0.05,
            ),
            limits=Limits(timeout=LOOK_TIMEOUT, concurrency=1),
        )
        reminders = Worker(
            name=NAME,
            queue=REMINDERS,
            decode=decode_due,
            correlation=attrgetter("reminder_id"),
            do=Together(
                partial(dispatch, ports=ports),
                count=request_size(settings.expo_per_second),
                seconds=0.2,
            ),
            limits=Limits(timeout=DISPATCH_TIMEOUT, concurrency=4),
        )
        asked = receipts.Ports(
            store=store,
            ask=ExpoReceipts(session, url=settings.expo_push_url, access_token=token),
            again=looks,
            now=now,
        )
        receipt_looks = Worker(
            name=NAME,
            queue=RECEIPTS,
            decode=decode_receipts,
            do=Together(partial(receipts.look_up, ports=asked), count=10, seconds=0.5),
            limits=Limits(timeout=DISPATCH_TIMEOUT, concurrency=1),
        )
        yield ticks, reminders, receipt_looks


@asynccontextmanager
async def _thread() -> AsyncIterator[Aside]:
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="rules") as thread:
        yield partial(asyncio.get_running_loop().run_in_executor, thread)


def now() -> datetime:
    return datetime.now(UTC)


APP = App(NAME, (TICKS, REMINDERS, RECEIPTS), open_workers, settings=(ReminderSettings,))
lambda_handler = make_lambda_handler(APP)
