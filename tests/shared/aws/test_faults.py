"""Whatever goes wrong, the fast client tries as often as aioboto3's, succeeds where that does and raises what that raises."""

import re
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.shared.aws.roads import ROADS, opened
from tests.sqs_server.running import ACCESS_KEY, SECRET, SqsServer, sqs_server

ACTIONS = ("ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch", "SendMessageBatch")
ERRORS = ("throttled", "throttling", "internal", "unavailable", "expired", "denied", "over_limit", "no_queue")
ENDINGS: dict[str, dict[str, Any]] = {
    "reset": {},
    "reset after the work": {"after": True},
    "cut": {"cut": True},
    "timeout": {"seconds": 30.0},
    "lost": {"seconds": 30.0},
}


async def asked(client: Any, action: str, url: str) -> Any:
    entry = {"Id": "0", "ReceiptHandle": "no such handle"}
    match action:
        case "ReceiveMessage":
            return await client.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        case "DeleteMessageBatch":
            return await client.delete_message_batch(QueueUrl=url, Entries=[entry])
        case "ChangeMessageVisibilityBatch":
            entries = [{**entry, "VisibilityTimeout": 5}]
            return await client.change_message_visibility_batch(QueueUrl=url, Entries=entries)
        case _:
            return await client.send_message_batch(QueueUrl=url, Entries=[{"Id": "0", "MessageBody": "a"}])


async def ending(client: Any, action: str, url: str) -> tuple[Any, ...]:
    """How one call ends, without what differs from one call to the next."""
    try:
        answer = await asked(client, action, url)
    except ClientError as error:
        metadata = error.response["ResponseMetadata"]
        kind = [each.__name__ for each in type(error).__mro__]
        retries = (metadata["RetryAttempts"], metadata.get("MaxAttemptsReached"))
        return (*kind, error.operation_name, error.response["Error"], metadata["HTTPStatusCode"], *retries)
    except Exception as error:  # noqa: BLE001  # whatever it is, the other road must raise the same
        text = str(error).replace(str(getattr(error, "kwargs", {}).get("error")), "")
        return ([each.__name__ for each in type(error).__mro__], text)
    return ("answered", sorted(set(answer) - {"ResponseMetadata"}))


def requests(server: SqsServer, action: str) -> int:
    return sum(row["count"] for row in server.control.stats()["requests"] if row["action"] == action)


async def both(
    server: SqsServer, action: str, kind: str, *, attempts: int, read_timeout: float = 60.0, **parts: Any
) -> list[tuple[Any, ...]]:
    """How the same call meets the same fault on each road, and how many requests that took."""
    found = []
    url = server.make("orders")
    for road in ROADS:
        async with opened(server, road, attempts=attempts, read_timeout=read_timeout) as client:
            before = requests(server, action)
            server.control.fault(kind, action, **parts)
            found.append((*(await ending(client, action, url)), requests(server, action) - before))
            server.control.heal()
    return found


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("kind", ERRORS)
async def test_an_error_answer_is_raised_as_aioboto3_raises_it(server: SqsServer, kind: str, action: str) -> None:
    plain, fast = await both(server, action, kind, attempts=1)
    assert fast == plain
    assert "ClientError" in plain


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in ERRORS if kind != "over_limit"])
async def test_an_error_that_passes_is_tried_again_only_where_aioboto3_does(server: SqsServer, kind: str) -> None:
    plain, fast = await both(server, "ReceiveMessage", kind, attempts=2, count=1)
    assert fast == plain


@pytest.mark.parametrize("name", ENDINGS)
@pytest.mark.parametrize("action", ["ReceiveMessage", "DeleteMessageBatch"])
async def test_a_connection_that_fails_is_the_same_error(server: SqsServer, name: str, action: str) -> None:
    parts = ENDINGS[name]
    plain, fast = await both(
        server, action, name.split(maxsplit=1)[0].replace("cut", "reset"), attempts=1, read_timeout=0.3, **parts
    )
    assert fast == plain
    assert "BotoCoreError" in plain[0]


async def test_a_call_whose_connection_failed_is_made_again(server: SqsServer) -> None:
    plain, fast = await both(server, "SendMessageBatch", "reset", attempts=2, count=1)
    assert fast == plain
    assert (fast[0], fast[-1]) == ("answered", 2)


async def test_kept_connections_that_were_hung_up_hurt_nobody(server: SqsServer) -> None:
    url = server.make("orders")
    async with opened(server, "fast", attempts=3) as client:
        server.control.hang_up()
        assert (await ending(client, "ReceiveMessage", url))[0] == "answered"


async def test_a_server_that_is_gone_is_an_error_of_the_connection() -> None:
    found = []
    for road in ROADS:
        with sqs_server() as server:
            url = server.make("orders")
            async with opened(server, road) as client:
                server.process.terminate()
                server.process.wait(10)
                found.append(await ending(client, "ReceiveMessage", url))
    # Whether the end of an idle connection was seen in time differs from run to run, on either road.
    assert {each[0][0] for each in found} <= {"EndpointConnectionError", "ConnectionClosedError"}


async def test_an_answer_of_a_shape_that_nobody_knows_is_the_same_error(server: SqsServer) -> None:
    plain, fast = await both(server, "ReceiveMessage", "error", attempts=1, code="SomethingNew", status=418)
    assert fast == plain


@pytest.mark.parametrize("skew", [-1000.0, 1000.0])
async def test_a_clock_that_is_wrong_is_the_same_error(server: SqsServer, skew: float) -> None:
    url = server.make("orders")
    found = []
    for road in ROADS:
        async with opened(server, road, attempts=2) as client:
            server.control.skew(skew)
            found.append(re.sub(r"\d{8}T\d{6}Z", "then", str(await ending(client, "ReceiveMessage", url))))
            server.control.skew(0)
    assert found[0] == found[1]


async def test_every_signature_passes_a_server_that_checks_it(server: SqsServer) -> None:
    url = server.make("orders")
    server.control.options(secrets={ACCESS_KEY: SECRET})
    async with opened(server, "fast") as client:
        for action in ACTIONS:
            assert (await ending(client, action, url))[0] == "answered"


async def test_failures_that_are_over_leave_botocore_its_whole_quota_of_retries(server: SqsServer) -> None:
    url = server.make("orders")
    async with opened(server, "fast", attempts=2) as client:
        before = quota(client)
        server.control.fault("internal", "ReceiveMessage")
        for _ in range(3):
            await ending(client, "ReceiveMessage", url)
        server.control.heal()
        assert quota(client) < before
        for _ in range(20):
            await asked(client, "ReceiveMessage", url)
        assert quota(client) == before


def quota(client: Any) -> int:
    """The tokens that botocore has left for retries."""
    emitter = client._fallback._client.meta.events._emitter
    [checker] = [
        handler.__self__
        for handler in emitter._handlers.prefix_search("after-call.sqs.ReceiveMessage")
        if getattr(handler, "__name__", "") == "release_retry_quota"
    ]
    return int(checker._quota.available_capacity)
