"""Our signatures are botocore's, to the byte."""

import string
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given, settings
from hypothesis import strategies as some

from shared.aws.signer import Signer
from tests.examples import examples

KEYS = ReadOnlyCredentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None)
VISIBLE = string.ascii_letters + string.digits + string.punctuation

words = some.text(VISIBLE, min_size=1, max_size=60)
names = some.text(string.ascii_letters + string.digits + "-", min_size=1, max_size=20)
hosts = some.one_of(
    some.from_regex(r"[a-zA-Z][a-zA-Z0-9]{0,10}(\.[a-z]{2,8}){0,3}", fullmatch=True),
    some.ip_addresses(v=4).map(str),
    some.ip_addresses(v=6).map(lambda address: f"[{address}]"),
)
ports = some.one_of(
    some.just(""), some.integers(1, 65535).map(lambda port: f":{port}"), some.sampled_from([":80", ":443"])
)
paths = some.one_of(
    some.just(""), some.text("abcXYZ019/.-_~%+ :@é&=!*'()$,;", max_size=40).map(lambda path: f"/{path}")
)
headers = some.dictionaries(
    names.filter(lambda name: name.lower() not in {"host", "date", "authorization", "user-agent", "expect"})
    .filter(lambda name: not name.lower().startswith(("x-amz", "transfer-", "x-amzn-trace")))
    .map(str.lower),
    some.text(VISIBLE + "  é", min_size=1, max_size=40),
    max_size=4,
)
keys = some.builds(ReadOnlyCredentials, words, words, some.one_of(some.none(), some.text(VISIBLE, max_size=300)))
times = some.integers(0, 4_102_444_800)


def as_botocore_signs(
    url: str, body: bytes, keys: ReadOnlyCredentials, *, headers: dict[str, str], now: int, region: str, service: str
) -> dict[str, str]:
    """What SigV4Auth.add_auth does, at a given time."""
    request = AWSRequest(method="POST", url=url, headers=headers, data=body)
    request.context["timestamp"] = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    auth: Any = SigV4Auth(keys, service, region)
    auth._modify_request_before_signing(request)
    text = auth.string_to_sign(request, auth.canonical_request(request))
    auth._inject_signature_to_request(request, auth.signature(text, request))
    return {name: value for name, value in request.headers.items() if name not in headers}


@pytest.mark.slow
@settings(max_examples=examples(400))
@given(
    scheme=some.sampled_from(["http", "https"]),
    host=hosts,
    port=ports,
    path=paths,
    headers=headers,
    calls=some.lists(some.tuples(some.binary(max_size=2000), keys, times), min_size=1, max_size=4),
    region=names,
    service=names,
)
def test_any_request_is_signed_as_botocore_signs_it(
    *,
    scheme: str,
    host: str,
    port: str,
    path: str,
    headers: dict[str, str],
    calls: list[tuple[bytes, ReadOnlyCredentials, int]],
    region: str,
    service: str,
) -> None:
    url = f"{scheme}://{host}{port}{path}"
    signer = Signer(url, headers, region=region, service=service)
    for body, own, now in calls:  # one signer for all: what it keeps from one request must not show in the next
        assert signer.sign(body, own, now=now + 0.9) == as_botocore_signs(
            url, body, own, headers=headers, now=now, region=region, service=service
        )


def test_a_key_that_changes_signs_at_once() -> None:
    signer = Signer("https://sqs.eu-west-1.amazonaws.com/", {}, region="eu-west-1", service="sqs")
    first = signer.sign(b"{}", KEYS, now=0)
    other = signer.sign(b"{}", ReadOnlyCredentials(KEYS.access_key, "another", None), now=0)
    assert first != other
    assert signer.sign(b"{}", KEYS, now=0) == first


def test_a_new_day_has_a_new_signing_key() -> None:
    signer = Signer("https://sqs.eu-west-1.amazonaws.com/", {}, region="eu-west-1", service="sqs")
    for now in (86_399, 86_400, 86_399):
        expected = as_botocore_signs(
            "https://sqs.eu-west-1.amazonaws.com/", b"x", KEYS, headers={}, now=now, region="eu-west-1", service="sqs"
        )
        assert signer.sign(b"x", KEYS, now=now) == expected


@pytest.mark.parametrize("url", ["/path", "https://sqs.eu-west-1.amazonaws.com/?Action=ReceiveMessage"])
def test_what_it_cannot_sign_it_refuses(url: str) -> None:
    with pytest.raises(ValueError, match="only an absolute URL"):
        Signer(url, {}, region="eu-west-1", service="sqs")
