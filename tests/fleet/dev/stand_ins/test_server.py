"""The stand-ins meet the clients that will talk to them: aiohttp, a real WebSocket, aiobotocore's management client."""

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aioboto3
import aiohttp
import pytest
from aiohttp import web
from botocore.exceptions import ClientError

from fleet.dev.stand_ins.expo_server import ExpoServer
from fleet.dev.stand_ins.server import application
from fleet.dev.stand_ins.ses_server import SesServer
from fleet.dev.stand_ins.webhook_receiver import TOLERANCE, WebhookReceiver, signature_fault
from fleet.dev.stand_ins.websocket_gateway import LARGEST_MESSAGE, WebSocketGateway
from tests.waiting import until

SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes, no").decode()
NOW = 1_614_265_330.0


class Sessions:
    """Stands in for the session table: knows `known`, notes connections."""

    def __init__(self) -> None:
        self.connections: dict[str, str] = {}

    async def connect(self, query: Mapping[str, str], connection_id: str) -> bool:
        if query["sessionId"] != "known":
            return False
        self.connections["known"] = connection_id
        return True

    async def disconnect(self, session_id: str, connection_id: str) -> None:
        assert self.connections.pop(session_id) == connection_id

    async def says(self, session_id: str, connection_id: str, text: str) -> str:
        return f"{session_id} said {text}" if text else ""

    def add_to(self, application: web.Application) -> None:
        """It has none."""


