"""A service that gives the same odd answer to whatever it is asked, at the level of bytes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aioboto3
from aiobotocore.config import AioConfig

from shared.aws.answers.check import check_answers
from shared.aws.sessions import Checked
from tests.shared.aws.contract.answers import Odd


class Stub:
    """Counts what it is asked; `now` is the answer to all of it, but whoever goes where he is sent finds the usual one there."""

    def __init__(self, usual: Odd) -> None:
        self.usual = self.now = usual
        self.asked = 0
        self.head = b""
        """Of the last request."""
        self.held = b"\0"
        """What is in the head of those requests that are never answered."""
        self.url = ""
        self.serving: dict[Any, bool] = {}
        """Connections, and whether each is about to end."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self.serving[task] = False
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
                if b"\r\nexpect: 100-continue" in head.lower():
                    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                await reader.readexactly(int(length or 0))
                self.asked += 1
                self.head = head
                if self.held in head:
                    await reader.read()
                    break
                odd = self.usual if b" /elsewhere " in head else self.now
                self.serving[task] = odd.ends or odd.half
                await _answer(odd, writer)
                if odd.half:
                    await reader.read()
                if odd.ends or odd.half:
                    break
        writer.close()
        del self.serving[task]

    async def quiet(self) -> None:
        """Once all connections that this side has ended are ended on the other."""
        if ending := [task for task, is_ending in self.serving.items() if is_ending]:
            await asyncio.wait(ending)
        for _ in range(5):  # turns of the loop in which the clients see it: over loopback the end is there at once
            await asyncio.sleep(0)


async def _answer(odd: Odd, writer: asyncio.StreamWriter) -> None:
    size = max(1, -(-len(odd.raw) // odd.pieces))
    for place in range(0, len(odd.raw), size):
        writer.write(odd.raw[place : place + size])
        await asyncio.sleep(0)
    if odd.half:
        writer.write_eof()


@asynccontextmanager
async def stub(usual: Odd) -> AsyncIterator[Stub]:
    serving = Stub(usual)
    server = await asyncio.start_server(serving.serve, "127.0.0.1", 0)
    serving.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield serving
    finally:
        server.close()
        if serving.serving:  # their clients are closed: they end by themselves
            await asyncio.wait([*serving.serving])


@asynccontextmanager
async def opened(service: Any, url: str, *, attempts: int = 1) -> AsyncIterator[Any]:
    """An aioboto3 client set up as the runtime sets its own up."""
    session = aioboto3.Session(aws_access_key_id="a", aws_secret_access_key="b", region_name="eu-west-1")
    config = AioConfig(retries={"mode": "standard", "total_max_attempts": attempts}, http_session_cls=Checked)
    async with session.client(service, endpoint_url=url, config=config) as client:
        check_answers(client)
        yield client
