"""Where the fast client gets what it needs from botocore, and when it leaves a call to it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import aioboto3
import pytest
from aiobotocore.config import AioConfig
from aiobotocore.credentials import AioRefreshableCredentials
from botocore import UNSIGNED
from botocore.awsrequest import AWSPreparedRequest
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError

from shared.aws.fast_client import FastClient
from shared.aws.pattern import pattern_of
from tests.shared.aws.roads import ROADS, opened
from tests.sqs_server.account import REGION
from tests.sqs_server.running import ACCESS_KEY, SECRET, SqsServer

SIGNED: dict[str, str] = {
    "Content-Type": "application/x-amz-json-1.0",
    "X-Amz-Target": "AmazonSQS.ReceiveMessage",
    "x-amzn-query-mode": "true",
    "User-Agent": "ours",
    "X-Amz-Date": "20261121T042253Z",
    "Authorization": "AWS4-HMAC-SHA256 Credential=AKIA/20261121/eu-west-1/sqs/aws4_request, "
    f"SignedHeaders=content-type;host;x-amz-date;x-amz-target;x-amzn-query-mode, Signature={'0' * 64}",
}


def test_a_request_is_copied_with_its_endpoint_headers_and_scope() -> None:
    found = pattern_of(request())
    assert found is not None
    assert str(found.url) == "https://sqs.eu-west-1.amazonaws.com/"
    assert f"{found.start}{found.head}".startswith("POST / HTTP/1.1\r\n")
    assert "\r\nuser-agent: ours\r\n" in found.head
    assert "\r\nhost: sqs.eu-west-1.amazonaws.com\r\n" in found.head


def test_a_request_of_an_unknown_form_is_left_to_botocore() -> None:
    assert pattern_of(request(Authorization="")) is None
    assert pattern_of(request(Authorization=SIGNED["Authorization"].replace("HMAC", "ECDSA"))) is None
    assert pattern_of(request(Somebody="else's header")) is None
    assert pattern_of(request(url="https://sqs.eu-west-1.amazonaws.com/?x=1")) is None
    assert pattern_of(request(Authorization=SIGNED["Authorization"].replace("content-type;", ""))) is None


def request(*, url: str = "https://sqs.eu-west-1.amazonaws.com/", **headers: str) -> Any:
    return AWSPreparedRequest("POST", url, HTTPHeaders.from_dict({**SIGNED, **headers}), b"{}", stream_output=False)


async def test_keys_that_expire_are_refreshed_by_botocore_and_used_at_once(server: SqsServer) -> None:
    url = server.make("orders")
    server.control.options(secrets={"AKIAFIRST": "first", "AKIASECOND": "second"})
    made: list[str] = []

    async def refresh() -> dict[str, str]:
        name = "second" if made else "first"
        made.append(name)
        soon = timedelta(seconds=1) if name == "first" else timedelta(hours=1)
        until = (datetime.now(UTC) + soon).isoformat()
        return {"access_key": f"AKIA{name.upper()}", "secret_key": name, "token": "t " * 30, "expiry_time": until}

    session: Any = aioboto3.Session(region_name=REGION)
    session._session._credentials = AioRefreshableCredentials.create_from_metadata(
        await refresh(), refresh_using=refresh, method="test"
    )
    async with session.client("sqs", endpoint_url=server.endpoint_url) as client:
        fast = FastClient(client)
        for _ in range(3):
            assert "Messages" not in await fast.receive_message(QueueUrl=url)
    assert made == ["first", "second"]


async def test_unsigned_requests_stay_botocores(server: SqsServer) -> None:
    url = server.make("orders")
    session = aioboto3.Session(region_name=REGION)
    config = AioConfig(signature_version=UNSIGNED)
    async with session.client("sqs", endpoint_url=server.endpoint_url, config=config) as client:
        fast = FastClient(client)
        for _ in range(2):
            assert "ResponseMetadata" in await fast.receive_message(QueueUrl=url)


async def test_behind_a_proxy_requests_stay_botocores(server: SqsServer) -> None:
    url = server.make("orders")
    session = aioboto3.Session(aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET, region_name=REGION)
    config = AioConfig(proxies={"http": server.endpoint_url})  # it reads absolute paths as any other
    async with session.client("sqs", endpoint_url=server.endpoint_url, config=config) as client:
        fast = FastClient(client)
        for _ in range(2):
            assert "ResponseMetadata" in await fast.receive_message(QueueUrl=url)


async def test_a_text_that_is_not_utf8_is_refused_as_botocore_refuses_it(server: SqsServer) -> None:
    url = server.make("orders")
    for road in ROADS:
        async with opened(server, road) as client:
            with pytest.raises(ClientError, match="SerializationException"):
                await client.send_message_batch(QueueUrl=url, Entries=[{"Id": "0", "MessageBody": "half \ud83d"}])


async def test_after_its_first_call_a_hot_client_asks_botocore_no_more(server: SqsServer) -> None:
    url = server.make("orders")
    async with opened(server, "fast") as client:
        answer = await client.receive_message(QueueUrl=url)
    assert "ResponseMetadata" not in answer
