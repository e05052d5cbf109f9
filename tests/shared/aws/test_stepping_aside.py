"""What the fast calls cannot read and botocore can makes them step aside for good, with one warning."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import product
from typing import Any

import aioboto3
import pytest
from aiobotocore.config import AioConfig
from botocore.exceptions import ClientError, HTTPClientError
from structlog.testing import capture_logs

from shared.aws.fast_client import FastClient

ITEM = b'{"Item": {"a": {"S": "x"}}}'
USUAL = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(ITEM) + ITEM
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(ITEM) + ITEM + b"\r\n0\r\n\r\n"
TO_THE_END = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + ITEM


@asynccontextmanager
async def answering(answers: list[bytes], *, attempts: int = 1) -> AsyncIterator[Any]:
    """A client of a server that gives these answers in turn, and the last of them from then on."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            await reader.readexactly(int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]))
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            writer.write(answer)
            if b"Content-Length" not in answer and b"chunked" not in answer:
                writer.close()
                return

    async def quiet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(quiet, "127.0.0.1", 0)
    session = aioboto3.Session(aws_access_key_id="a", aws_secret_access_key="b", region_name="eu-west-1")
    config = AioConfig(retries={"mode": "standard", "total_max_attempts": attempts})
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, session.client("dynamodb", endpoint_url=url, config=config) as client:
        yield client


async def get(client: Any) -> Any:
    answer = await client.get_item(TableName="t", Key={"id": {"S": "x"}})
    is_botocores = answer.pop("ResponseMetadata", None) is not None
    return answer, is_botocores


@pytest.mark.parametrize("odd", [CHUNKED, TO_THE_END])
async def test_after_an_answer_that_only_botocore_can_read_all_calls_are_botocores(odd: bytes) -> None:
    async with answering([USUAL, USUAL, odd]) as client:
        fast = FastClient(client)
        with capture_logs() as logs:
            assert [(await get(fast))[1] for _ in range(2)] == [True, False]
            with pytest.raises(HTTPClientError):
                await get(fast)
            for _ in range(3):
                assert await get(fast) == ({"Item": {"a": {"S": "x"}}}, True)
    assert [each["event"] for each in logs] == ["aws_calls_stepped_aside"]


CODES = ("ConditionalCheckFailedException", "TransactionCanceledException")
PARTS: tuple[dict[str, Any], ...] = (
    {}, {"message": "no"}, {"Message": "no"}, {"Item": {"b": {"B": "eA=="}}}, {"Item": None}, {"CancellationReasons": []},
    {"CancellationReasons": [{"Code": "None"}, {"Code": "ConditionalCheckFailed", "Message": "no", "Item": {"n": {"N": "1"}}}]},
    {"message": "é", "Else": 1},
)  # fmt: skip
PREFIXES = ("com.amazonaws.dynamodb.v20120810#", "", "x#")
ATTEMPTS = (1, 3)


@pytest.mark.parametrize("attempts", ATTEMPTS)
@pytest.mark.parametrize("code", CODES)
async def test_a_refused_condition_is_botocores_exception(code: str, attempts: int) -> None:
    for parts, prefix in product(PARTS, PREFIXES):
        content = json.dumps({"__type": prefix + code, **parts}).encode()
        head = b"HTTP/1.1 400 Bad Request\r\nx-amzn-requestid: r\r\nContent-Length: %d\r\n\r\n" % len(content)
        async with answering([USUAL, head + content], attempts=attempts) as client:
            fast, refusals = FastClient(client), []
            await get(fast)
            for road in (client, fast):
                with pytest.raises(ClientError) as error:
                    await get(road)
                assert isinstance(error.value, getattr(fast.exceptions, code))
                refusals.append((error.value.response, str(error.value)))
        assert refusals[0] == refusals[1]
