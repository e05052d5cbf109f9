"""Answers in a form that the fast reading does not know, read by aiohttp, which reads botocore's own."""

from __future__ import annotations

import asyncio

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError

SWITCHED = 101
"""The one status below 200 after which no other answer comes."""


def take_over(transport: asyncio.Transport, begun: bytes, *, silence: float) -> ResponseHandler:
    """Have aiohttp read this connection from here on, set up as aiobotocore sets it up; `begun` has come already."""
    handler = ResponseHandler(asyncio.get_running_loop())
    handler.connection_made(transport)
    handler.set_response_params(read_until_eof=True, auto_decompress=False, read_timeout=silence)
    transport.set_protocol(handler)
    handler.data_received(begun)
    return handler


async def read(handler: ResponseHandler) -> tuple[int, bytes, bytes]:
    """Status, head and body. Raises the error of aiohttp's that says why it cannot be read either."""
    try:
        message, payload = await handler.read()
        while message.code < 200 and message.code != SWITCHED:  # tidings before the answer
            message, payload = await handler.read()
    except HttpProcessingError as error:
        raise aiohttp.ClientError(f"{error.code}, {error.message}") from error
    lines = [b"HTTP/1.1 %d" % message.code, *(name + b": " + value for name, value in message.raw_headers)]
    return message.code, b"\r\n".join(lines), await payload.read()
