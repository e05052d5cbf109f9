"""S3's small reads: requests are botocore's, and both clients make the same of every odd answer."""

import base64
from calendar import timegm
from time import strptime
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from structlog.testing import capture_logs

from shared.aws.objects import SMALL, FastObjects, build_request, place_of, read_get
from tests.shared.aws.contract import answers
from tests.shared.aws.contract.answers import Odd, headed, refusal, whole
from tests.shared.aws.contract.stub import opened, stub
from tests.shared.aws.contract.test_contract_over_odd_answers import ending
from tests.shared.aws.contract.test_objects import botocores, is_fast, keys
from tests.shared.aws.contract.test_requests import KEYS, text

ASKED = {"Bucket": "ledgers", "Key": "a/b", "Range": "bytes=0-4095"}
BODY = b"\x89PNG some bytes"
HEAD = ('ETag: "e"', "x-amz-request-id: r", "Content-Range: bytes 0-15/99", "x-amz-meta-rows: 1")
USUAL = Odd(whole(BODY, *HEAD, status="206 Partial Content"))
words = some.text("abcXYZ019+/=_.~-", min_size=1, max_size=20)
options = some.fixed_dictionaries(
    {
        "Range": some.tuples(some.integers(0, 10**12), some.integers(0, SMALL - 1)).map(
            lambda at: f"bytes={at[0]}-{sum(at)}"
        )
    },
    optional={"VersionId": words, "IfMatch": words.map('"{}"'.format)},
)


@pytest.mark.parametrize("endpoint", [None, "http://127.0.0.1:4566"])
@settings(max_examples=25, deadline=None)
@given(first=keys, key=keys, shown=options, more=options)
def test_a_request_is_botocores(
    endpoint: str | None, first: str, key: str, shown: dict[str, Any], more: dict[str, Any]
) -> None:
    learned, asked = {"Bucket": "ledgers", "Key": first, **shown}, {"Bucket": "ledgers", "Key": key, **more}
    before, wanted = read_get(learned), read_get(asked)
    assert before is not None
    assert wanted is not None
    place = place_of(botocores(endpoint, "get_object", learned), before.target)
    assert place is not None
    theirs = botocores(endpoint, "get_object", asked)
    stamp = text(theirs.headers["X-Amz-Date"])
    ours = build_request("GET", place, wanted, KEYS, now=timegm(strptime(stamp, "%Y%m%dT%H%M%SZ"))).decode()
    start, *lines = ours.removesuffix("\r\n\r\n").split("\r\n")
    assert start == f"GET /{theirs.url.split('/', 3)[3]} HTTP/1.1"
    own = {"amz-sdk-invocation-id", "amz-sdk-request"}
    expected = {name.lower(): text(value) for name, value in theirs.headers.items() if name.lower() not in own}
    found = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    assert found == expected | {"host": theirs.url.split("/")[2], "accept-encoding": "identity"}


@pytest.mark.parametrize(
    "more",
    [
        {"Range": None},
        {"Range": "bytes=0-"},
        {"Range": "bytes=-5"},
        {"Range": "bytes=5-4"},
        {"Range": "bytes=0-65536"},
        {"Range": "bytes=0-1,3-4"},
        {"VersionId": ""},
        {"VersionId": 7},
        {"IfMatch": "a\r\nb: c"},
        {"IfNoneMatch": "*"},
        {"PartNumber": 1},
        {"Key": "a//b"},
    ],
)
def test_what_is_no_small_range_is_left_to_botocore(more: dict[str, Any]) -> None:
    assert read_get(ASKED) is not None
    assert read_get(ASKED | more) is None
    assert read_get({"Bucket": "ledgers", "Key": "a/b"}) is None


async def get(client: Any) -> Any:
    answer = await client.get_object(**ASKED)
    async with answer["Body"] as body:
        return {**answer, "Body": await body.read()}