class Served:
    """All stand-ins on a free port, and a client."""

    def __init__(self, url: str, client: aiohttp.ClientSession, sessions: Sessions, gateway: WebSocketGateway) -> None:
        self.url, self.client, self.sessions, self.gateway = url, client, sessions, gateway

    async def post(self, path: str, document: Any, **headers: str) -> tuple[int, Any]:
        async with self.client.post(self.url + path, json=document, headers=headers) as answer:
            return answer.status, await answer.json()

    async def get(self, path: str) -> Any:
        async with self.client.get(self.url + path) as answer:
            return await answer.json()

    def management(self, prefix: str = "/gateway") -> Any:
        session = aioboto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
        return session.client("apigatewaymanagementapi", endpoint_url=self.url + prefix)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    sessions = Sessions()
    gateway = WebSocketGateway(sessions)
    webhooks = WebhookReceiver(SECRET, now=lambda: NOW, slow_seconds=0.01)
    together = application(ExpoServer(), SesServer(), webhooks, gateway)
    runner = web.AppRunner(together, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession() as client:
        yield Served(f"http://127.0.0.1:{runner.addresses[0][1]}", client, sessions, gateway)
    await runner.cleanup()


def signed(body: bytes, *, at: float = NOW, webhook_id: str = "evt_1") -> dict[str, str]:
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    digest = hmac.new(key, f"{webhook_id}.{int(at)}.".encode() + body, hashlib.sha256).digest()
    signature = "v1," + base64.b64encode(digest).decode()
    return {"webhook-id": webhook_id, "webhook-timestamp": str(int(at)), "webhook-signature": signature}


async def test_the_server_says_that_it_lives(served: Served) -> None:
    assert await served.get("/livez") == {"status": "ok"}


# Expo


async def test_expo_answers_one_ticket_per_recipient_in_order(served: Served) -> None:
    messages = [{"to": ["ExponentPushToken[a]", "ExponentPushToken[dead]"], "body": "1"}, {"to": "b", "body": "2"}]
    status, answer = await served.post("/expo/--/api/v2/push/send", messages)
    assert status == 200
    assert [ticket["status"] for ticket in answer["data"]] == ["ok", "error", "ok"]
    assert answer["data"][1]["details"]["error"] == "DeviceNotRegistered"
    assert [push["to"] for push in (await served.get("/expo/received"))["received"]] == [
        "ExponentPushToken[a]",
        "ExponentPushToken[dead]",
        "b",
    ]


async def test_expo_refuses_us_for_a_project_whose_tokens_say_so(served: Served) -> None:
    status, answer = await served.post("/expo/--/api/v2/push/send", {"to": "ExponentPushToken[refused-a]"})
    assert (status, answer["errors"][0]["code"]) == (401, "UNAUTHORIZED")


async def test_expo_counts_recipients_and_not_messages(served: Served) -> None:
    status, answer = await served.post("/expo/--/api/v2/push/send", {"to": [f"t{n}" for n in range(101)]})
    assert (status, answer["errors"][0]["code"]) == (400, "PUSH_TOO_MANY_NOTIFICATIONS")


async def test_expo_refuses_a_message_without_recipient_and_a_body_that_is_not_json(served: Served) -> None:
    assert (await served.post("/expo/--/api/v2/push/send", [{"body": "to nobody"}]))[0] == 400
    async with served.client.post(served.url + "/expo/--/api/v2/push/send", data=b"{") as answer:
        assert answer.status == 400


async def test_expo_says_when_a_payload_is_too_big(served: Served) -> None:
    _, answer = await served.post("/expo/--/api/v2/push/send", {"to": "a", "body": "x" * 5000})
    assert answer["data"][0]["details"]["error"] == "MessageTooBig"


async def test_expo_has_receipts_for_its_tickets_and_none_for_others(served: Served) -> None:
    _, sent = await served.post("/expo/--/api/v2/push/send", {"to": "a"})
    ticket = sent["data"][0]["id"]
    _, answer = await served.post("/expo/--/api/v2/push/getReceipts", {"ids": [ticket, "unknown"]})
    assert answer["data"] == {ticket: {"status": "ok"}}


async def test_expo_with_an_access_token_asks_for_it() -> None:
    runner = web.AppRunner(ExpoServer("right").application())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    place = f"http://127.0.0.1:{runner.addresses[0][1]}/--/api/v2/push/"
    try:
        async with aiohttp.ClientSession() as client:
            for path, token, expected in [
                ("send", "wrong", 401),
                ("getReceipts", "wrong", 401),
                ("send", "right", 200),
            ]:
                headers = {"Authorization": f"Bearer {token}"}
                async with client.post(place + path, json={"to": "a"}, headers=headers) as answer:
                    assert answer.status == expected
    finally:
        await runner.cleanup()


# SES


async def test_ses_takes_a_whole_email_and_remembers_it_and_refuses_half_of_one(served: Served) -> None:
    whole = {
        "FromEmailAddress": "fleet@fleet.example",
        "Destination": {"ToAddresses": ["anna@example.com"]},
        "Content": {"Template": {"TemplateName": "tea", "TemplateData": "{}"}},
    }
    status, answer = await served.post("/ses/v2/email/outbound-emails", whole)
    assert (status, bool(answer["MessageId"])) == (200, True)
    for lacks in whole:
        half = {name: value for name, value in whole.items() if name != lacks}
        assert (await served.post("/ses/v2/email/outbound-emails", half))[0] == 400
    [mail] = (await served.get("/ses/received"))["received"]
    assert (mail["to"], mail["request"]) == ("anna@example.com", whole)


# The webhook receiver


async def posted(served: Served, path: str, body: bytes, headers: dict[str, str]) -> int:
    async with served.client.post(served.url + path, data=body, headers=headers) as answer:
        return answer.status


async def test_a_signed_webhook_is_taken_and_remembered(served: Served) -> None:
    body = b'{"type":"upload.completed"}'
    assert await posted(served, "/webhooks/ok/anna", body, signed(body)) == 200
    (receipt,) = (await served.get("/webhooks/received"))["received"]
    assert (receipt["endpoint"], receipt["webhook_id"], receipt["fault"]) == ("/ok/anna", "evt_1", None)
    assert receipt["payload"] == {"type": "upload.completed"}


async def test_an_endpoint_that_was_down_takes_each_webhook_the_second_time(served: Served) -> None:
    assert [await posted(served, "/webhooks/down", b"{}", signed(b"{}")) for _ in range(2)] == [503, 200]
    assert await posted(served, "/webhooks/down", b"{}", signed(b"{}", webhook_id="evt_2")) == 503


async def test_a_flaky_endpoint_fails_twice_for_each_webhook(served: Served) -> None:
    statuses = [await posted(served, "/webhooks/flaky", b"{}", signed(b"{}")) for _ in range(3)]
    assert statuses == [500, 500, 200]
    assert await posted(served, "/webhooks/flaky", b"{}", signed(b"{}", webhook_id="evt_2")) == 500


async def test_a_gone_endpoint_says_410_and_a_slow_one_answers_in_the_end(served: Served) -> None:
    assert await posted(served, "/webhooks/gone", b"{}", signed(b"{}")) == 410
    assert await posted(served, "/webhooks/slow", b"not json", signed(b"not json")) == 200


async def test_a_wrongly_signed_webhook_is_refused_and_the_fault_kept(served: Served) -> None:
    async with served.client.post(served.url + "/webhooks/ok", data=b"{}", headers=signed(b"other")) as answer:
        told = await answer.text()
    assert (answer.status, "no signature matches" in told, "STAND_INS_WEBHOOK_SECRET" in told) == (401, True, True)
    assert (await served.get("/webhooks/received"))["received"][0]["fault"] == "no signature matches"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"webhook-id": ""}, "a webhook header is missing"),
        ({"webhook-timestamp": "hello"}, "the timestamp is not a number of seconds"),
        ({"webhook-timestamp": str(int(NOW) - TOLERANCE - 1)}, "the timestamp is too old or too new"),
        ({"webhook-timestamp": str(int(NOW) + TOLERANCE + 1)}, "the timestamp is too old or too new"),
        ({"webhook-signature": "v1,"}, "no signature matches"),
        ({"webhook-signature": "v2,abc é"}, "no signature matches"),
    ],
)
def test_each_fault_of_a_signature_has_its_name(change: dict[str, str], fault: str) -> None:
    assert signature_fault(SECRET, signed(b"{}") | change, b"{}", now=NOW) == fault


