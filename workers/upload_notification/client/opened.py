"""The client of a producer, opened from its environment."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from shared import Clients, Settings, read_settings
from workers.upload_notification.client.sessions import Sessions


class ClientSettings(Settings):
    """The worker's own, as far as a producer needs them; the bucket only for forms."""

    sessions_table_name: str
    upload_bucket_name: str | None = None


@asynccontextmanager
async def open_sessions(
    environment: Mapping[str, str], *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> AsyncIterator[Sessions]:
    """Raises SettingsError that names the variables to be set."""
    settings = read_settings(ClientSettings, environment)
    async with Clients(environment) as clients:
        yield Sessions(
            await clients.open("dynamodb"),
            table=settings.sessions_table_name,
            now=now,
            bucket=settings.upload_bucket_name or "",
            s3=(lambda: clients.open("s3")) if settings.upload_bucket_name else None,
        )
