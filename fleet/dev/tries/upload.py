"""An upload: a session is opened, a browser waits, a file is posted by the form, and the browser is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from fleet.dev.stand_ins.edge import UPLOAD
from fleet.dev.stand_ins.server import GATEWAY
from fleet.dev.tries.ground import NoEffect, Tried
from workers.upload_notification.client import Form, Opening, Sessions, State, open_sessions

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(64)


async def upload(tried: Tried, file: Path | None) -> AsyncIterator[str]:
    """Of `file`, or of a small picture into a session that takes pictures alone. Raises NoEffect and OSError."""
    content = await asyncio.to_thread(file.read_bytes) if file else PNG
    name = file.name if file else "a picture.png"
    async with open_sessions(tried.environment) as sessions:
        opened = await sessions.open(Opening("try", allowed_types=() if file else ("image/*",)))
        yield f"session {opened.session_id} is open"
        token = await sessions.token(opened.session_id, secret=opened.secret)
        address = f"{tried.url}{GATEWAY}/ws"
        async with tried.http.ws_connect(address, params={"sessionId": opened.session_id, "token": token}) as browser:
            yield "a browser waits at its WebSocket, let in by a token that admits once"
            form = await sessions.form(opened.session_id, name, content_type="" if file else "image/png")
            await _post(tried, form, name, content)
            yield f"{name} ({len(content):,} bytes) is posted to {form.key}, by a presigned form"
            told = await _told(tried, sessions, opened.session_id)
            yield f"the session is {told.status}{_why(told)}"
            message = await tried.until(
                lambda: _message(browser), what="the browser's message", worker="upload-notification"
            )
            yield f"the browser is told: {message['type']}, {message['status']}, {message['size']:,} bytes"


async def _post(tried: Tried, form: Form, name: str, content: bytes) -> None:
    """To the stand-in that takes forms: the emulator takes none."""
    parts = aiohttp.FormData()
    for field, value in form.fields.items():
        parts.add_field(field, value)
    parts.add_field("file", content, filename=name)
    async with tried.http.post(f"{tried.url}{GATEWAY}{UPLOAD}", data=parts) as answer:
        if answer.status >= 300:
            raise NoEffect(f"the form was answered {answer.status}: {(await answer.text())[:200]}")


async def _told(tried: Tried, sessions: Sessions, session_id: str) -> State:
    async def look() -> State | None:
        shown = await sessions.show(session_id)
        return shown if shown.is_told else None

    return await tried.until(look, what="the session's verdict", worker="upload-notification")


async def _message(browser: aiohttp.ClientWebSocketResponse) -> Any:
    return await browser.receive_json()


def _why(state: State) -> str:
    reason = state.document.get("reason")
    return f": {reason}" if reason else ""
