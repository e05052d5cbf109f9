"""An answer that is not the service's own is a 502 to both roads: tried again, counted by the breaker, never `{}` or "not there"."""

import os
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from shared.clients import Clients
from shared.outcome import code_of, is_outage, status_of
from shared.road.failure.breakers import OPENS_AT, Breakers
from tests.shared.aws.contract.answers import Odd, headed, refusal, whole
from tests.shared.aws.contract.stub import stub

HTML = "Content-Type: text/html; charset=utf-8"
PAGE = b"<html>maintenance</html>"
SECRET = "a-payload"
KEY = {"key": {"S": "k"}}
ITEM = b'{"Item": {"a": {"S": "x"}}}'
ITEMS = b'{"Items": [], "Count": 0}'
PUT = {"PutRequest": {"Item": KEY}}
EVENT = {"Source": "s", "DetailType": "d", "Detail": "{}"}
DIGEST = "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="  # of b"abc"

Call = Callable[[Any], Any]
CALLS: dict[str, tuple[str, Call, bytes, list[bytes]]] = {
    "get": ("dynamodb", lambda to: to.get_item(TableName="t", Key=KEY), ITEM, [b'{"Item": 7}', b'{"Item": {"a": "x"}}', b'{"Item": null}']),
    "put": ("dynamodb", lambda to: to.put_item(TableName="t", Item=KEY), b"{}", []),
    "query": ("dynamodb", lambda to: to.query(TableName="t"), ITEMS, [b"{}", b'{"Items": null, "Count": 0}', b'{"Count": 0}', b'{"Items": []}']),
    "scan": ("dynamodb", lambda to: to.scan(TableName="t"), ITEMS, [b"{}", b'{"Items": {}, "Count": 0}']),
    "batch get": ("dynamodb", lambda to: to.batch_get_item(RequestItems={"t": {"Keys": [KEY]}}), b'{"Responses": {}}', [b"{}"]),
    "batch write": ("dynamodb", lambda to: to.batch_write_item(RequestItems={"t": [PUT]}), b"{}", []),
    "transact": ("dynamodb", lambda to: to.transact_write_items(TransactItems=[{"Put": {"TableName": "t", "Item": KEY}}]), b"{}", []),
    "records": ("dynamodbstreams", lambda to: to.get_records(ShardIterator="i"), b'{"Records": []}', [b"{}", b'{"Records": null}']),
    "iterator": (
        "dynamodbstreams", lambda to: to.get_shard_iterator(StreamArn="a" * 40, ShardId="s" * 30, ShardIteratorType="LATEST"),
        b'{"ShardIterator": "i"}', [b"{}", b'{"ShardIterator": null}'],
    ),
    "events": ("events", lambda to: to.put_events(Entries=[EVENT]), b'{"FailedEntryCount": 0, "Entries": [{"EventId": "e"}]}', [
        b"{}", b'{"FailedEntryCount": 0}', b'{"FailedEntryCount": null, "Entries": []}', b'{"Entries": [{"EventId": "e"}]}',
    ]),
}  # fmt: skip
BY_BOTOCORE = {"scan", "records", "iterator"}
NEVER = {
    "a page": whole(PAGE, HTML),
    "a page without a type": whole(PAGE),
    "an empty body": whole(b""),
    "204": headed(b"", start="HTTP/1.1 204 No Content"),
    "cut JSON": whole(b'{"Item": {"a": {"S": "' + SECRET.encode()),
    "another service's": whole(b'{"status": "ok"}'),
    "a list": whole(b"[]"),
    "null": whole(b"null"),
    "a page of JSON": whole(ITEM, HTML),
}


@pytest.fixture(params=["fast", "aioboto3"])
def environment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "eu-west-1"}
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    return {**os.environ, "AWS_CALLS": request.param}


@pytest.mark.parametrize("name", CALLS)
async def test_an_odd_success_is_an_outage_and_the_right_answer_after_it_is_read(
    environment: dict[str, str], name: str
) -> None:
    service, call, good, own = CALLS[name]
    async with stub(Odd(whole(good))) as serving, Clients(environment) as clients:
        client = await clients.open(service, endpoint_url=serving.url, attempts=1)
        for raw in [*NEVER.values(), *map(whole, own)]:
            await call(client)  # both roads are known from the first
            serving.now = Odd(raw)
            with pytest.raises(ClientError) as error:
                await call(client)
            assert (code_of(error.value), is_outage(error.value)) == ("OddAnswer", True), raw
            assert not any(each in f"{error.value} {error.value.response}" for each in ("maintenance", SECRET))
            serving.now = serving.usual
        await call(client)
        assert ("ResponseMetadata" in await call(client)) == (name in BY_BOTOCORE or environment["AWS_CALLS"] != "fast")


