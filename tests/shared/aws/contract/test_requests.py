"""A request made from a pattern is the one that botocore makes: path, headers and body; and its signature is botocore's."""

import json
from calendar import timegm
from functools import cache
from time import strptime
from typing import Any

import botocore.session
import pytest
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials
from hypothesis import assume, given, settings
from hypothesis import strategies as some

from shared.aws.operation import FAST, Operation
from shared.aws.pattern import pattern_of
from tests.shared.aws.test_operation import model, operation, values
from tests.shared.aws.test_signer import as_botocore_signs

CALLS = [(service, method, action) for service, calls in FAST.items() for method, action in calls.items()]
KEYS = ReadOnlyCredentials("AKIDEXAMPLE", "secret", "token")
ONE_CALLS_OWN = {"amz-sdk-invocation-id", "amz-sdk-request", "content-length"}
ADDED = {"host", "accept-encoding", "content-length"}
BASE = "http://127.0.0.1:4566/prod/"


class Captured(Exception):
    def __init__(self, request: Any) -> None:
        super().__init__()
        self.request = request


def capture(request: Any, **_event: Any) -> None:
    raise Captured(request)


@cache
def session() -> Any:
    return botocore.session.get_session()


@cache
def client(service: Any, endpoint: str | None = BASE) -> Any:
    made: Any = session().create_client(
        service,
        region_name="eu-west-1",
        endpoint_url=endpoint,
        aws_access_key_id=KEYS.access_key,
        aws_secret_access_key=KEYS.secret_key,
        aws_session_token=KEYS.token,
    )
    made.meta.events.register("before-send", capture)
    return made


@pytest.mark.parametrize("options", [{"use_fips_endpoint": True}, {"use_dualstack_endpoint": True}])
@pytest.mark.parametrize(("service", "method", "asked"), [
    ("dynamodb", "get_item", {"TableName": "t", "Key": {"id": {"S": "x"}}}),
    ("sqs", "receive_message", {"QueueUrl": "https://sqs.us-east-1.amazonaws.com/123456789012/orders"}),
    ("events", "put_events", {"Entries": [{"Source": "s", "DetailType": "d", "Detail": "{}"}]}),
])  # fmt: skip
def test_another_endpoint_of_aws_is_part_of_the_pattern(
    service: Any, method: str, asked: dict[str, Any], options: dict[str, Any]
) -> None:
    made: Any = session().create_client(
        service, region_name="us-east-1", config=Config(**options),
        aws_access_key_id=KEYS.access_key, aws_secret_access_key=KEYS.secret_key,
    )  # fmt: skip
    made.meta.events.register("before-send", capture)
    with pytest.raises(Captured) as caught:
        getattr(made, method)(**asked)
    found = pattern_of(caught.value.request)
    assert found is not None
    assert f"\r\nhost: {caught.value.request.url.split('/')[2]}\r\n" in found.head
    assert "fips" in found.url or "api.aws" in found.url


def botocores(service: str, method: str, asked: dict[str, Any]) -> Any:
    with pytest.raises(Captured) as caught:
        getattr(client(service), method)(**asked)
    return caught.value.request


def text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


@pytest.mark.parametrize(("service", "method", "action"), CALLS)
@settings(max_examples=4, deadline=None)
@given(data=some.data())
def test_a_request_from_a_pattern_is_botocores(service: str, method: str, action: str, data: some.DataObject) -> None:
    first, second = (data.draw(values(model(service, action).input_shape, answer=False)) for _ in range(2))
    parts = [operation(service, action).parts(asked) for asked in (first, second)]
    assume(None not in parts)
    pattern = pattern_of(botocores(service, method, first), parts[0].segment)  # type: ignore[union-attr]  # see above
    theirs = botocores(service, method, second)
    date = text(theirs.headers["X-Amz-Date"])
    assert pattern is not None
    now = timegm(strptime(date, "%Y%m%dT%H%M%SZ"))
    head, _, body = pattern.whole(parts[1], KEYS, now=now).partition(b"\r\n\r\n")  # type: ignore[arg-type]
    start, *lines = head.decode("latin-1").split("\r\n")
    ours = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    theirs_by_name = {name.lower(): text(value) for name, value in theirs.headers.items()}
    assert start == f"{theirs.method} {theirs.url.removeprefix('http://127.0.0.1:4566')} HTTP/1.1"
    assert said(body, action) == said(theirs.body or b"", action)
    signature, their_signature = ours.pop("authorization"), theirs_by_name.pop("authorization")
    assert signature.rpartition("=")[0] == their_signature.rpartition("=")[0]
    assert {name: ours[name] for name in ours.keys() - ADDED} == {
        name: value for name, value in theirs_by_name.items() if name not in ONE_CALLS_OWN
    }
    signed = {name: value for name, value in ours.items() if not name.startswith("x-amz-") or name == "x-amz-target"}
    assert (
        signature
        == as_botocore_signs(
            theirs.url,
            body,
            KEYS,
            headers={name: value for name, value in signed.items() if name not in ADDED},
            now=now,
            region="eu-west-1",
            service=signature.split("/")[3],
        )["Authorization"]
    )


def said(body: bytes, action: str) -> Any:
    """What a body says; a token that is made for each call is left out."""
    if action == "PostToConnection":
        return body
    found = json.loads(body)
    return {name: value for name, value in found.items() if name != "ClientRequestToken"}


POST = Operation(model("apigatewaymanagementapi", "PostToConnection"))


@pytest.mark.parametrize("connection", ["L0SM9cOFvHcCIhw=", "a b/c?d#e", "ü", "%2F", "..."])
def test_a_connections_id_is_encoded_as_botocore_encodes_it(connection: str) -> None:
    parts = POST.parts({"ConnectionId": connection, "Data": b"{}"})
    assert parts is not None
    theirs = botocores("apigatewaymanagementapi", "post_to_connection", {"ConnectionId": connection, "Data": b"{}"})
    assert theirs.url == f"{BASE}@connections/{parts.segment}"


@pytest.mark.parametrize(
    "asked",
    [
        {"ConnectionId": "", "Data": b"{}"}, {"ConnectionId": "..", "Data": b"{}"}, {"ConnectionId": "\ud83d", "Data": b"{}"},
        {"ConnectionId": "a", "Data": "text"}, {"ConnectionId": "a"}, {"ConnectionId": 7, "Data": b""}, {"ConnectionId": "a", "Data": b"", "x": 1},
    ],
)  # fmt: skip
def test_a_post_of_another_kind_is_left_to_botocore(asked: dict[str, Any]) -> None:
    assert POST.parts(asked) is None
