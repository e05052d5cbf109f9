"""Events of the webhook worker on the fleet's bus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from types_aiobotocore_events import EventBridgeClient

SOURCE: Final = "fleet.webhooks"


class NotPut(Exception):
    """The bus did not take an event; `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(f"the bus did not take the event: {code}")


class EventBus:
    """PutEvents through an aiobotocore client that others may share."""

    def __init__(self, client: EventBridgeClient, *, bus: str) -> None:
        self._client = client
        self._bus = bus

    async def __call__(self, detail_type: str, detail: Mapping[str, Any]) -> None:
        """Raises NotPut, or botocore's error where the call failed."""
        entry: Any = {
            "EventBusName": self._bus,
            "Source": SOURCE,
            "DetailType": detail_type,
            "Detail": orjson.dumps(detail).decode(),
        }
        answer = await self._client.put_events(Entries=[entry])
        if answer["FailedEntryCount"]:
            raise NotPut(str(answer["Entries"][0].get("ErrorCode")))
