"""A client that is there before botocore is: its fast calls are made at once, and whatever else is asked of it loads botocore."""

from __future__ import annotations

import asyncio
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from shared.aws.connections import Answer, Connections, NotConnected, Target, failures
from shared.aws.fallback import Cut, kind_of, refuses_entries, waited
from shared.aws.fast_client import FastClient, read
from shared.aws.operation import FAST, Operation
from shared.aws.pattern import Pattern, made
from shared.aws.start import models
from shared.aws.start.environment import Keys, plain

AGENT = f"sqs-worker-fleet lang/python#{sys.version_info.major}.{sys.version_info.minor}"


def first_pattern(call: models.Call, url: str, *, region: str) -> Pattern:
    """The pattern of a call's requests, as it would be learned from botocore's first one but for the user agent, which is not signed.
    `url` is the endpoint, with a slash at its end.
    """
    signed = {name.lower(): value for name, value in call.headers.items()}
    service = call.service_model.signing_name
    return made(url + call.path, signed, signed | {"user-agent": AGENT}, region=region, service=service)


class EarlyClient:
    """Stands where a client stands, until something comes that is not an ordinary answer: then `open_whole` makes the client that
    botocore is part of, which takes that answer for the one to its first attempt, and all later calls. `url` ends with a slash.
    """

    def __init__(
        self,
        service: str,
        url: str,
        keys: Keys,
        *,
        region: str,
        target: Callable[[str], Target],
        open_whole: Callable[[], Awaitable[Any]],
        answered: Callable[[str], None] | None = None,
        cut: Cut | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._service = service
        self._url, self._keys, self._region = url, keys, region
        self._target = target
        self._open_whole = open_whole
        self._answered, self._cut, self._now = answered, cut, now
        self._fast = FAST.get(service, {})
        self._whole: Any = None
        self._opening = asyncio.Lock()
        self._kept: dict[bool, Connections] = {}
        self.exceptions = Exceptions(lambda: self._whole)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "meta":
            raise AttributeError(f"{name}: a client that botocore is not part of yet has calls and exceptions only")
        if name not in self._fast:
            return partial(self._late, name)
        model: Any = models.service(self._service).operation_model(self._fast[name])
        operation = Operation(model)
        pattern = first_pattern(model, self._url, region=self._region)
        call = partial(self._call, name, operation, pattern)
        setattr(self, name, call)  # found at once from now on
        return call

    def get_paginator(self, name: str) -> Pages:
        """Botocore's, made when its first page is asked for."""
        return Pages(self.whole, name)

    async def whole(self) -> Any:
        """The client that botocore is part of. Other work goes on while botocore is read."""
        async with self._opening:
            if self._whole is None:
                self._whole = await self._open_whole()
        return self._whole

    async def close(self) -> None:
        """Close the connections of this client; the whole one closes its own."""
        for each in self._kept.values():
            await each.close()

    async def _late(self, name: str, /, *given: Any, **asked: Any) -> Any:
        found = getattr(await self._whole_for(name, asked), name)(*given, **asked)
        return await found

    async def _whole_for(self, name: str, asked: dict[str, Any]) -> Any:
        """To read botocore takes a busy process seconds: a message whose time ends meanwhile is not at fault."""
        if self._whole is not None or self._cut is None:
            return await self.whole()
        operation = "".join(map(str.capitalize, name.split("_")))
        return await waited(self.whole(), self._cut, kind_of(operation, asked))

    async def _call(self, name: str, operation: Operation, pattern: Pattern, **asked: Any) -> Any:
        asked = operation.complete(asked)
        if self._whole is not None or (parts := operation.parts(asked)) is None:
            return await self._late(name, **asked)
        request = pattern.whole(parts, self._keys, now=self._now())
        exchange = self._connections(operation).exchange(request)
        try:
            answer = await (
                exchange if self._cut is None else waited(exchange, self._cut, kind_of(operation.name, asked))
            )
        except NotConnected:
            return await self._late(name, **asked)
        except failures() as error:
            return await self._go_on(name, asked, error)
        if (found := read(operation, answer)) is None:
            return await self._go_on(name, asked, answer)
        if self._answered is not None and not refuses_entries(found):
            self._answered(kind_of(operation.name, asked))
        return found

    async def _go_on(self, name: str, asked: dict[str, Any], came: Answer | Exception) -> Any:
        whole: FastClient = await self._whole_for(name, asked)
        return await whole.go_on(name, asked, self._url, came)

    def _connections(self, operation: Operation) -> Connections:
        if operation.waits not in self._kept:
            target = self._target(self._url)
            self._kept[operation.waits] = Connections(target.held() if operation.waits else target.short())
        return self._kept[operation.waits]


class Exceptions:
    """The whole client's exception classes. Before there is one, classes that nothing raises: a call that fails makes it first."""

    def __init__(self, whole: Callable[[], Any]) -> None:
        self._whole = whole

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        whole = self._whole()
        return type(name, (Exception,), {}) if whole is None else getattr(whole.exceptions, name)


class Pages:
    """Stands where a paginator stands."""

    def __init__(self, whole: Callable[[], Awaitable[Any]], name: str) -> None:
        self._whole = whole
        self._name = name

    async def paginate(self, **asked: Any) -> AsyncIterator[Any]:
        paginator = (await self._whole()).get_paginator(self._name)
        async for page in paginator.paginate(**asked):
            yield page


def early_client(
    service: str, environment: Mapping[str, str], endpoint_url: str | None, **how: Any
) -> EarlyClient | None:
    """A client for this service, in a process with that environment; `how` as EarlyClient has it. None where only botocore can tell."""
    found = plain(environment)
    url = None if found is None else found.url(service, endpoint_url)
    if found is None or url is None:
        return None
    return EarlyClient(service, url, found.keys, region=found.region, **how)


def target(url: str, *, times: tuple[float, float], most: int) -> Target:
    """Where connections to this URL go; `times` in seconds: to connect, and of silence."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    is_secure = parts.scheme == "https"
    port = parts.port or (443 if is_secure else 80)
    connect, silence = times
    tls = certificates() if is_secure else None
    return Target(parts.hostname, port, tls, connect=connect, silence=silence, most=most)


@cache
def certificates() -> ssl.SSLContext:
    """TLS as botocore's HTTP client has it, with its certificates. One for all clients: to read them takes long."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_TICKET
    context.post_handshake_auth = True
    spec = find_spec("certifi") or find_spec("botocore")
    assert spec is not None
    assert spec.origin is not None
    context.load_verify_locations(str(Path(spec.origin).with_name("cacert.pem")))
    return context