ETAG, ID = 'ETag: "e"', "x-amz-request-id: r"
LISTED = b'<?xml version="1.0"?>\n<ListBucketResult><Name>b</Name></ListBucketResult>'
OF_S3: dict[str, tuple[Call, bytes, list[bytes]]] = {
    "put": (
        lambda to: to.put_object(Bucket="b", Key="k", Body=b"abc", ChecksumSHA256=DIGEST),
        whole(b"", ETAG), [whole(b""), whole(b"", ETAG, HTML)],
    ),
    "head": (
        lambda to: to.head_object(Bucket="b", Key="k"),
        headed(b"", ETAG, ID, "Content-Length: 3"), [
            headed(b"", "Content-Length: 3"), headed(b"", ETAG, HTML, "Content-Length: 24"), headed(b"", ETAG, ID),
        ],
    ),
    "get": (lambda to: to.get_object(Bucket="b", Key="k"), whole(b"abc", ETAG, ID), [whole(PAGE, ETAG, HTML), whole(b"abc")]),
    "get of a range": (
        lambda to: to.get_object(Bucket="b", Key="k", Range="bytes=0-99"),
        whole(b"abc", ETAG, ID, "Content-Range: bytes 0-2/3", status="206 Partial Content"), [],
    ),
    "get of a page": (lambda to: to.get_object(Bucket="b", Key="k"), whole(PAGE, ETAG, ID, HTML), [whole(PAGE, HTML)]),
    "list": (lambda to: to.list_objects_v2(Bucket="b"), whole(LISTED), [whole(b""), whole(PAGE), whole(PAGE, HTML), whole(b"<a><Name/></a>")]),
    "delete": (lambda to: to.delete_object(Bucket="b", Key="k"), headed(b"", start="HTTP/1.1 204 No Content"), [whole(b""), whole(PAGE, HTML)]),
    "delete many": (
        lambda to: to.delete_objects(Bucket="b", Delete={"Objects": [{"Key": "k"}], "Quiet": True}),
        whole(b"<DeleteResult/>"), [whole(b""), whole(PAGE)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OF_S3)
async def test_an_odd_success_of_s3_is_an_outage(environment: dict[str, str], name: str) -> None:
    call, good, odd = OF_S3[name]
    async with stub(Odd(good)) as serving, Clients(environment) as clients:
        client = await clients.open("s3", endpoint_url=serving.url, attempts=1)
        for raw in odd:
            await call(client)
            serving.now = Odd(raw, ends=name == "head")
            with pytest.raises(ClientError) as error:
                await call(client)
            assert (code_of(error.value), is_outage(error.value)) == ("OddAnswer", True), raw
            serving.now = serving.usual
        await call(client)


@pytest.mark.parametrize("root", ["ListBucketResult", "ListObjectsV2Output"])
async def test_a_list_is_known_by_its_element(environment: dict[str, str], root: str) -> None:
    listed = f'<?xml version="1.0"?>\n<!-- x --><{root} xmlns="x"><Name>b</Name></{root}>'
    async with stub(Odd(whole(listed.encode()))) as serving, Clients(environment) as clients:
        client = await clients.open("s3", endpoint_url=serving.url, attempts=1)
        assert (await client.list_objects_v2(Bucket="b"))["Name"] == "b"


async def test_an_odd_success_is_tried_again_as_a_502_is(environment: dict[str, str]) -> None:
    service, call, good, _ = CALLS["get"]
    async with stub(Odd(whole(good))) as serving, Clients(environment) as clients:
        client = await clients.open(service, endpoint_url=serving.url, attempts=2)
        await call(client)
        asked, serving.now = serving.asked, Odd(NEVER["another service's"])
        with pytest.raises(ClientError):
            await call(client)
        assert serving.asked == asked + 2


async def test_odd_successes_open_the_breaker(environment: dict[str, str]) -> None:
    service, call, good, _ = CALLS["get"]
    breakers = Breakers()
    async with stub(Odd(whole(good))) as serving, Clients(environment, breakers=breakers) as clients:
        client = await clients.open(service, endpoint_url=serving.url, attempts=1)
        await call(client)
        serving.now = Odd(NEVER["a page"])
        for _ in range(OPENS_AT):
            assert service not in breakers.open
            with pytest.raises(ClientError):
                await call(client)
        assert service in breakers.open


@pytest.mark.parametrize("body", [b"upstream connect error", b"<!DOCTYPE html><html></html>", b"", b"{}", b"<html>"])
async def test_a_failure_whose_body_botocore_cannot_read_keeps_its_status(
    environment: dict[str, str], body: bytes
) -> None:
    breakers = Breakers()
    async with (
        stub(Odd(refusal("503 Service Unavailable", body))) as serving,
        Clients(environment, breakers=breakers) as clients,
    ):
        client = await clients.open("ses", endpoint_url=serving.url, attempts=1)
        for _ in range(OPENS_AT):
            with pytest.raises(ClientError) as error:
                await client.send_email(Source="a", Destination={}, Message={"Subject": {"Data": ""}, "Body": {}})
            assert (status_of(error.value), is_outage(error.value)) == (503, True)
        assert "ses" in breakers.open


PAGES = {
    "400, a page": (refusal("400 Bad Request", PAGE, HTML), "OddAnswer400"),
    "404, a page": (refusal("404 Not Found", PAGE, HTML), "OddAnswer404"),
    "410, a page": (refusal("410 Gone", b"<html><body>gone</body></html>"), "OddAnswer410"),
    "412, a page": (refusal("412 Precondition Failed", PAGE, HTML), "OddAnswer412"),
    "413, text": (refusal("413 Content Too Large", b"too large"), "OddAnswer413"),
    "404, empty": (refusal("404 Not Found", b""), "OddAnswer404"),
    "400, {}": (refusal("400 Bad Request", {}), "OddAnswer400"),
    "400, a list": (refusal("400 Bad Request", [1]), "OddAnswer400"),
    "400, null": (refusal("400 Bad Request", b"null"), "OddAnswer400"),
    "400, a number for a code": (refusal("400 Bad Request", {"__type": 7}), "OddAnswer400"),
    "400, not UTF-8": (refusal("400 Bad Request", b"\xff\xfe"), "OddAnswer400"),
    "500, a list": (refusal("500 Internal Server Error", [1]), "500"),
    "429, a list": (refusal("429 Too Many Requests", [1]), "429"),
}


@pytest.mark.guarantee("R1")
@pytest.mark.parametrize("name", ["get", "put", "batch write", "events"])
async def test_a_proxys_refusal_is_an_outage_and_says_its_status(environment: dict[str, str], name: str) -> None:
    service, call, good, _ = CALLS[name]
    async with stub(Odd(whole(good))) as serving, Clients(environment) as clients:
        client = await clients.open(service, endpoint_url=serving.url, attempts=1)
        for raw, code in PAGES.values():
            await call(client)
            serving.now = Odd(raw)
            with pytest.raises(ClientError) as error:
                await call(client)
            assert (code_of(error.value), is_outage(error.value)) == (code, True), raw
            serving.now = serving.usual


@pytest.mark.guarantee("R1")
@pytest.mark.parametrize("name", ["put", "get", "get of a range", "list", "delete many"])
async def test_so_is_it_with_s3_where_it_would_say_that_an_object_is_gone(
    environment: dict[str, str], name: str
) -> None:
    call, good, _ = OF_S3[name]
    async with stub(Odd(good)) as serving, Clients(environment) as clients:
        client = await clients.open("s3", endpoint_url=serving.url, attempts=1)
        for raw, code in PAGES.values():
            await call(client)
            serving.now = Odd(raw)
            with pytest.raises(ClientError) as error:
                await call(client)
            assert is_outage(error.value), raw
            assert code_of(error.value) in {code, "ClientError"}, raw
            serving.now = serving.usual


@pytest.mark.guarantee("R1")
@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "307 Temporary Redirect"])
@pytest.mark.parametrize("name", ["get", "events", "object put", "object get", "object head"])
async def test_a_redirect_is_an_outage(environment: dict[str, str], name: str, status: str) -> None:
    kind, _, of_object = name.partition(" ")
    service, call, good = ("s3", *OF_S3[of_object][:2]) if of_object else (*CALLS[kind][:2], whole(CALLS[kind][2]))
    async with stub(Odd(good)) as serving, Clients(environment) as clients:
        client = await clients.open(service, endpoint_url=serving.url, attempts=1)
        there = "Location: /elsewhere"
        for odd in (
            whole(b"", status=status), whole(PAGE, HTML, status=status), whole(b"", there, status=status)
        ):  # fmt: skip
            await call(client)
            serving.now = Odd(odd)
            with pytest.raises(Exception) as error:  # noqa: PT011  # S3 is asked where the bucket is, and a page is no answer to a HEAD
                await call(client)
            assert is_outage(error.value), odd
            serving.now = serving.usual