def summed(body: bytes, of: bytes) -> Odd:
    digest = base64.b64encode(crc32(of).to_bytes(4, "big")).decode()
    return Odd(whole(body, *HEAD, f"x-amz-checksum-crc32: {digest}", status="206 Partial Content"))


ERRORS = {
    f"{code} {status[:3]}": Odd(refusal(status, f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()))
    for status, code in (
        ("404 Not Found", "NoSuchKey"),
        ("404 Not Found", "NoSuchBucket"),
        ("404 Not Found", "NoSuchVersion"),
        ("405 Method Not Allowed", "MethodNotAllowed"),
        ("412 Precondition Failed", "PreconditionFailed"),
        ("416 Range Not Satisfiable", "InvalidRange"),
        ("403 Forbidden", "AccessDenied"),
        ("403 Forbidden", "InvalidObjectState"),
        ("503 Slow Down", "SlowDown"),
    )
}
OWN = ERRORS | {
    "a whole object": Odd(whole(BODY, *HEAD)),
    "no byte": Odd(whole(b"", *HEAD)),
    "no ETag": Odd(whole(BODY, "x-amz-request-id: r", status="206 Partial Content")),
    "a page": Odd(whole(b"<html>", 'ETag: "e"', "Content-Type: text/html", status="206 Partial Content")),
    "its checksum": summed(BODY, BODY),
    "another checksum": summed(BODY, b"else"),
    "a checksum of parts": Odd(whole(BODY, *HEAD, "x-amz-checksum-crc32: abcd-2", status="206 Partial Content")),
    "more than was asked for": Odd(whole(b"x" * (SMALL + 1), *HEAD)),
}
BROKEN_OFF = {"chunked, cut", "chunked, wrong size", "cut body", "shorter than it says", "504, cut"}
"""A body that breaks off fails where it is read at botocore's, and the call itself here, which is tried again."""


@pytest.mark.slow
async def test_both_clients_make_the_same_of_every_odd_answer() -> None:
    cases = (
        OWN
        | answers.statuses(b"<Error/>")
        | {
            name: Odd(
                each.raw.replace(b"\r\n", b'\r\nETag: "e"\r\n', 1), ends=each.ends, half=each.half, pieces=each.pieces
            )
            for name, each in answers.on_the_wire(BODY).items()
        }
    )
    wrong = {}
    async with stub(USUAL) as serving, opened("s3", serving.url) as plain:
        for name, odd in cases.items():
            fast, found = FastObjects(plain), []
            expected = await ending(get, fast)
            assert expected[1]["Body"] == BODY
            assert await ending(get, fast) == expected
            assert is_fast(serving)
            for each in (plain, fast):
                serving.now = odd
                found.append(await ending(get, each))
                serving.now = USUAL
                await serving.quiet()
            if found[0] != found[1] and not (name in BROKEN_OFF and "answered" not in (found[0][0], found[1][0])):
                wrong[name] = found
            assert await ending(get, fast) == expected, "whoever makes the next call"
    assert len(cases) > 100
    assert wrong == {}


@pytest.mark.parametrize(
    "odd",
    [
        Odd(whole(b"x" * (SMALL + 1), *HEAD)),
        Odd(headed(b"5\r\nabcde\r\n0\r\n\r\n", *HEAD, "Transfer-Encoding: chunked")),
    ],
)
async def test_a_store_that_sends_more_than_was_asked_for_is_read_by_botocore_from_then_on(odd: Odd) -> None:
    async with stub(USUAL) as serving, opened("s3", serving.url) as plain:
        fast = FastObjects(plain)
        with capture_logs() as logs:
            for serving.now in (USUAL, odd, USUAL):
                await get(fast)
                assert not is_fast(serving)
            serving.now = Odd(whole(b"", *HEAD))
            await fast.head_object(Bucket="ledgers", Key="a/b")
            await fast.head_object(Bucket="ledgers", Key="a/b")
            assert is_fast(serving), "only what is read is the store's trouble"
    assert [each["event"] for each in logs] == ["aws_calls_stepped_aside"]
