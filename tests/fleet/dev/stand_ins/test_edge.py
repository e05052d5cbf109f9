"""The upload worker's own functions behind the gateway's routes, over a real WebSocket."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from fleet.dev.stand_ins.edge import Edge
from fleet.dev.stand_ins.expo_server import ExpoServer
from fleet.dev.stand_ins.server import application
from fleet.dev.stand_ins.ses_server import SesServer
from fleet.dev.stand_ins.webhook_receiver import WebhookReceiver
from fleet.dev.stand_ins.websocket_gateway import WebSocketGateway
from tests.aws import Aws
from tests.waiting import until
from workers.upload_notification.client import Sessions, State, open_sessions


class Browser:
    """What a browser calls."""

    def __init__(self, url: str, http: aiohttp.ClientSession, sessions: Sessions) -> None:
        self.url, self.http, self.sessions = url, http, sessions

    async def call(self, method: str, path: str, document: Any = None, *, secret: str = "") -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        url = f"{self.url}/gateway{path}"
        async with self.http.request(method, url, json=document, headers=headers) as answer:
            return answer.status, await answer.json()

    def socket(self, **query: str) -> Any:
        return self.http.ws_connect(f"{self.url}/gateway/ws", params=query)


@pytest.fixture
async def browser(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Browser]:
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    named = {"SESSIONS_TABLE_NAME": aws.table_like("sessions"), "UPLOAD_BUCKET_NAME": "fleet-uploads-dev"}
    async with open_sessions({**aws.environment, **named}) as sessions, aiohttp.ClientSession() as http:
        gateway = WebSocketGateway(Edge(sessions))
        runner = web.AppRunner(
            application(ExpoServer(), SesServer(), WebhookReceiver("whsec_eA=="), gateway), shutdown_timeout=0.1
        )
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield Browser(f"http://127.0.0.1:{runner.addresses[0][1]}", http, sessions)
        await runner.cleanup()


async def test_a_browser_opens_a_session_connects_once_asks_and_leaves(browser: Browser) -> None:
    status, opened = await browser.call("POST", "/sessions", {"allowedTypes": ["image/*"], "name": "a.png"})
    assert (status, "form" in opened) == (201, True)
    session = opened["sessionId"]
    async with browser.socket(sessionId=session, token=opened["token"]) as socket:
        assert (await browser.sessions.show(session)).is_connected
        await socket.send_str(json.dumps({"action": "resume", "lastSequencer": ""}))
        assert json.loads(await socket.receive_str())["type"] == "session.unchanged"
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await browser.socket(sessionId=session, token=opened["token"])

    async def alone() -> State | None:
        state = await browser.sessions.show(session)
        return None if state.is_connected else state

    left: State = await until(alone)
    assert not left.is_connected
    status, state = await browser.call("GET", f"/sessions/{session}", secret=opened["secret"])
    assert (status, state["status"]) == (200, "AWAITING_SCAN")
    assert (await browser.call("GET", f"/sessions/{session}", secret="guessed"))[0] == 404
    status, token = await browser.call("POST", f"/sessions/{session}/tokens", secret=opened["secret"])
    assert status == 201
    async with browser.socket(sessionId=session, token=token["token"]):
        assert (await browser.sessions.show(session)).is_connected


async def test_a_body_that_is_no_text_is_answered_by_the_edge(browser: Browser) -> None:
    for data, kind in ((b"\xff\xfe", "application/json"), (b"x", "text/plain; charset=nope")):
        sent = browser.http.post(f"{browser.url}/gateway/sessions", data=data, headers={"Content-Type": kind})
        async with sent as answer:
            assert (answer.status, (await answer.json())["field"]) == (400, "body")


async def test_only_a_session_without_a_secret_is_joined_without_a_token(browser: Browser, aws: Aws) -> None:
    _, opened = await browser.call("POST", "/sessions", {})
    for session in (opened["sessionId"], "nobody"):
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await browser.socket(sessionId=session)
    row = {"sessionId": {"S": "by-hand"}, "status": {"S": "AWAITING_SCAN"}}
    aws.dynamodb.put_item(TableName=browser.sessions.table, Item=row)
    async with browser.socket(sessionId="by-hand"):
        assert (await browser.sessions.show("by-hand")).is_connected
