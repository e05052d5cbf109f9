"""LocalStack, as a web page or another user of this machine finds it. Runs under `make e2e-localstack`."""

import socket
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from fleet.dev.emulators.gate import LARGEST_BODY
from fleet.dev.emulators.ministack import Endpoint
from tests.aws import Aws
from tests.fleet.dev.emulators.test_hostile_clients import CREATE, LIST, asked, client

pytestmark = pytest.mark.localstack


@pytest.fixture
def own(emulator: Endpoint) -> Endpoint:
    """The LocalStack that the fleet started itself, on this machine."""
    if emulator.access_key_id == "test":
        pytest.skip("this LocalStack was started by somebody else, without a gate")
    return emulator


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("POST", "/", LIST),
        ("POST", "/", {**CREATE, "Origin": "http://evil.example"}),
        ("POST", "/", {**LIST, "Host": "evil.example"}),
        ("GET", "/?Action=ListQueues&Version=2012-11-05", {}),
        ("POST", "/2015-03-31/functions", {"Content-Type": "text/plain"}),
        ("PUT", "/fleet-uploads-dev/planted", {}),
        ("OPTIONS", "/", {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}),
        ("GET", "/_localstack/health", {}),
        ("GET", "/_localstack/init", {}),
        ("GET", "/_aws/sqs/messages", {}),
        ("GET", "/", {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}),
    ],
)  # fmt: skip
def test_who_has_no_key_is_refused_and_allowed_nothing_by_cors(
    own: Endpoint, method: str, path: str, headers: dict[str, str]
) -> None:
    status, answered, _ = asked(own, method, path, headers)
    assert status == 403
    assert [name for name in answered if name.startswith("access-control-")] == []


def test_another_key_opens_nothing(own: Endpoint) -> None:
    for keys in (("test", "test"), (own.access_key_id, "test")):
        for service, asks in (("sqs", "list_queues"), ("dynamodb", "list_tables"), ("s3", "list_buckets")):
            with pytest.raises(ClientError) as refused:
                getattr(client(service, own, *keys), asks)()
            assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_functions_are_closed_even_to_the_runs_own_key(own: Endpoint) -> None:
    with pytest.raises(ClientError):
        client("lambda", own, own.access_key_id, own.secret_access_key).list_functions()


def test_nothing_of_an_answer_speaks_to_other_origins(own: Endpoint, aws: Aws) -> None:
    answer = aws.s3.list_buckets()["ResponseMetadata"]["HTTPHeaders"]
    assert [name for name in answer if name.startswith("access-control-")] == []


def test_it_listens_on_loopback_alone(own: Endpoint) -> None:
    port = urlsplit(own.url).port
    with socket.socket() as other:  # another address of loopback, which a listener on every interface would hold
        other.connect_ex(("127.0.0.2", port or 0))
        with pytest.raises(OSError, match="not connected"):
            other.getpeername()


def test_a_body_without_end_is_cut_off(own: Endpoint) -> None:
    place = urlsplit(own.url)
    with socket.create_connection((place.hostname, place.port), timeout=60) as stranger:
        stranger.sendall(f"POST / HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Length: {1 << 40}\r\n\r\n".encode())
        with pytest.raises(ConnectionError):
            stranger.sendall(bytes(2 * LARGEST_BODY))
