"""An SQS client whose frequent calls skip botocore while all goes well, and are botocore's own as soon as it does not."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson

from shared.aws.connections import Connections, NotConnected
from shared.aws.fallback import Fallback, as_botocore
from shared.aws.pattern import Pattern, pattern_of

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient


class FastClient:
    """Stands where an aiobotocore SQS client stands, for the calls named here.

    The first call of each kind is botocore's. Its request is kept as a pattern: endpoint, headers, region and name to
    sign for are whatever botocore made of the configuration. Later calls fill in a body, sign it with the client's
    credentials, which botocore refreshes, and send it over kept connections.

    What does not come back as a 200 with a JSON object is handed to botocore as the answer to *its* first attempt, so
    that retries, pauses and errors are botocore's. One instance for one client, for as long as that is open.
    """

    def __init__(self, client: SQSClient, *, now: Callable[[], float] = time.time) -> None:
        self._fallback = Fallback(client, see=self._learn)
        self._now = now
        self._patterns: dict[str, Pattern | None] = {}
        self._kept: dict[str, Connections] = {}

    async def receive_message(self, **asked: Any) -> Any:
        answer = await self._call("ReceiveMessage", asked)
        for message in answer.get("Messages", ()):
            for value in message.get("MessageAttributes", {}).values():
                if isinstance(value.get("BinaryValue"), str):
                    value["BinaryValue"] = base64.b64decode(value["BinaryValue"])
        return answer

    async def delete_message_batch(self, **asked: Any) -> Any:
        return await self._call("DeleteMessageBatch", asked)

    async def change_message_visibility_batch(self, **asked: Any) -> Any:
        return await self._call("ChangeMessageVisibilityBatch", asked)

    async def send_message_batch(self, **asked: Any) -> Any:
        return await self._call("SendMessageBatch", asked)

    async def send_message(self, **asked: Any) -> Any:
        return await self._call("SendMessage", asked)

    async def _call(self, action: str, asked: dict[str, Any]) -> Any:
        pattern = self._patterns.get(action)
        if pattern is None:
            return await self._fallback.call(action, asked)
        try:
            body = orjson.dumps(asked, default=_base64)
        except TypeError:  # no JSON for us; botocore knows what to make of it
            return await self._fallback.call(action, asked)
        request = pattern.whole(body, await self._fallback.keys(), now=self._now())
        try:
            status, head, content = await self._kept[pattern.url].exchange(request)
        except NotConnected:
            return await self._fallback.call(action, asked)
        except aiohttp.ClientError as error:
            return await self._fallback.call(action, asked, error)
        if status == 200 and (found := _object(content)) is not None:
            await self._fallback.succeeded(action)
            return found
        return await self._fallback.call(action, asked, as_botocore(pattern.url, status, head, content))

    def _learn(self, action: str, request: Any) -> None:
        if action in self._patterns:
            return
        target = self._fallback.target(request.url)
        self._patterns[action] = pattern_of(request) if target is not None else None
        if target is not None and request.url not in self._kept:
            self._kept[request.url] = Connections(target)
            self._fallback.close_with(self._kept[request.url].close)


def _object(content: bytes) -> dict[str, Any] | None:
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def _base64(value: Any) -> str:
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    raise TypeError
