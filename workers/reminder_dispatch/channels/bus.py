"""A due reminder as an event on the bus, from where webhooks take it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson
from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, EndpointConnectionError

from workers.reminder_dispatch.channels.channel import Accepted, Answer, Busy, Lost, Misconfigured, Refused

if TYPE_CHECKING:
    from types_aiobotocore_events import EventBridgeClient

_PASSING = {"ThrottlingException", "InternalFailure", "InternalException", "ServiceUnavailable"}
_FINAL = {"MalformedDetail", "InvalidArgument", "ValidationException", "RequestEntityTooLarge"}


async def announce(detail: Mapping[str, Any], *, client: EventBridgeClient, bus: str) -> Answer:
    """Put one `reminder.due` event; PutEvents may answer 200 and still have refused it. Raises nothing of the bus's.

    https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
    """
    entry = {
        "EventBusName": bus,
        "Source": "fleet.reminders",
        "DetailType": "reminder.due",
        "Detail": orjson.dumps(detail).decode(),
    }
    try:
        answer = await client.put_events(Entries=[entry])  # type: ignore[list-item]  # a literal dict, by its own keys
    except (EndpointConnectionError, ConnectTimeoutError):
        return Busy("no connection to the bus")
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return _judge(error.response.get("Error", {}).get("Code", "no code"), passing=status >= 500)
    except BotoCoreError:
        return Lost("no answer from the bus")
    result = answer["Entries"][0]
    if not answer["FailedEntryCount"]:
        return Accepted(result["EventId"])
    return _judge(result.get("ErrorCode", "no code"))


def _judge(code: str, *, passing: bool = False) -> Answer:
    if passing or code in _PASSING:
        return Busy(f"bus: {code}")
    return Refused(f"bus: {code}") if code in _FINAL else Misconfigured(f"bus: {code}")
