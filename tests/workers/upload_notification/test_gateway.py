"""What the WebSocket management API answers, and what is made of it."""

import pytest
from botocore.exceptions import ClientError

from shared.clients import watch
from shared.outcome import is_outage
from shared.road.failure.breakers import Breakers
from tests.workers.upload_notification.scripted_server import Reply, ScriptedServer
from workers.upload_notification.gateway import ApiGateway, endpoint_url
from workers.upload_notification.ports import Answer, Busy, Forbidden, Gone, Malformed, Posted, TooLarge


async def posted(
    server: ScriptedServer, *, connection: str = "L0SM9cOFvHcCIhw=", data: bytes = b"{}", attempts: int = 0
) -> Answer:
    async with server.client("apigatewaymanagementapi", "/live", attempts=attempts) as client:
        return await ApiGateway(client, pause=0.01).post(connection, data)


async def test_a_message_goes_to_the_escaped_connection_below_the_stage() -> None:
    server = ScriptedServer([Reply()])

    assert await posted(server, data=b'{"type":"upload.completed"}') == Posted()
    assert server.calls == [("/live/@connections/L0SM9cOFvHcCIhw%3D", b'{"type":"upload.completed"}')]


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        (Reply(410, error="GoneException"), Gone()),
        (Reply(410, body=""), Gone()),
        (Reply(410, body="Gone"), Gone()),
        (Reply(410, body='{"message":null}'), Gone()),
        (Reply(400, error="BadRequestException", body='{"message":"Invalid connectionId: x"}'), Malformed()),
        (Reply(413, error="PayloadTooLargeException"), TooLarge()),
        (Reply(413, body='{"message":"too long"}'), TooLarge()),
        (Reply(403, error="ForbiddenException"), Forbidden()),
        (Reply(403, body='{"message":"Missing Authentication Token"}'), Forbidden()),
    ],
)
async def test_a_refusal_costs_one_call_whether_it_has_a_code_or_not(reply: Reply, answer: Answer) -> None:
    server = ScriptedServer([reply])

    assert await posted(server) == answer
    assert len(server.calls) == 1


@pytest.mark.parametrize(
    "reply", [Reply(410, body="<html>Gone</html>"), Reply(404, body=""), Reply(413, body=""), Reply(403, body="")]
)
async def test_a_proxys_refusal_says_nothing_of_the_connection(reply: Reply) -> None:
    with pytest.raises(ClientError) as error:
        await posted(ScriptedServer([reply]))
    assert is_outage(error.value)


@pytest.mark.parametrize("error", ["", "LimitExceededException"])
async def test_a_throttled_post_is_tried_again_after_a_pause(error: str) -> None:
    busy = Reply(429, error=error)
    server = ScriptedServer([busy, busy, Reply()])

    assert await posted(server) == Posted()
    assert len(server.calls) == 3


@pytest.mark.parametrize("reply", [Reply(429), Reply(429, error="LimitExceededException")])
async def test_a_browser_that_takes_nothing_is_no_outage_for_the_others(reply: Reply) -> None:
    breakers = Breakers()
    async with ScriptedServer([reply]).client("apigatewaymanagementapi", "/live", attempts=1) as client:
        watch(client, "apigatewaymanagementapi", breakers)
        for _ in range(6):
            assert await ApiGateway(client, pause=0.001).post("full=", b"{}") == Busy()
    assert breakers.open == {}


@pytest.mark.parametrize("error", ["", "LimitExceededException"])
async def test_a_post_that_stays_throttled_is_given_back(error: str) -> None:
    server = ScriptedServer([Reply(429, error=error)])

    assert await posted(server) == Busy()
    assert len(server.calls) == 3


async def test_any_other_answer_is_an_error_that_may_pass() -> None:
    with pytest.raises(ClientError):
        await posted(ScriptedServer([Reply(400, error="SerializationException")]))


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("abc.execute-api.eu-central-1.amazonaws.com/live", "https://abc.execute-api.eu-central-1.amazonaws.com/live"),
        ("https://abc.example.com/live/", "https://abc.example.com/live"),
        ("http://127.0.0.1:3001", "http://127.0.0.1:3001"),
        ("wss://abc.example.com/live", "https://abc.example.com/live"),
        (" WS://localhost:3001/ ", "http://localhost:3001"),
    ],
)
def test_the_endpoint_may_be_written_with_or_without_a_scheme(given: str, url: str) -> None:
    assert endpoint_url(given) == url
