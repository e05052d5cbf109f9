"""The HTTP sessions of aiobotocore's clients, which speak to nobody but the host that they mean."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from aiobotocore.httpsession import AIOHTTPSession

from shared.aws.connections import SHORT

if TYPE_CHECKING:
    import ssl
    from types import TracebackType


class Checked(AIOHTTPSession):
    """For AioConfig's `http_session_cls`. A certificate must be of the host that is called, also behind a proxy.

    aiobotocore takes over a context that leaves the host's name to urllib3, which it does not use, and checks no certificate at all through a
    proxy that has no bundle of its own. It also follows redirects, which botocore's own session does not: a POST would arrive as a GET, whose
    200 says that all was done, and a session's token and a message's body would go to whoever is named.
    """

    async def _get_session(self, proxy_url: str | None) -> Any:
        session = await super()._get_session(proxy_url)  # type: ignore[misc]
        return SimpleNamespace(request=partial(session.request, allow_redirects=False))

    def _get_ssl_context(self) -> ssl.SSLContext:
        context: ssl.SSLContext = super()._get_ssl_context()  # type: ignore[misc]
        context.check_hostname = True
        return context

    def _setup_proxy_ssl_context(self, proxy_url: str) -> ssl.SSLContext:
        found: ssl.SSLContext | None = super()._setup_proxy_ssl_context(proxy_url)  # type: ignore[misc]
        return found or self._get_ssl_context()


class LongPollsApart(Checked):
    """Of an SQS client: long polls have connections of their own, so that nothing waits behind them. There are as many polls at once as
    there are pollers: none of them waits for a place, where the time that it waits would count as time of its messages' leases.
    """

    def __init__(self, *, timeout: Any, max_pool_connections: int, **others: Any) -> None:
        connect, read = timeout
        short: Any = (connect, min(read, SHORT))
        super().__init__(timeout=short, max_pool_connections=max_pool_connections, **others)
        self._polls = Checked(timeout=timeout, max_pool_connections=0, **others)

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
