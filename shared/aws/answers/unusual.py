"""What aiohttp reads and tells as it does for aiobotocore. Loaded where something is not usual: its import takes long."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError

from shared.aws.answers.head import Unread

SWITCHED = 101
"""The one status below 200 after which no other answer comes."""


def failure(kind: str, *about: Any) -> Exception:
    """Aiohttp's error of this name."""
    made: Exception = getattr(aiohttp, kind)(*about)
    return made


def take_over(
    transport: asyncio.Transport, begun: bytes, *, silence: float, is_bodiless: bool = False
) -> ResponseHandler:
    """Have aiohttp read this connection from here on, set up as aiobotocore sets it up; `begun` has come already."""
    handler = ResponseHandler(asyncio.get_running_loop())
    handler.connection_made(transport)
    handler.set_response_params(
        skip_payload=is_bodiless, read_until_eof=True, auto_decompress=False, read_timeout=silence
    )
    transport.set_protocol(handler)
    handler.data_received(begun)
    return handler


async def read_on(handler: ResponseHandler, *, is_limited: bool = False) -> tuple[int, bytes, bytes]:
    """Status, head and body. Raises Unread where the body of a success is limited, or the error of aiohttp's that says why it cannot be read either."""
    try:
        message, payload = await handler.read()
        while message.code < 200 and message.code != SWITCHED:  # informational: the answer is still to come
            message, payload = await handler.read()
    except HttpProcessingError as error:
        raise aiohttp.ClientError(f"{error.code}, {error.message}") from error
    if is_limited and message.code < 300:
        handler.close()
        raise Unread
    lines = [b"HTTP/1.1 %d" % message.code, *(name + b": " + value for name, value in message.raw_headers)]
    return message.code, b"\r\n".join(lines), await payload.read()