async def test_a_look_at_an_object_that_a_page_answers_is_one_and_a_bare_404_is_not(
    environment: dict[str, str],
) -> None:
    call, good, _ = OF_S3["head"]
    gone = "HTTP/1.1 404 Not Found"
    async with stub(Odd(good)) as serving, Clients(environment) as clients:
        client = await clients.open("s3", endpoint_url=serving.url, attempts=1)
        for head, down in (((HTML,), True), (("Content-Type: application/xml",), False), ((), False)):
            await call(client)
            serving.now = Odd(headed(b"", *head, "Content-Length: 0", start=gone))
            with pytest.raises(ClientError) as error:
                await call(client)
            assert is_outage(error.value) is down
            serving.now = serving.usual


async def test_a_refusal_in_whose_parts_botocores_parser_breaks_is_an_outage(environment: dict[str, str]) -> None:
    service, call, good, _ = CALLS["transact"]
    odd = {"__type": "TransactionCanceledException", "CancellationReasons": [7]}
    async with stub(Odd(whole(good))) as serving, Clients(environment) as clients:
        client = await clients.open(service, endpoint_url=serving.url, attempts=1)
        await call(client)
        serving.now = Odd(refusal("400 Bad Request", odd))
        with pytest.raises(Exception) as error:  # noqa: PT011  # whatever botocore's parser raises
            await call(client)
        assert is_outage(error.value)
