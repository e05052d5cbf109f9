"""S3's fast calls: their requests and signatures are botocore's, and both clients make the same of every odd answer."""

import base64
import string
from calendar import timegm
from hashlib import sha256
from time import strptime
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from hypothesis import given, settings
from hypothesis import strategies as some
from structlog.testing import capture_logs

from shared.aws.objects import FastObjects, build_request, place_of, read_head, read_put
from shared.clients import watch
from shared.road.failure.breakers import OPENS_AT, Breakers
from tests.shared.aws.contract import answers
from tests.shared.aws.contract.answers import Odd, chunks, headed, refusal, whole
from tests.shared.aws.contract.stub import Stub, opened, stub
from tests.shared.aws.contract.test_contract_over_odd_answers import Call, ending
from tests.shared.aws.contract.test_requests import KEYS, Captured, client, text

BODY = b"some bytes"


def put(key: str, body: bytes = BODY, **more: Any) -> dict[str, Any]:
    digest = base64.b64encode(sha256(body).digest()).decode()
    return {"Bucket": "ledgers", "Key": key, "Body": body, "ChecksumSHA256": digest, **more}


def botocores(endpoint: str | None, method: str, asked: dict[str, Any]) -> Any:
    with pytest.raises(Captured) as caught:
        getattr(client("s3", endpoint), method)(**asked)
    return caught.value.request


names = some.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=10)
words = some.text(string.ascii_letters + "=/+;,", min_size=1, max_size=30)
keys = some.lists(some.text("abcXYZ019-_~%+ :@é&=!*'()$,;?#", min_size=1, max_size=8), min_size=1, max_size=4).map(
    "/".join
)
named = some.dictionaries(names, words).filter(lambda found: len({*map(str.lower, found)}) == len(found))
options = some.fixed_dictionaries({}, optional={"ContentType": words, "IfNoneMatch": some.just("*"), "Metadata": named})


@pytest.mark.parametrize("endpoint", [None, "http://127.0.0.1:4566"])
@settings(max_examples=20, deadline=None)
@given(first=keys, key=keys, body=some.binary(max_size=50), more=options, is_put=some.booleans())
def test_a_request_is_botocores(
    *, endpoint: str | None, first: str, key: str, body: bytes, more: dict[str, Any], is_put: bool
) -> None:
    asked = put(key, body, **more) if is_put else {"Bucket": "ledgers", "Key": key}
    method, wanted = ("put_object", read_put(asked)) if is_put else ("head_object", read_head(asked))
    shown = read_head({"Bucket": "ledgers", "Key": first})
    assert wanted is not None
    assert shown is not None
    place = place_of(botocores(endpoint, "head_object", {"Bucket": "ledgers", "Key": first}), shown.segment)
    theirs = botocores(endpoint, method, asked)
    assert place is not None
    stamp = text(theirs.headers["X-Amz-Date"])
    head, _, sent = build_request(
        theirs.method, place, wanted, KEYS, now=timegm(strptime(stamp, "%Y%m%dT%H%M%SZ"))
    ).partition(b"\r\n\r\n")
    start, *lines = head.decode().split("\r\n")
    ours = dict(line.split(": ", 1) for line in lines)
    path = theirs.url.split("/", 3)[3]
    assert start == f"{theirs.method} /{path} HTTP/1.1"
    assert sent == (body if is_put else b"")
    found = {name.lower(): text(value) for name, value in theirs.headers.items()}
    for name in ("amz-sdk-invocation-id", "amz-sdk-request", "expect", "content-length"):
        found.pop(name, None)
    ours = {name.lower(): value for name, value in ours.items()}
    assert {name: value for name, value in ours.items() if name in found} == found
    assert ours["host"] == theirs.url.split("/")[2]
    assert ours.keys() - found.keys() <= {"host", "accept-encoding", "content-length"}


LEFT = [
    {"Bucket": "ledgers", "Key": "k", "Body": BODY}, put("k", ContentEncoding="gzip"), put("k") | {"Body": "text"}, put(""), put("../k"),
    put("a//b"), put("/k"), put("k", Metadata={"a": "é"}), put("k", Metadata={"a": "two  spaces"}), put("k", Metadata={"a": ""}),
    put("k", ContentType="a\r\nb: c"), put("k", Metadata={"a:b": "c"}), put("k") | {"Bucket": "arn:aws:s3:::b"}, put("\ud83d"),
    put("k", Metadata={"E": "1", "e": "2"}), put("k") | {"ChecksumSHA256": "eA=="}, put("k") | {"ChecksumSHA256": "!"}, put("k") | {"Bucket": ""}, put("k", IfNoneMatch=None),
]  # fmt: skip


@pytest.mark.parametrize("asked", LEFT)
def test_what_is_not_a_plain_put_is_left_to_botocore(asked: dict[str, Any]) -> None:
    assert read_put(asked) is None
    assert read_put(put("k")) is not None


CALLS: dict[str, Call] = {
    "put": lambda to: to.put_object(**put("a/b", IfNoneMatch="*", Metadata={"rows": "1"})),
    "head": lambda to: to.head_object(Bucket="ledgers", Key="a/b"),
}
USUAL = Odd(whole(b"", 'ETag: "e"', "x-amz-meta-rows: 1", "Last-Modified: Thu, 26 Nov 2026 12:00:00 GMT"))
SLOW = b"<Error><Code>SlowDown</Code><Message>no</Message></Error>"
PRECONDITION = (
    b"<Error><Code>PreconditionFailed</Code><Message>no</Message><Condition>If-None-Match</Condition></Error>"
)


