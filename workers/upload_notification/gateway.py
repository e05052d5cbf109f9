"""The browser's WebSocket connection, reached by API Gateway's management API."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from workers.upload_notification.ports import Answer, Busy, Forbidden, Gone, Malformed, Posted, TooLarge

if TYPE_CHECKING:
    from types_aiobotocore_apigatewaymanagementapi import ApiGatewayManagementApiClient

TRIES = 3

# By status and not by error code: some answers come as a bare status, without a code or a body.
ANSWERS: Final[Mapping[int, Answer]] = MappingProxyType({403: Forbidden(), 410: Gone(), 413: TooLarge(), 429: Busy()})

SCHEMES: Final = MappingProxyType({"wss": "https", "ws": "http"})


def endpoint_url(given: str) -> str:
    """WS_API_ENDPOINT as the management API wants it: with a scheme, which is https where none is given.

    The address that browsers use (wss://) serves as well.
    """
    scheme, found, rest = given.strip().rstrip("/").partition("://")
    return f"{SCHEMES.get(scheme.lower(), scheme)}://{rest}" if found else f"https://{scheme}"


class ApiGateway:
    """Posts to connections, by a client that repeats nothing itself; between two tries it waits up to `pause`, then up to twice that, in seconds."""

    def __init__(
        self,
        client: ApiGatewayManagementApiClient,
        *,
        pause: float = 0.5,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._client = client
        self._pause = pause
        self._dice = dice

    async def post(self, connection_id: str, data: bytes) -> Answer:
        """Post once, and again only where throttled. Raises botocore's errors for what says nothing of the connection."""
        for tried in range(1, TRIES + 1):
            try:
                await self._client.post_to_connection(ConnectionId=connection_id, Data=data)
            except ClientError as error:
                if tried < TRIES and _status(error) == 429:
                    await asyncio.sleep(self._dice() * self._pause * 2 ** (tried - 1))
                    continue
                answer = Malformed() if _is_malformed(error) else ANSWERS.get(_status(error))
                if answer is None:
                    raise
                return answer
            return Posted()
        raise AssertionError("unreachable")


def _is_malformed(error: ClientError) -> bool:
    """Whether the connection id is none: a 400 with another code speaks of the request, and says nothing about the connection."""
    return _status(error) == 400 and error.response["Error"].get("Code") == "BadRequestException"


def _status(error: ClientError) -> int:
    return error.response["ResponseMetadata"]["HTTPStatusCode"]
