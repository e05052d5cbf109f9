"""The running emulator, as a web page or another user of this machine finds it: through its port alone."""

import http.client
import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from fleet.dev.emulators.ministack import Endpoint, ministack
from tests.aws import Aws

LIST = {"X-Amz-Target": "AmazonSQS.ListQueues", "Content-Type": "application/x-amz-json-1.0"}
CREATE = {"X-Amz-Target": "AmazonSQS.CreateQueue", "Content-Type": "text/plain"}


def asked(
    endpoint: Endpoint, method: str, path: str, headers: Mapping[str, str], body: bytes = b"{}"
) -> tuple[int, dict[str, str], bytes]:
    """What a client without keys is answered."""
    connection = http.client.HTTPConnection(urlsplit(endpoint.url).netloc, timeout=10)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def client(service: str, endpoint: Endpoint, *keys: str) -> Any:
    opened: Any = boto3.client(  # type: ignore[call-overload]  # the stubs list every service by its literal name
        service,
        endpoint_url=endpoint.url,
        region_name=endpoint.region,
        aws_access_key_id=keys[0],
        aws_secret_access_key=keys[1],
        config=Config(retries={"total_max_attempts": 1}),
    )
    return opened


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An emulator as `fleet dev` starts it: nobody asked for functions."""
    with ministack(log=tmp_path_factory.mktemp("closed") / "ministack.log") as endpoint:
        yield endpoint


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("POST", "/", LIST),
        ("POST", "/", CREATE),
        ("POST", "/", {**CREATE, "Origin": "http://evil.example"}),
        ("POST", "/", {**LIST, "Host": "evil.example"}),
        ("POST", "/", {**LIST, "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0"}),
        ("POST", "/?Action=CreateQueue&QueueName=planted&Version=2012-11-05", {"Content-Type": "text/plain"}),
        ("GET", "/?Action=ListQueues&Version=2012-11-05", {}),
        ("POST", "/2015-03-31/functions", {"Content-Type": "text/plain"}),
        ("POST", "/2015-03-31/functions/any/invocations", {}),
        ("PUT", "/fleet-uploads-dev/planted", {}),
        ("GET", "/fleet-uploads-dev", {}),
        ("OPTIONS", "/", {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}),
        ("GET", "/health", {}),
        ("GET", "/_ministack/health", {}),
        ("POST", "/_ministack/reset", {}),
        ("POST", "/_ministack/config", {"Content-Type": "text/plain"}),
        ("GET", "/_aws/sqs/messages", {}),
        ("POST", "/_ministack/rds/iam-auth", {}),
    ],
)  # fmt: skip
def test_who_has_no_key_is_refused_and_allowed_nothing_by_cors(
    emulator: Endpoint, method: str, path: str, headers: dict[str, str]
) -> None:
    status, answered, _ = asked(emulator, method, path, headers)
    assert status == 403
    assert [name for name in answered if name.startswith("access-control-")] == []


def test_a_refused_post_has_changed_nothing(aws: Aws) -> None:
    asked(aws.endpoint, "POST", "/", CREATE, json.dumps({"QueueName": "planted"}).encode())
    assert not aws.sqs.list_queues(QueueNamePrefix="planted").get("QueueUrls")


def test_a_websocket_of_a_page_is_refused(emulator: Endpoint) -> None:
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    key = {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    status, _, _ = asked(emulator, "GET", "/_aws/execute-api/any/dev", upgrade | key, b"")
    assert status == 403


@pytest.mark.parametrize("service", ["sqs", "s3", "sts", "lambda"])
def test_a_client_with_another_key_is_told_in_its_own_protocol(emulator: Endpoint, service: str) -> None:
    asks = {"sqs": "list_queues", "s3": "list_buckets", "sts": "get_caller_identity", "lambda": "list_functions"}
    for keys in (("test", "test"), (emulator.access_key_id, "test")):
        with pytest.raises(ClientError) as refused:
            getattr(client(service, emulator, *keys), asks[service])()
        assert refused.value.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException"}


def test_nothing_of_an_answer_speaks_to_other_origins(aws: Aws) -> None:
    answer = aws.s3.list_buckets()["ResponseMetadata"]["HTTPHeaders"]
    assert [name for name in answer if name.startswith("access-control-")] == []


def test_the_key_of_one_run_opens_no_other(emulator: Endpoint, closed: Endpoint) -> None:
    with pytest.raises(ClientError, match="access key"):
        client("sqs", closed, emulator.access_key_id, emulator.secret_access_key).list_queues()


def test_functions_are_closed_even_to_the_runs_own_key(closed: Endpoint) -> None:
    functions = client("lambda", closed, closed.access_key_id, closed.secret_access_key)
    with pytest.raises(ClientError, match="lambda is not open"):
        functions.list_functions()


def test_a_stack_makes_no_function_either(closed: Endpoint) -> None:
    stacks = client("cloudformation", closed, closed.access_key_id, closed.secret_access_key)
    code = {"ZipFile": "def handle(event, context): ..."}
    function = {
        "Runtime": "python3.11",
        "Handler": "index.handle",
        "Role": "arn:aws:iam::000000000000:role/any",
        "Code": code,
    }
    custom = {"Type": "Custom::Call", "Properties": {"ServiceToken": {"Fn::GetAtt": ["Function", "Arn"]}}}
    resources = {"Function": {"Type": "AWS::Lambda::Function", "Properties": function}, "Call": custom}
    with pytest.raises(ClientError, match="AWS::Lambda::Function"):
        stacks.create_stack(StackName="planted", TemplateBody=json.dumps({"Resources": resources}))


def test_a_signature_for_one_service_does_not_open_the_path_of_another(closed: Endpoint) -> None:
    s3 = client("s3", closed, closed.access_key_id, closed.secret_access_key)
    with pytest.raises(ClientError):
        s3.list_objects_v2(Bucket="2015-03-31", Prefix="functions")
    with pytest.raises(ClientError):
        s3.get_object(Bucket="2015-03-31", Key="functions/")


def test_its_port_cannot_be_taken_before_it_answers_nor_while_it_does(closed: Endpoint) -> None:
    place = urlsplit(closed.url)
    for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        with socket.socket() as squatter:
            squatter.setsockopt(socket.SOL_SOCKET, option, 1)
            with pytest.raises(OSError, match="in use"):
                squatter.bind((place.hostname, place.port))


def test_a_presigned_url_works_for_whoever_was_given_it(aws: Aws) -> None:
    bucket = aws.bucket()
    aws.s3.put_object(Bucket=bucket, Key="a b/ü+c.txt", Body=b"hello")
    for version in ("s3", "s3v4"):
        s3 = aws.session.client("s3", endpoint_url=aws.url, config=Config(signature_version=version))
        url = urlsplit(s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a b/ü+c.txt"}))
        status, _, body = asked(aws.endpoint, "GET", f"{url.path}?{url.query}", {}, b"")
        assert (status, body) == (200, b"hello")


def test_a_large_file_is_uploaded_in_parts_and_in_signed_chunks(aws: Aws, tmp_path: Path) -> None:
    file, bucket = tmp_path / "large", aws.bucket()
    file.write_bytes(b"x" * (9 * 1024 * 1024))
    aws.s3.upload_file(str(file), bucket, "large")  # two parts, each in chunks with a checksum behind them
    assert aws.s3.head_object(Bucket=bucket, Key="large")["ContentLength"] == 9 * 1024 * 1024
