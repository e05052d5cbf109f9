"""A client's own road through aiobotocore: its keys, its connections, and the way back when a fast call fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from ssl import SSLContext
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar
from urllib.parse import urlsplit

import structlog

from shared.aws.connections import Target
from shared.aws.signer import fit_a_header

if TYPE_CHECKING:  # and loaded where it is used: a process in which all goes well does without
    from aiobotocore.awsrequest import AioAWSResponse
    from botocore.exceptions import ClientError

    from shared.aws.signer import Keys

log = structlog.get_logger()

Failure: TypeAlias = "AioAWSResponse | Exception"
"""What came of a first attempt that did not succeed."""


Came = TypeVar("Came")


class Cut(Protocol):
    """Told of a call of some kind that was cancelled, and for how many seconds it had waited."""

    def __call__(self, *, after: float, call: str) -> None: ...


def pass_by(*, after: float, call: str) -> None:
    """Nobody is to be told."""


async def waited(call: Awaitable[Came], cut: Cut, kind: str) -> Came:
    """What comes of a call. Tells `cut` where the wait for it is cancelled."""
    began = time.monotonic()
    try:
        return await call
    except asyncio.CancelledError:
        cut(after=time.monotonic() - began, call=kind)
        raise


ON = ("TableName", "Bucket", "QueueUrl")
"""Parameters that name what a call is about."""


def kind_of(operation: str, asked: Mapping[str, Any]) -> str:
    """What succeeds or fails together: the calls of one operation on one table, bucket or queue."""
    for name in ON:
        if name in asked:
            return f"{operation} {asked[name]}"
    return operation


QUOTA = 500
"""Successes after a failure that are reported to botocore: as many as its retry quota has tokens to win back."""

_first: ContextVar[Failure | None] = ContextVar("first", default=None)
_seen_at: ContextVar[str | None] = ContextVar("seen_at", default=None)


class Fallback:
    """What is used of an aiobotocore client, most of it without a public name: this is the place to look at when
    aiobotocore's pin moves. `see` is shown the requests that botocore makes itself, their action and their segment.
    """

    def __init__(self, client: Any, *, see: Callable[[str, Any, str], None]) -> None:
        self._client = client
        self._see = see
        self._unreported = 0
        self._service = client.meta.service_model.service_id.hyphenize()
        client.meta.events.register(f"before-send.{self._service}", self._before_send)

    async def keys(self) -> Keys | None:
        """The credentials of this moment, refreshed by botocore where they are about to expire. None where only botocore knows
        what to make of them.
        """
        frozen: Keys = await self._client._get_credentials().get_frozen_credentials()  # noqa: SLF001
        return frozen if fit_a_header(frozen) else None

    def target(self, url: str) -> Target | None:
        """How the client itself would connect: its TLS context, timeouts and number of connections. None where that is
        not simple: through a proxy, without looking at certificates, or with a user's name in the URL, which its HTTP client refuses.
        """
        http = self._client._endpoint.http_session  # noqa: SLF001
        config = self._client.meta.config
        parts = urlsplit(url)
        tls = http._sessions[None].connector._ssl  # noqa: SLF001
        secure = parts.scheme == "https"
        if http._proxy_config.proxy_url_for(url) or not parts.hostname or "@" in parts.netloc:  # noqa: SLF001
            return None
        if secure and not isinstance(tls, SSLContext):
            return None
        return Target(
            parts.hostname,
            parts.port or (443 if secure else 80),
            tls if secure else None,
            connect=float(config.connect_timeout),
            silence=float(config.read_timeout),
            most=config.max_pool_connections,
        )

    def close_with(self, close: Callable[[], Awaitable[None]]) -> None:
        """Have this done when the client closes its connections."""
        self._client._endpoint.http_session._exit_stack.push_async_callback(close)  # noqa: SLF001

    async def call(
        self, action: str, asked: dict[str, Any], first: Failure | None = None, *, segment: str | None = None
    ) -> Any:
        """One call as botocore makes it. Where `first` is given, that is what its first attempt comes to, and botocore
        decides whether there is a second one, when, and which error is raised in the end. `segment` is what the
        request's path ends with as its own; a request that is like no other of its kind has None, and is not seen.
        """
        if first is not None:
            self._unreported = QUOTA
        _first.set(first)
        _seen_at.set(segment)
        try:
            return await self._client._make_api_call(action, asked)  # noqa: SLF001
        finally:
            _first.set(None)
            _seen_at.set(None)

    async def parse(self, action: str, held: AioAWSResponse) -> dict[str, Any]:
        """An answer as botocore reads it, without asking whether to try again."""
        from aiobotocore.endpoint import convert_to_response_dict

        operation = self._client.meta.service_model.operation_model(action)
        response = await convert_to_response_dict(held, operation)
        endpoint = self._client._endpoint  # noqa: SLF001
        parser = endpoint._response_parser_factory.create_parser(operation.service_model.resolved_protocol)  # noqa: SLF001
        parsed: dict[str, Any] = await parser.parse(response, operation.output_shape)
        if held.status_code >= 300:
            await endpoint._add_modeled_error_fields(response, parsed, operation, parser)  # noqa: SLF001
        parsed["ResponseMetadata"]["RetryAttempts"] = 0
        return parsed

    async def refusal(self, action: str, held: AioAWSResponse) -> ClientError:
        """The exception that botocore makes of an error answer, without asking whether to try again."""
        parsed = await self.parse(action, held)
        retries = self._client.meta.config.retries or {}
        if retries.get("total_max_attempts") == 1 and retries.get("mode") != "legacy":
            parsed["ResponseMetadata"]["MaxAttemptsReached"] = True
        kind = self._client.exceptions.from_code(parsed["Error"]["Code"])
        error: ClientError = kind(parsed, action)
        return error

    @property
    def owes_successes(self) -> bool:
        """Whether successes are to be reported: after a failure, as tokens of botocore's retry quota may be missing."""
        return self._unreported > 0

    async def succeeded(self, action: str) -> None:
        """Report a success, which gives botocore's retry quota a token back."""
        from aiobotocore.awsrequest import AioAWSResponse
        from botocore.compat import HTTPHeaders

        self._unreported -= 1
        await self._client.meta.events.emit(
            f"after-call.{self._service}.{action}",
            http_response=AioAWSResponse("", 200, HTTPHeaders(), None),
            parsed={},
            model=self._client.meta.service_model.operation_model(action),
            context={},
        )

    async def _before_send(self, request: Any, event_name: str, **_others: Any) -> AioAWSResponse | None:
        """Where botocore is about to send: an answer from here counts as the server's, an error as the connection's."""
        first = _first.get()
        _first.set(None)
        match first:
            case None:
                try:
                    await self._client._endpoint.http_session._get_session(None)  # noqa: SLF001  # makes its TLS context
                except OSError:  # a bundle of certificates that cannot be read: botocore says so when it sends
                    return None
                if (segment := _seen_at.get()) is not None:
                    self._see(event_name.rpartition(".")[2], request, segment)
                return None
            case Exception():
                request.stream_output = False
                answer: Any = await _repeated(first).send(request)
                return answer  # type: ignore[no-any-return]  # the stubs know requests' own answers
            case _:
                return first


