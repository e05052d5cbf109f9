"""Who may speak to an emulator: requests as AWS's own signers make them, and what is wrong with others."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import HmacV1QueryAuth, S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from fleet.dev.emulators.gate import SERVICES, Gate, Keys, Refused, Request, new_keys, signs_body

KEYS = new_keys()
GATE = Gate(KEYS, 4567)
URL = "http://127.0.0.1:4567"
ODD = "/bucket/a%20b/Gr%C3%BC%C3%9Fe%2Bc%26d"


def signed(
    service: str = "sqs", *, keys: Keys = KEYS, path: str = "/", url: str = URL, body: bytes = b"{}", **headers: str
) -> tuple[Request, bytes]:
    """A request as botocore signs it for this service."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    request = AWSRequest("POST", f"{url}{path}", {"X-Amz-Target": "AmazonSQS.ListQueues", **names}, body)
    signer: Any = S3SigV4Auth if service == "s3" else SigV4Auth
    signer(Credentials(*keys), service, "us-east-1").add_auth(request)
    return sent(request), body


def presigned(signer: Callable[..., Any], path: str, *, lasts: int = 60) -> Request:
    request = AWSRequest("GET", f"{URL}{path}")
    region = () if signer is HmacV1QueryAuth else ("s3", "us-east-1")
    signer(Credentials(*KEYS), *region, expires=lasts).add_auth(request)
    return sent(request, date=None)


def sent(request: AWSRequest, **more: Any) -> Request:
    """What arrives of a request: its head."""
    place = urlsplit(str(request.url))
    headers = {name.lower(): value for name, value in request.headers.items()}
    headers = {name: value for name, value in (headers | {"host": place.netloc} | more).items() if value is not None}
    return Request(str(request.method), place.path, place.query, headers)


def let_in(request: Request, body: bytes = b"", *, gate: Gate = GATE, later: float = 0.0) -> None:
    signature = gate.admit(request, now=datetime.now(UTC).timestamp() + later)
    gate.prove(request, signature, body if signs_body(request, signature) else b"")


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_what_is_signed_with_the_runs_key_goes_through(service: str) -> None:
    let_in(*signed(service))


@pytest.mark.parametrize("service", ["s3", "sqs"])
def test_names_and_queries_with_odd_characters_are_signed_as_amazon_signs_them(service: str) -> None:
    let_in(*signed(service, path=f"{ODD}?uploads&prefix=a%20b%2F&z=1&a=%C3%BC"))


@pytest.mark.parametrize("signer", [S3SigV4QueryAuth, HmacV1QueryAuth])
def test_a_presigned_url_holds_until_its_end_and_not_for_another_object(signer: Callable[..., Any]) -> None:
    request = presigned(signer, f"{ODD}?versionId=1")
    let_in(request, later=55)
    with pytest.raises(Refused, match="time"):
        let_in(request, later=65)
    for other in (replace(request, path="/bucket/other"), replace(request, method="PUT")):
        with pytest.raises(Refused, match="does not fit"):
            let_in(other)


@pytest.mark.parametrize("host", ["evil.example:4567", "127.0.0.1:4568", "127.0.0.1", "127.0.0.1:4567,evil.example"])
def test_another_host_is_refused_though_the_signature_fits(host: str) -> None:
    request, body = signed(url=f"http://{host.partition(',')[0]}")
    with pytest.raises(Refused, match="Host"):
        let_in(replace(request, headers={**request.headers, "host": host}), body)


@pytest.mark.parametrize("origin", ["null", "http://evil.example", f"{URL}", "http://localhost:3000"])
def test_a_web_page_is_refused_wherever_it_comes_from(origin: str) -> None:
    with pytest.raises(Refused, match="web pages"):
        let_in(*signed(Origin=origin))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not signed"),
        ("Bearer x", "not signed"),
        ("AWS4-HMAC-SHA256 nonsense", "not signed"),
        ("AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=0", "not signed"),
    ],
)
def test_what_carries_no_signature_is_refused(text: str, why: str) -> None:
    request, body = signed()
    with pytest.raises(Refused, match=why):
        let_in(replace(request, headers={**request.headers, "authorization": text}), body)


def test_another_key_or_another_secret_is_refused() -> None:
    for keys, why in ((Keys("test", KEYS.secret_access_key), "access key"), (Keys(KEYS[0], "test"), "does not fit")):
        with pytest.raises(Refused, match=why):
            let_in(*signed(keys=keys))


def test_what_was_changed_on_the_way_is_refused() -> None:
    request, body = signed()
    target = {**request.headers, "x-amz-target": "AmazonSQS.PurgeQueue"}
    for changed, content in (
        (request, b"{ }"),
        (replace(request, headers=target), body),
        (replace(request, query="a"), body),
    ):
        with pytest.raises(Refused, match="does not fit"):
            let_in(changed, content)


@pytest.mark.parametrize("later", [-1000.0, 1000.0])
def test_an_old_signature_is_worth_nothing(later: float) -> None:
    with pytest.raises(Refused, match="time"):
        let_in(*signed(), later=later)


@pytest.mark.parametrize("service", ["lambda", "iam", "ec2", "states"])
def test_a_service_that_the_fleet_does_not_use_is_closed(service: str) -> None:
    with pytest.raises(Refused, match=f"the service {service} is not open"):
        let_in(*signed(service))


@pytest.mark.parametrize("path", ["/_ministack/reset", "/_aws/sqs/messages", "/_localstack/init"])
def test_the_emulators_own_controls_are_closed(path: str) -> None:
    with pytest.raises(Refused, match="controls"):
        let_in(*signed("s3", path=path))


def test_a_control_that_a_run_opens_still_wants_its_key() -> None:
    ready = Gate(KEYS, 4567, controls=frozenset({"/_localstack/init"}))
    let_in(*signed(path="/_localstack/init"), gate=ready)
    for request, body in (signed(path="/_localstack/init/more"), signed(keys=new_keys(), path="/_localstack/init")):
        with pytest.raises(Refused):
            let_in(request, body, gate=ready)


def test_functions_are_open_where_a_run_needs_them_and_sign_with_their_account() -> None:
    open_gate = Gate(KEYS, 4567, functions=True)
    account = Keys("000000000000", KEYS.secret_access_key)
    let_in(*signed("lambda"), gate=open_gate)
    let_in(*signed(keys=account), gate=open_gate)
    with pytest.raises(Refused, match="access key"):
        let_in(*signed(keys=account))


def test_no_two_runs_have_the_same_key() -> None:
    assert len({each for _ in range(100) for each in new_keys()}) == 200
