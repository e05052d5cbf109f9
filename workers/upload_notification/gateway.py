"""The browser's WebSocket connection, reached by API Gateway's management API."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

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
    """Posts to connections; between two tries it waits up to `pause`, then twice that, in seconds."""

    def __init__(self, client: ApiGatewayManagementApiClient, *, pause: float = 0.5) -> None:
        self._client = client
        self._pause = pause

    async def post(self, connection_id: str, data: bytes) -> Answer:
        """Post once, and again only where throttled. Raises botocore's errors for what says nothing of the connection."""
        tries = AsyncRetrying(
            retry=retry_if_exception(_is_throttled_untried),
            stop=stop_after_attempt(TRIES),
            wait=wait_random_exponential(multiplier=self._pause, max=4 * self._pause),
            reraise=True,
        )
        try:
            await tries(self._post, connection_id, data)
        except ClientError as error:
            answer = Malformed() if _is_malformed(error) else ANSWERS.get(_status(error))
            if answer is None:
                raise
            return answer
        return Posted()

    # tenacity awaits only what it can see to be a coroutine function; a client's methods are made at run time.
    async def _post(self, connection_id: str, data: bytes) -> None:
        await self._client.post_to_connection(ConnectionId=connection_id, Data=data)


def _is_throttled_untried(error: BaseException) -> bool:
    """A 429 that names its error was tried again by botocore already; a bare one is left to us."""
    return (
        isinstance(error, ClientError)
        and _status(error) == 429
        and not error.response["ResponseMetadata"].get("RetryAttempts")
    )


def _is_malformed(error: ClientError) -> bool:
    """Whether the connection id is none: a 400 with another code speaks of the request, and says nothing about the connection."""
    return _status(error) == 400 and error.response["Error"].get("Code") == "BadRequestException"


def _status(error: ClientError) -> int:
    return error.response["ResponseMetadata"]["HTTPStatusCode"]
