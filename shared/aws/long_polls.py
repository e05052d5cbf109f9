"""The HTTP session of an SQS client: long polls have connections of their own, so that nothing waits behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiobotocore.httpsession import AIOHTTPSession

from shared.aws.connections import SHORT

if TYPE_CHECKING:
    from types import TracebackType


class LongPollsApart(AIOHTTPSession):
    """For AioConfig's `http_session_cls`. There are as many polls at once as there are pollers: none of them waits for
    a place, where the time that it waits would count as time of its messages' leases.
    """

    def __init__(self, *, timeout: Any, max_pool_connections: int, **others: Any) -> None:
        connect, read = timeout
        short: Any = (connect, min(read, SHORT))
        super().__init__(timeout=short, max_pool_connections=max_pool_connections, **others)
        self._polls = AIOHTTPSession(timeout=timeout, max_pool_connections=0, **others)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await super().__aexit__(kind, error, trace)
        finally:
            await self._polls.close()

    async def send(self, request: Any) -> Any:
        return await (self._polls.send(request) if is_poll(request.headers) else super().send(request))


def is_poll(headers: Any) -> bool:
    target = headers.get("X-Amz-Target", b"")
    return target in (b"AmazonSQS.ReceiveMessage", "AmazonSQS.ReceiveMessage")
