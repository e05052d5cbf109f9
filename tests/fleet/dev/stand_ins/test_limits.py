"""What strangers can make a stand-in keep, and which pages may speak to it."""

import asyncio
import base64
import gc
import hashlib
import hmac
import io
import json
import time
from collections.abc import AsyncIterator, Mapping

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from fleet.dev.stand_ins.expo_server import ExpoServer
from fleet.dev.stand_ins.pages import is_own_name
from fleet.dev.stand_ins.remembered import LARGEST_BODY, OWN_SIZE, Remembered
from fleet.dev.stand_ins.server import application
from fleet.dev.stand_ins.ses_server import SesServer
from fleet.dev.stand_ins.webhook_receiver import WebhookReceiver
from fleet.dev.stand_ins.websocket_gateway import MOST_BROWSERS, WebSocketGateway

KEY = b"a secret of thirty-two bytes, no"
SEND = "/expo/--/api/v2/push/send"


class Anybody:
    """Every browser is let in, and says nothing."""

    async def connect(self, query: Mapping[str, str], connection_id: str) -> bool:
        return True

    async def disconnect(self, session_id: str, connection_id: str) -> None:
        """Nobody remembers it."""

    async def says(self, session_id: str, connection_id: str, text: str) -> str:
        return ""

    def add_to(self, application: web.Application) -> None:
        """No HTTP calls."""


class Served:
    """All stand-ins on a port of their own, and a client."""

    def __init__(self) -> None:
        self.expo, self.gateway = ExpoServer(), WebSocketGateway(Anybody())
        self.webhooks = WebhookReceiver("whsec_" + base64.b64encode(KEY).decode(), slow_seconds=60)
        self.client = aiohttp.ClientSession()
        self.url = ""

    async def post(self, path: str, body: bytes, headers: dict[str, str] | None = None) -> int:
        async with self.client.post(self.url + path, data=io.BytesIO(body), headers=headers) as answer:
            return answer.status


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    there = Served()
    runner = web.AppRunner(application(there.expo, SesServer(), there.webhooks, there.gateway), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    there.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with there.client:
        yield there
    await runner.cleanup()


def signed(body: bytes) -> dict[str, str]:
    at = str(int(time.time()))
    digest = hmac.digest(KEY, b".".join((b"evt_1", at.encode(), body)), hashlib.sha256)
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return {"webhook-id": "evt_1", "webhook-timestamp": at, "webhook-signature": signature}


async def test_of_an_unsigned_webhook_only_that_it_came_is_kept(served: Served) -> None:
    large = b'{"x":[' + b",".join([b"[]"] * 300_000) + b"]}"
    for _ in range(25):
        assert await served.post("/webhooks/ok", large) == 401
    assert [receipt.payload for receipt in served.webhooks.received] == [None] * 25
    assert sum(receipt.size for receipt in served.webhooks.received) < 1_000


async def test_a_slow_endpoint_does_not_hold_what_is_unsigned(served: Served) -> None:
    async with served.client.post(f"{served.url}/webhooks/slow", timeout=aiohttp.ClientTimeout(total=5)) as answer:
        assert answer.status == 401


@pytest.mark.parametrize("path", ["/webhooks/ok", SEND, "/gateway/@connections/any"])
async def test_a_body_above_the_limit_is_refused(served: Served, path: str) -> None:
    assert await served.post(path, b"x" * (LARGEST_BODY + 1)) == 413


async def test_of_a_body_above_the_limit_nothing_is_kept_while_its_rest_is_awaited(served: Served) -> None:
    place = URL(served.url)
    reader, writer = await asyncio.open_connection(place.host, place.port)
    head = f"POST /webhooks/ok HTTP/1.1\r\nHost: {place.authority}\r\nContent-Length: {LARGEST_BODY * 2}\r\n\r\n"
    writer.write(head.encode() + b"x" * (LARGEST_BODY + 1))
    assert b"413" in await reader.readline()
    gc.collect()
    kept = [each for each in gc.get_objects() if isinstance(each, web.HTTPRequestEntityTooLarge)]
    writer.close()
    assert kept == []


async def test_a_signed_webhook_is_kept_as_the_text_it_came_in(served: Served) -> None:
    body = b'{"x": [1.0, "\\u00fc"]}'
    assert await served.post("/webhooks/ok", body, signed(body)) == 200
    assert [receipt.payload for receipt in served.webhooks.received] == [body]
    async with served.client.get(f"{served.url}/webhooks/received") as answer:
        assert (await answer.json())["received"][0]["payload"] == {"x": [1.0, "ü"]}


async def test_a_push_that_is_too_big_is_remembered_without_its_message(served: Served) -> None:
    assert await served.post(SEND, json.dumps({"to": "a", "body": "x" * 1_000_000}).encode()) == 200
    assert [push.message for push in served.expo.received] == [b""]


def test_memory_forgets_the_oldest_by_number_and_by_bytes() -> None:
    by_number, by_bytes = Remembered[int](most=3), Remembered[int](most_bytes=3 * (OWN_SIZE + 10))
    for number in range(10):
        by_number.add(number, 0)
        by_bytes.add(number, 10)
    assert [*by_number] == [*by_bytes] == [7, 8, 9]
    by_bytes.add(10, 4 * OWN_SIZE)
    assert [*by_bytes] == []


async def test_browsers_are_counted(served: Served) -> None:
    async with served.client.ws_connect(f"{served.url}/gateway/ws?sessionId=one"):
        [browser] = served.gateway.open.values()
        served.gateway.open.update({str(number): browser for number in range(MOST_BROWSERS)})
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await served.client.ws_connect(f"{served.url}/gateway/ws?sessionId=two")
        assert refused.value.status == 429
        served.gateway.open.clear()


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}])
@pytest.mark.parametrize("path", ["/webhooks/ok", SEND, "/gateway/@connections/any"])
async def test_a_page_of_elsewhere_is_refused(served: Served, path: str, headers: dict[str, str]) -> None:
    assert await served.post(path, b"{}", {"Content-Type": "text/plain", **headers}) == 403


async def test_the_stand_ins_own_page_may_call_them_and_no_other_of_this_machine(served: Served) -> None:
    for origin, status in ((served.url, 200), ("http://127.0.0.1:1", 403), ("http://localhost", 403)):
        assert await served.post(SEND, b'{"to": "a"}', {"Origin": origin}) == status


async def test_a_page_under_another_name_for_this_machine_may_not_call(served: Served) -> None:
    headers = {"Host": "somewhere:80", "Origin": "http://somewhere:80"}
    assert await served.post(SEND, b'{"to": "a"}', headers) == 403


async def test_a_page_of_this_machine_opens_a_websocket_and_one_of_elsewhere_does_not(served: Served) -> None:
    url = f"{served.url}/gateway/ws?sessionId=one"
    async with served.client.ws_connect(url, origin="http://localhost:3000") as browser:
        assert not browser.closed
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await served.client.ws_connect(url, origin="http://evil.example")
    assert refused.value.status == 403


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1:8090", True),
        ("localhost:8090", True),
        ("stand-ins:8090", True),
        ("[::1]:8090", True),
        ("evil.example:8090", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example", False),
        ("", False),
        ("[", False),
    ],
)
def test_a_name_with_a_dot_is_not_ours(host: str, *, own: bool) -> None:
    assert is_own_name(host) is own