def test_the_receiver_agrees_with_the_published_vector() -> None:
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,AAAA v9,x v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    key, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    assert signature_fault(key, headers, body, now=NOW) is None


# The WebSocket gateway


async def test_a_worker_posts_to_a_browser_through_the_management_api(served: Served) -> None:
    async with served.client.ws_connect(served.url + "/gateway/ws?sessionId=known") as browser:
        connection = await until(lambda: served.sessions.connections.get("known"))
        async with served.management() as management:
            await management.post_to_connection(ConnectionId=connection, Data='{"grüße": "☃"}'.encode())
            assert await browser.receive_json() == {"grüße": "☃"}
            assert (await management.get_connection(ConnectionId=connection))["Identity"]["SourceIp"] == "127.0.0.1"
        async with served.management("/gateway/dev") as with_stage:
            await with_stage.post_to_connection(ConnectionId=connection, Data=b"again")
            assert await browser.receive_str() == "again"


async def test_a_browser_of_an_unknown_session_is_refused(served: Served) -> None:
    for query in ("?sessionId=unknown", ""):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await served.client.ws_connect(served.url + "/gateway/ws" + query)
        assert refused.value.status == 403


async def test_an_unknown_connection_is_gone(served: Served) -> None:
    async with served.management() as management:
        for call in (management.delete_connection, management.get_connection):
            with pytest.raises(ClientError) as gone:
                await call(ConnectionId="L0SM9cOFvHcCIhw=")
            assert gone.value.response["ResponseMetadata"]["HTTPStatusCode"] == 410
        with pytest.raises(ClientError) as gone:
            await management.post_to_connection(ConnectionId="L0SM9cOFvHcCIhw=", Data=b"x")
        assert gone.value.response["Error"]["Code"] == "GoneException"


async def test_a_browser_that_left_is_gone(served: Served) -> None:
    async with served.client.ws_connect(served.url + "/gateway/ws?sessionId=known"):
        connection = await until(lambda: served.sessions.connections.get("known"))
    await until(lambda: not served.gateway.open)
    async with served.management() as management:
        with pytest.raises(ClientError) as gone:
            await management.post_to_connection(ConnectionId=connection, Data=b"x")
    assert gone.value.response["Error"]["Code"] == "GoneException"


async def test_a_deleted_connection_closes_the_browser(served: Served) -> None:
    async with served.client.ws_connect(served.url + "/gateway/ws?sessionId=known") as browser:
        connection = await until(lambda: served.sessions.connections.get("known"))
        async with served.management() as management:
            await management.delete_connection(ConnectionId=connection)
        assert (await browser.receive()).type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}


async def test_posts_that_api_gateway_would_refuse_are_refused(served: Served) -> None:
    async with served.client.ws_connect(served.url + "/gateway/ws?sessionId=known"):
        connection = await until(lambda: served.sessions.connections.get("known"))
        async with served.management() as management:
            for data, code in [
                (b"x" * (LARGEST_MESSAGE + 1), "PayloadTooLargeException"),
                (b"\xff", "BadRequestException"),
            ]:
                with pytest.raises(ClientError) as refused:
                    await management.post_to_connection(ConnectionId=connection, Data=data)
                assert refused.value.response["Error"]["Code"] == code
