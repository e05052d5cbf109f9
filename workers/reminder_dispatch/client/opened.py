"""The client of a producer, opened from its environment; for code with an event loop, and for code without one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime

from shared import Clients, Message, Settings, read_settings
from workers.reminder_dispatch.client.items import Head, Occurrence, Plan
from workers.reminder_dispatch.client.preview import Coming
from workers.reminder_dispatch.client.reminder import Reminder
from workers.reminder_dispatch.client.reminders import Cancelled, ReminderClient, Scheduled

Now = Callable[[], datetime]


class ClientSettings(Settings):
    """The worker's own, as far as a producer needs them."""

    reminders_table_name: str


def _now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def open_reminders(environment: Mapping[str, str], *, now: Now = _now) -> AsyncIterator[ReminderClient]:
    """Raises SettingsError that names the variables to be set; REMINDERS_QUEUE_URL only where a reminder is due within two minutes."""
    settings = read_settings(ClientSettings, environment)
    async with Clients(environment) as clients:

        async def send(messages: Sequence[Message]) -> None:
            await (await clients.sender("reminders"))(messages)

        dynamodb = await clients.open("dynamodb")
        yield ReminderClient(dynamodb, table=settings.reminders_table_name, send=send, now=now)


class BlockingReminders:
    """The same client for code without an event loop: each call returns when it is done. For one thread."""

    def __init__(self, client: ReminderClient, runner: asyncio.Runner) -> None:
        self._client = client
        self._runner = runner
        self.preview: Callable[..., tuple[Coming, ...]] = client.preview
        self.plan: Callable[[Reminder], Plan] = client.plan

    def schedule(self, wanted: Reminder) -> Scheduled:
        """As ReminderClient.schedule."""
        return self._runner.run(self._client.schedule(wanted))

    def list(self, tenant_id: str) -> Sequence[Head]:
        """As ReminderClient.list, all of them."""

        async def all_of_them() -> Sequence[Head]:
            return [each async for each in self._client.list(tenant_id)]

        return self._runner.run(all_of_them())

    def show(self, tenant_id: str, reminder_id: str) -> tuple[Head, tuple[Occurrence, ...]]:
        """As ReminderClient.show."""
        return self._runner.run(self._client.show(tenant_id, reminder_id))

    def reschedule(self, tenant_id: str, reminder_id: str, wanted: Reminder) -> Scheduled:
        """As ReminderClient.reschedule."""
        return self._runner.run(self._client.reschedule(tenant_id, reminder_id, wanted))

    def cancel(self, tenant_id: str, reminder_id: str) -> Cancelled:
        """As ReminderClient.cancel."""
        return self._runner.run(self._client.cancel(tenant_id, reminder_id))

    def unsuppress(self, *, email: str = "", token: str = "") -> bool:
        """As ReminderClient.unsuppress."""
        return self._runner.run(self._client.unsuppress(email=email, token=token))


@contextmanager
def open_reminders_blocking(environment: Mapping[str, str], *, now: Now = _now) -> Iterator[BlockingReminders]:
    """Raises SettingsError, and RuntimeError inside a running event loop: use open_reminders there."""
    with asyncio.Runner() as runner:
        opened = open_reminders(environment, now=now)
        client = runner.run(opened.__aenter__())
        try:
            yield BlockingReminders(client, runner)
        finally:
            runner.run(opened.__aexit__(None, None, None))
