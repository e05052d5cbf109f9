"""Connections that bring no cookie, and one that did: who is waited for, and for how long."""

import asyncio
import contextlib
import re

import pytest

from tests.fleet.console.fakes import Bench


async def test_connections_that_say_nothing_keep_nobody_out_and_are_ended(
    desk: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet.console.guard.MOST_WAITING", 3)
    host, _, port = desk.browser.address.partition(":")
    stalled = [await asyncio.open_connection(host, int(port)) for _ in range(8)]
    for reader, _ in stalled[:5]:
        await _cut(reader)
    assert (await desk.browser.get("/plans"))[0] == 200
    monkeypatch.setattr("fleet.console.guard.TO_ENTER", 0.01)
    late, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET / HTTP/1.1\r\nHost: {desk.browser.address}\r\nX-Slow: ".encode())
    await _cut(late)
    for _, each in (*stalled, (late, writer)):
        each.close()


async def _cut(reader: asyncio.StreamReader) -> None:
    async with asyncio.timeout(10):
        with contextlib.suppress(ConnectionError):
            await reader.read()


async def test_a_session_stays_connected_however_long_it_is_quiet(desk: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleet.console.guard.TO_ENTER", 0.05)
    host, _, port = desk.browser.address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    door = desk.console.door
    asked = (
        f"GET /plans HTTP/1.1\r\nHost: {desk.browser.address}\r\nCookie: {door.cookie}={door.session}\r\n\r\n".encode()
    )
    for _ in range(2):
        writer.write(asked)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        await reader.readexactly(int(re.findall(rb"Content-Length: (\d+)", head)[0]))
        assert door.lobby.count == 0
    writer.close()