def is_fast(serving: Stub) -> bool:
    return b"amz-sdk-invocation-id" not in serving.head.lower()


def cases(name: str) -> dict[str, Odd]:
    own = {"412": Odd(refusal("412 Precondition Failed", PRECONDITION if name == "put" else b"")),
           "404 without a body": Odd(refusal("404 Not Found", b"", "x-amz-request-id: r"))}  # fmt: skip
    good = b"" if name == "head" else SLOW
    return own | answers.statuses(good) | (answers.on_the_wire(SLOW) if name == "put" else {})


@pytest.mark.slow
@pytest.mark.parametrize("name", CALLS)
async def test_both_clients_make_the_same_of_every_odd_answer(name: str) -> None:
    call, wrong = CALLS[name], {}
    async with stub(USUAL) as serving, opened("s3", serving.url) as plain:
        for case, odd in cases(name).items():
            fast, found = FastObjects(plain), []
            expected = await ending(call, fast)
            assert await ending(call, fast) == expected
            assert is_fast(serving)
            for each in (plain, fast):
                serving.now = odd
                found.append(await ending(call, each))
                serving.now = USUAL
                await serving.quiet()
            for _ in range(2):  # the first of them may be botocore's, which looks for the bucket anew
                assert await ending(call, fast) == expected
            if found[0] != found[1] or not is_fast(serving):
                wrong[case] = (*found, is_fast(serving))
    assert wrong == {}


CHUNKED = ("Transfer-Encoding: chunked", "Content-Type: application/xml")
ABSENT = Odd(headed(b"", *CHUNKED, start="HTTP/1.1 404 Not Found"))
THERE = Odd(headed(chunks(PRECONDITION), *CHUNKED, start="HTTP/1.1 412 Precondition Failed"))
FAILED = Odd(refusal("503 Slow Down", SLOW))


@pytest.mark.parametrize(
    ("name", "odd", "stays"), [("head", ABSENT, True), ("put", THERE, True), ("put", FAILED, False)]
)
async def test_only_an_answer_that_is_not_a_days_work_has_the_bucket_looked_for_anew(
    name: str, odd: Odd, *, stays: bool
) -> None:
    async with stub(USUAL) as serving, opened("s3", serving.url) as plain:
        fast = FastObjects(plain)
        await CALLS[name](fast)
        serving.now = odd
        assert (await ending(CALLS[name], fast))[0] == "ClientError"
        assert is_fast(serving)
        serving.now = USUAL
        await CALLS[name](fast)
        assert is_fast(serving) == stays


@pytest.mark.parametrize("road", ["plain", "fast"])
async def test_an_object_that_is_not_there_says_nothing_of_its_bucket(road: str) -> None:
    breakers = Breakers()
    async with stub(USUAL) as serving, opened("s3", serving.url) as plain:
        watch(plain, "s3", breakers)
        client = (
            plain if road == "plain" else FastObjects(plain, answered=lambda call: breakers.succeeded("s3", call=call))
        )
        await CALLS["head"](client)
        serving.now = ABSENT
        for _ in range(OPENS_AT):
            assert (await ending(CALLS["head"], client))[0] == "ClientError"
            breakers.failed("s3", code="SlowDown")
    assert breakers.open
    breakers.leave()


async def test_a_request_with_a_header_of_somebodys_hook_makes_botocore_do_all() -> None:
    async with stub(USUAL) as serving, opened("s3", serving.url) as plain:
        plain.meta.events.register("before-sign.s3", lambda request, **_: request.headers.add_header("x-ours", "1"))
        fast = FastObjects(plain)
        with capture_logs() as logs:
            for _ in range(3):
                await CALLS["put"](fast)
                assert not is_fast(serving)
    assert [each["event"] for each in logs] == ["aws_calls_stepped_aside"]


@settings(max_examples=20)
@given(key=keys, now=some.integers(0, 4_102_444_800))
def test_a_signature_is_botocores(key: str, now: int) -> None:
    wanted = read_put(put(key, ContentType="text/plain"))
    shown = read_head({"Bucket": "ledgers", "Key": "k"})
    assert wanted is not None
    assert shown is not None
    place = place_of(botocores(None, "head_object", {"Bucket": "ledgers", "Key": "k"}), shown.segment)
    assert place is not None
    head = build_request("PUT", place, wanted, KEYS, now=now).partition(b"\r\n\r\n")[0].decode()
    ours = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
    date = ours["X-Amz-Date"]
    request = AWSRequest("PUT", f"{place.url}{wanted.segment}", {**wanted.headers, "X-Amz-Date": date}, BODY)
    request.context["timestamp"] = date
    request.headers["X-Amz-Security-Token"] = str(KEYS.token)
    request.headers["X-Amz-Content-SHA256"] = wanted.hash
    auth: Any = S3SigV4Auth(KEYS, "s3", "eu-west-1")
    signature = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    assert ours["Authorization"].rpartition("=")[2] == signature