def _repeated(error: Exception) -> Any:
    """A session that fails again as a request just failed: aiobotocore says which of aiohttp's errors is which of botocore's."""
    from aiobotocore.httpsession import AIOHTTPSession

    async def fail(_proxy_url: str | None) -> Any:
        raise error

    session: Any = AIOHTTPSession()
    session._get_session = fail  # noqa: SLF001
    return session


def refuses_entries(answer: Mapping[str, Any]) -> bool:
    """Whether a call succeeded in which entries were refused, perhaps all of them: PutEvents, and SQS's batches."""
    return bool(answer.get("FailedEntryCount") or answer.get("Failed"))


def warn_aside(service: str, reason: str) -> None:
    log.warning("aws_calls_stepped_aside", service=service, reason=reason)


def as_botocore(url: str, status: int, head: bytes, content: bytes, *, raw: object = None) -> AioAWSResponse:
    """An answer as aiobotocore holds it; `raw` is what a body that is a stream is read from."""
    from aiobotocore.awsrequest import AioAWSResponse
    from botocore.compat import HTTPHeaders

    headers = HTTPHeaders()
    for line in head.decode("latin-1").split("\r\n")[1:]:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    held: Any = AioAWSResponse(url, status, headers, raw)
    held._content = content  # noqa: SLF001
    return held  # type: ignore[no-any-return]  # of the type that is made above


def header(head: bytes, name: bytes) -> str | None:
    """The value of one header, by its name in small letters."""
    place = head.lower().find(b"\r\n" + name + b":")
    if place < 0:
        return None
    return head[place + len(name) + 3 :].partition(b"\r\n")[0].decode("latin-1").strip()
