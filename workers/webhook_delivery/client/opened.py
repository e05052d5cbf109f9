"""The client of a producer, opened from its environment."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pydantic import Field

from shared import Clients, EventBus, Message, Settings, SettingsError, read_settings
from workers.webhook_delivery.client.deliveries import Deliveries
from workers.webhook_delivery.client.endpoints import Endpoints
from workers.webhook_delivery.client.publishing import Event
from workers.webhook_delivery.client.recovery import RATE, Recovered, Wanted, recover
from workers.webhook_delivery.client.trial import Trial, try_out
from workers.webhook_delivery.egress.sender import open_sender
from workers.webhook_delivery.signing import SecretsKey, open_seals
from workers.webhook_delivery.store.kept import open_kept


class ClientSettings(Settings):
    """The worker's own, as far as a producer needs them; times in seconds."""

    webhooks_table_name: str
    event_bus_name: str | None = None
    webhook_allow_loopback: bool = False
    webhook_timeout_seconds: float = Field(default=15.0, gt=0, le=20)
    webhook_secrets_key: SecretsKey = None


@dataclass(frozen=True, slots=True)
class Webhooks:
    """The client: `endpoints`, their `deliveries`, events to be published, a trial of an endpoint, and the recovery of what failed."""

    endpoints: Endpoints
    deliveries: Deliveries
    settings: ClientSettings
    now: Callable[[], datetime]
    bus: Callable[[], Awaitable[EventBus]] = field(repr=False)

    async def publish(self, event: Event) -> str:
        """Put the event on the bus; the webhook-id of its deliveries. The same event once more is no second webhook.

        Raises WrongField, SettingsError without EVENT_BUS_NAME, NotPut where the bus refuses it for a reason that is not the
        event's, and botocore's error where it did not answer.
        """
        entry = event.entry()
        await (await self.bus()).put(entry)
        return event.webhook_id

    async def recover(self, wanted: Wanted, *, act: bool, rate: float = RATE) -> Recovered:
        """See recovery.recover."""
        return await recover(wanted, self.deliveries, act=act, rate=rate, now=self.now())

    async def test(self, tenant_id: str, endpoint_id: str) -> Trial:
        """Post a signed `webhook.test`, also to an endpoint that is disabled. Raises NoSuchEndpoint."""
        endpoint = await self.endpoints.read(tenant_id, endpoint_id)
        async with open_sender(
            allow_loopback=self.settings.webhook_allow_loopback,
            seconds=self.settings.webhook_timeout_seconds,
            connections=1,
        ) as post:
            return await try_out(endpoint, post=post, at=self.now())


@asynccontextmanager
async def open_webhooks(
    environment: Mapping[str, str], *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> AsyncIterator[Webhooks]:
    """Raises SettingsError that names the variables to be set. Region and credentials are botocore's: of the process, whatever `environment` says."""
    settings = read_settings(ClientSettings, environment)
    async with Clients(environment) as clients:
        dynamodb, table = await clients.open("dynamodb"), settings.webhooks_table_name
        endpoints = Endpoints(
            dynamodb,
            table=table,
            now=now,
            allow_loopback=settings.webhook_allow_loopback,
            seals=await open_seals(settings.webhook_secrets_key, lambda: clients.open("kms")),
        )
        kept = await open_kept(environment, clients, now=now)

        async def send(
            messages: Sequence[Message],
        ) -> None:  # opened when something is sent: who only looks needs no queue
            await (await clients.sender("webhook-deliveries"))(messages)

        async def bus() -> EventBus:
            if not settings.event_bus_name:
                raise SettingsError("EVENT_BUS_NAME is not set: the bus that events are published on")
            return await clients.bus(settings.event_bus_name)

        yield Webhooks(
            endpoints,
            Deliveries(dynamodb, endpoints, kept, table=table, send=send, now=now),
            settings,
            now,
            bus,
        )
