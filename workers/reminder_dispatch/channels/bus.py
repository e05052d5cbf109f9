"""A due reminder as an event on the bus, from where webhooks take it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from botocore.exceptions import BotoCoreError, ConnectTimeoutError, EndpointConnectionError

from shared import BusEntry, NotPut, Reject
from workers.reminder_dispatch.channels.channel import Accepted, Answer, Busy, Lost, Misconfigured, Refused


async def announce(detail: Mapping[str, Any], *, put: Callable[[BusEntry], Awaitable[str]]) -> Answer:
    """Put one `reminder.due` event. Raises nothing of the bus's."""
    try:
        return Accepted(await put(BusEntry("fleet.reminders", "reminder.due", orjson.dumps(detail).decode())))
    except Reject as error:
        return Refused(error.why)
    except NotPut as error:
        return Busy(f"bus: {error.code}") if error.is_passing else Misconfigured(f"bus: {error.code}")
    except (EndpointConnectionError, ConnectTimeoutError):
        return Busy("no connection to the bus")
    except BotoCoreError:
        return Lost("no answer from the bus")
