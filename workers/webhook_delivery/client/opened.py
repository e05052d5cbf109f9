"""The client of a producer, opened from its environment."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import Field

from shared import Clients, Settings, read_settings
from workers.webhook_delivery.client.endpoints import Endpoints
from workers.webhook_delivery.client.trial import Trial, try_out
from workers.webhook_delivery.egress.sender import open_sender


class ClientSettings(Settings):
    """The worker's own, as far as a producer needs them; times in seconds."""

    webhooks_table_name: str
    webhook_allow_loopback: bool = False
    webhook_timeout_seconds: float = Field(default=15.0, gt=0, le=20)


@dataclass(frozen=True, slots=True)
class Webhooks:
    """The client: `endpoints`, and a trial of one."""

    endpoints: Endpoints
    settings: ClientSettings
    now: Callable[[], datetime]

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
    """Raises SettingsError that names the variables to be set."""
    settings = read_settings(ClientSettings, environment)
    async with Clients(environment) as clients:
        endpoints = Endpoints(
            await clients.open("dynamodb"),
            table=settings.webhooks_table_name,
            now=now,
            allow_loopback=settings.webhook_allow_loopback,
        )
        yield Webhooks(endpoints, settings, now)
