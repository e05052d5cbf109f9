"""A client whose frequent calls skip botocore while all goes well, and are botocore's own as soon as it does not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from zlib import crc32

import orjson

from shared.aws.answers.expected import is_page
from shared.aws.connections import Answer, Connections, NotConnected, failures
from shared.aws.fallback import (
    Cut,
    Fallback,
    as_botocore,
    header,
    kind_of,
    refuses_entries,
    warn_aside,
)
from shared.aws.operation import FAST, Operation
from shared.aws.pattern import Pattern, pattern_of
from shared.aws.signer import Keys
from shared.outcome import is_outage

ORDINARY_REFUSALS = frozenset({"ConditionalCheckFailedException", "TransactionCanceledException"})
"""Error answers that are part of a day's work: raised at once, as botocore would, which never repeats them."""


class FastClient:
    """Stands where an aiobotocore client of a JSON service stands: what is not named in FAST is that client's own.

    The first call of each kind is botocore's. Its request is kept as a pattern: endpoint, headers, region and name to
    sign for are whatever botocore made of the configuration. Later calls fill in a body, sign it with the client's
    credentials, which botocore refreshes, and send it over kept connections. Their answers have no ResponseMetadata.

    What does not come back as an answer of the expected shape is handed to botocore as the answer to *its* first
    attempt, so that retries, pauses and errors are botocore's. Where botocore can read what is not understood here, all
    later calls are botocore's, and one warning says so. One instance for one client, for as long as that is open.
    `answered` is told the kind of each call that succeeded, `cut` of each that was cancelled, `tell` the request id of each fast answer, while its call is still under way.
    """

    def __init__(
        self,
        client: Any,
        *,
        look: Callable[[], Awaitable[None]] | None = None,
        answered: Callable[[str], None] | None = None,
        cut: Cut | None = None,
        tell: Callable[[str | None], None] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._look = look
        self._answered = answered
        self._cut = cut
        self._tell = tell
        self._fallback = Fallback(client, see=self._learn)
        self._now = now
        self._operations: dict[str, Operation] = {}
        self._patterns: dict[str, Pattern | None] = {}
        self._kept: dict[tuple[str, bool], Connections] = {}
        self._paginators: dict[str, Any] = {}
        self._is_aside = False
        self._fast = FAST.get(client.meta.service_model.service_name, {})

    def __getattr__(self, name: str) -> Any:
        if name not in self._fast:
            return getattr(self._client, name)
        self._operations[name] = Operation(self._client.meta.service_model.operation_model(self._fast[name]))
        call = partial(self._call, self._operations[name])
        setattr(self, name, call)  # found at once from now on
        return call

    def get_paginator(self, name: str) -> Any:
        """Botocore's paginator; its pages come by fast calls where there are such."""
        if name not in self._paginators:
            self._paginators[name] = self._client.get_paginator(name)
            self._paginators[name]._method = getattr(self, name)  # noqa: SLF001
        return self._paginators[name]

    async def _call(self, operation: Operation, **asked: Any) -> Any:
        asked = operation.complete(asked)
        action = operation.name
        parts = None if self._is_aside else operation.parts(asked)
        pattern = self._patterns.get(action)
        if parts is not None and pattern is None:
            return await self._fallback.call(action, asked, segment=parts.segment)
        if parts is None or pattern is None or (keys := await self._keys()) is None:
            return await self._fallback.call(action, asked)
        request = pattern.whole(parts, keys, now=self._now())
        began = time.monotonic()
        try:
            answer = await self._kept[pattern.url, operation.waits].exchange(request)
        except asyncio.CancelledError:
            if self._cut is not None:
                self._cut(after=time.monotonic() - began, call=kind_of(action, asked))
            raise
        except NotConnected:
            return await self._fallback.call(action, asked)
        except failures() as error:
            return await self._fallback.call(action, asked, error)
        if (found := read(operation, answer)) is None:
            return await self._judge(operation, asked, pattern.url, answer)
        if self._fallback.owes_successes:
            await self._fallback.succeeded(action)
        self._report(action, asked, found, answer.head)
        return found

    async def _keys(self) -> Keys | None:
        if self._look is not None:
            await self._look()
        return await self._fallback.keys()

    def _report(self, action: str, asked: dict[str, Any], found: dict[str, Any], head: bytes) -> None:
        if self._answered is not None and not refuses_entries(found):
            self._answered(kind_of(action, asked))
        if self._tell is not None:
            self._tell(header(head, b"x-amzn-requestid"))

    async def go_on(self, name: str, asked: dict[str, Any], url: str, came: Answer | Exception) -> Any:
        """The end of a call of the method `name` that was made elsewhere as fast calls are, and came to no ordinary answer."""
        getattr(self, name)  # makes the operation ready
        operation = self._operations[name]
        if isinstance(came, Exception):
            return await self._fallback.call(operation.name, asked, came)
        return await self._judge(operation, asked, url, came)

    async def _judge(self, operation: Operation, asked: dict[str, Any], url: str, received: Answer) -> Any:
        """What is not an answer of the expected shape."""
        action = operation.name
        status, head, content, is_usual = received
        is_whole = is_usual and has_its_checksum(head, content)
        held = as_botocore(url, status, head, content)
        if status == 400 and is_whole and _code(content) in ORDINARY_REFUSALS:
            refusal = await self._fallback.refusal(action, held)
            if not is_outage(refusal):  # else it is botocore's, and the breaker hears of it
                if self._answered is not None:
                    self._answered(kind_of(action, asked))
                raise refusal
        answer = await self._fallback.call(action, asked, held)
        if (
            status < 300
            and (is_whole or not is_usual)
            and content
            and operation.expected.is_met(status, held.headers, content)
        ):
            self._step_aside("an answer of another form" if is_usual else "an answer that is not of the usual HTTP")
        return answer

    def _learn(self, action: str, request: Any, segment: str) -> None:
        if action in self._patterns:
            return
        target = self._fallback.target(request.url)
        pattern = self._patterns[action] = pattern_of(request, segment) if target is not None else None
        if target is None or pattern is None:
            self._step_aside("requests of another form, or a proxy")
            return
        for waits in (False, True):
            if (pattern.url, waits) not in self._kept:
                self._kept[pattern.url, waits] = Connections(target.held() if waits else target.short())
                self._fallback.close_with(self._kept[pattern.url, waits].close)

    def _step_aside(self, reason: str) -> None:
        if not self._is_aside:
            self._is_aside = True
            warn_aside(self._client.meta.service_model.service_name, reason)


def read(operation: Operation, received: Answer) -> dict[str, Any] | None:
    """The answer as botocore would read it. None where it is not a whole and usual one of the expected shape."""
    status, head, content, is_usual = received
    if status != 200 or not is_usual:
        return None
    lower = head.lower()
    if b"x-amz-crc32" in lower and not has_its_checksum(head, content):
        return None
    if b"text/html" in lower and is_page(header(head, b"content-type")):
        return None
    return operation.answer(content)


def has_its_checksum(head: bytes, content: bytes) -> bool:
    """Whether an answer is what its CRC32 says, which DynamoDB sends."""
    expected = header(head, b"x-amz-crc32")
    return expected is None or expected == str(crc32(content))


def _code(content: bytes) -> str:
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError:
        return ""
    return str(found.get("__type", "")).rpartition("#")[2] if isinstance(found, dict) else ""
