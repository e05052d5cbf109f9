"""The event bus, where everybody else hears of an upload."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from workers.upload_notification.announcement import TYPE

if TYPE_CHECKING:
    from types_aiobotocore_events import EventBridgeClient

SOURCE = "fleet.uploads"
TRIES = 3


class EventRefused(Exception):
    """PutEvents answered 200 and took the event not."""


class EventBridge:
    """Puts events on one bus; between two tries it waits up to `pause`, then twice that, in seconds."""

    def __init__(self, client: EventBridgeClient, *, bus: str, pause: float = 0.5) -> None:
        self._client = client
        self._bus = bus
        self._pause = pause

    async def put(self, detail: Mapping[str, Any], time: datetime) -> None:
        """Put `upload.completed`. Raises EventRefused, or botocore's errors."""
        tries = AsyncRetrying(
            retry=retry_if_exception_type(EventRefused),
            stop=stop_after_attempt(TRIES),
            wait=wait_random_exponential(multiplier=self._pause, max=4 * self._pause),
            reraise=True,
        )
        await tries(self._put, orjson.dumps(detail).decode(), time)

    async def _put(self, detail: str, time: datetime) -> None:
        answer = await self._client.put_events(
            Entries=[{"Source": SOURCE, "DetailType": TYPE, "Detail": detail, "EventBusName": self._bus, "Time": time}]
        )
        if answer["FailedEntryCount"]:
            raise EventRefused(answer["Entries"][0].get("ErrorCode", "no code"))
