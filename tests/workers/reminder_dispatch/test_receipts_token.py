"""Receipts are asked for with the token that Expo takes now."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from shared import Secret
from workers.reminder_dispatch.channels.push.expo import open_session
from workers.reminder_dispatch.receipts.expo import ExpoReceipts
from workers.reminder_dispatch.receipts.receipt import Receipt, Unanswered


@asynccontextmanager
async def expo(takes: str, shown: list[str | None]) -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.Response:
        shown.append(request.headers.get("Authorization"))
        if shown[-1] != f"Bearer {takes}":
            return web.json_response({"errors": [{"code": "UNAUTHORIZED"}]}, status=401)
        found: dict[str, Any] = {name: {"status": "ok"} for name in (await request.json())["ids"]}
        return web.json_response({"data": found})

    application = web.Application()
    application.router.add_post("/push/getReceipts", answer)
    runner = web.AppRunner(application, shutdown_timeout=0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}/push/send"
    finally:
        await runner.cleanup()


async def read() -> tuple[str, ...]:
    return "new", "old"


async def test_a_refused_token_is_read_again_before_a_receipt_counts_as_unanswered() -> None:
    shown: list[str | None] = []
    async with expo("new", shown) as url, open_session() as session:
        ask = ExpoReceipts(session, url=url, access_token=Secret("EXPO_ACCESS_TOKEN", ("old",), read=read))
        assert await ask(["t1"]) == {"t1": Receipt()}
        assert await ask(["t2"]) == {"t2": Receipt()}
    assert shown == ["Bearer old", "Bearer new", "Bearer new"]


async def test_where_no_version_is_taken_nothing_is_answered() -> None:
    shown: list[str | None] = []
    async with expo("another", shown) as url, open_session() as session:
        with pytest.raises(Unanswered, match="Expo: 401"):
            await ExpoReceipts(session, url=url)(["t1"])
    assert shown == [None]


async def test_a_token_that_no_header_can_hold_is_as_a_refused_one() -> None:
    shown: list[str | None] = []
    async with expo("good", shown) as url, open_session() as session:
        ask = ExpoReceipts(session, url=url, access_token=Secret("EXPO_ACCESS_TOKEN", ("to\nken", "good")))
        assert await ask(["t1"]) == {"t1": Receipt()}
        with pytest.raises(Unanswered, match="Expo: 401"):
            await ExpoReceipts(session, url=url, access_token=Secret("EXPO_ACCESS_TOKEN", ("to\nken",)))(["t1"])
    assert shown == ["Bearer good"]
