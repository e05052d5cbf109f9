"""What is known before botocore is loaded is what botocore says: its models, its first requests, its TLS."""

import json
import ssl
from typing import Any

import botocore.session
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as some

from fleet.dev.aws_models import reduced
from shared.aws.operation import FAST, Operation
from shared.aws.pattern import pattern_of
from shared.aws.sessions import Checked
from shared.aws.start.early_client import AGENT, certificates, first_pattern
from shared.aws.start.environment import REGION, plain
from shared.aws.start.models import FILE, service
from tests.shared.aws.contract.test_requests import CALLS, KEYS, Captured, capture
from tests.shared.aws.test_operation import model, operation, values

SAID = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_SESSION_TOKEN": "token",
    "HOME": "/none",
}
NO_FILES = {"AWS_CONFIG_FILE": "/none", "AWS_SHARED_CREDENTIALS_FILE": "/none"}
REGIONS = (
    "us-east-1",
    "us-west-2",
    "eu-west-1",
    "ap-southeast-4",
    "ca-central-1",
    "il-central-1",
    "mx-central-1",
    "me-south-1",
)
SESSION = botocore.session.get_session()


def botocores(name: Any, method: str, asked: dict[str, Any], *, region: str, endpoint: str | None) -> Any:
    made: Any = SESSION.create_client(
        name, region_name=region, endpoint_url=endpoint, aws_access_key_id=KEYS.access_key,
        aws_secret_access_key=KEYS.secret_key, aws_session_token=KEYS.token,
    )  # fmt: skip
    made.meta.events.register("before-send", capture)
    with pytest.raises(Captured) as caught:
        getattr(made, method)(**asked)
    return caught.value.request


def test_what_is_kept_of_the_models_is_botocores() -> None:
    assert json.loads(FILE.read_text()) == json.loads(json.dumps(reduced()))  # else: python -m fleet.dev.aws_models


@pytest.mark.parametrize(("name", "method", "action"), CALLS)
@settings(max_examples=2, deadline=None)
@given(data=some.data())
def test_a_first_request_is_the_one_that_is_learned_from_botocore(
    name: str, method: str, action: str, data: some.DataObject
) -> None:
    asked = data.draw(values(model(name, action).input_shape, answer=False))
    learned_from = operation(name, action)
    parts = learned_from.parts(asked)
    assume(parts is not None)
    region = data.draw(some.sampled_from(REGIONS))
    own = "https://abc.execute-api.eu-west-1.amazonaws.com/prod" if name == "apigatewaymanagementapi" else None
    endpoint = data.draw(some.sampled_from([own, "http://127.0.0.1:4566", "https://[::1]:8443" if own else own]))
    learned = pattern_of(botocores(name, method, asked, region=region, endpoint=endpoint), parts.segment)  # type: ignore[union-attr]
    found = plain(SAID | NO_FILES | {"AWS_DEFAULT_REGION": region})
    assert found is not None
    assert learned is not None
    url = found.url(name, endpoint)
    assume(url is not None)  # an address of IPv6 is botocore's
    call: Any = service(name).operation_model(action)
    early = first_pattern(call, url or "", region=region)
    ours = early.whole(Operation(call).parts(asked), found.keys, now=1.8e9)  # type: ignore[arg-type]
    theirs = learned.whole(parts, KEYS, now=1.8e9)  # type: ignore[arg-type]
    assert sorted(without_agent(ours)) == sorted(without_agent(theirs))
    assert ours.split(b"\r\n", 1)[0] == theirs.split(b"\r\n", 1)[0]
    assert f"user-agent: {AGENT}\r\n".encode() in ours


def without_agent(request: bytes) -> list[bytes]:
    return [line for line in request.split(b"\r\n") if not line.startswith(b"user-agent: ")]


@pytest.mark.parametrize("name", sorted(FAST))
def test_answers_are_read_as_by_botocores_model(name: str) -> None:
    for action in FAST[name].values():
        call: Any = service(name).operation_model(action)
        assert vars(Operation(call).expected).keys() == vars(operation(name, action).expected).keys()
        for each in ("_known", "_required", "_roots", "_by_head", "_is_object"):
            assert getattr(Operation(call).expected, each) == getattr(operation(name, action).expected, each)


@pytest.mark.parametrize(("name", "method", "action"), CALLS)
@settings(max_examples=5, deadline=None)
@given(data=some.data())
def test_an_answer_is_read_as_with_botocores_model(name: str, method: str, action: str, data: some.DataObject) -> None:
    shape = model(name, action).output_shape
    said = data.draw(values(shape, answer=True)) if shape else {}
    content = json.dumps(said, default=str).encode()
    call: Any = service(name).operation_model(action)
    assert Operation(call).answer(content) == operation(name, action).answer(content)


@pytest.mark.parametrize(
    "said",
    [
        {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE\n"},
        {"AWS_ACCESS_KEY_ID": "\u201cAKIDEXAMPLE\u201d"},
        {"AWS_SESSION_TOKEN": "token\r\nHost: elsewhere"},
        {"AWS_SESSION_TOKEN": "tok\u00e9n"},
    ],
)
def test_keys_that_are_not_plain_text_are_botocores(said: dict[str, str]) -> None:
    assert plain(SAID | NO_FILES | {"AWS_DEFAULT_REGION": "eu-west-1"} | said) is None


@pytest.mark.parametrize("host", ["a..b", "a" * 64, f"a.{'b' * 64}.c", ".a", "a-.b", f"{'a.' * 130}a"])
def test_an_endpoint_whose_name_cannot_be_looked_up_is_botocores(host: str) -> None:
    """Which refuses it when the client is opened, as a setting that is wrong."""
    found = plain(SAID | NO_FILES | {"AWS_DEFAULT_REGION": "eu-west-1", "AWS_ENDPOINT_URL": f"http://{host}:4566"})
    assert found is not None
    assert found.url("sqs", None) is None
    assert found.url("s3", None) is None
    assert found.url("sqs", f"http://{'a' * 63}.b-c.d:4566") == f"http://{'a' * 63}.b-c.d:4566/"


@pytest.mark.parametrize("region", SESSION.get_available_partitions())
def test_only_regions_of_the_partition_aws_are_plain(region: str) -> None:
    for each in SESSION.get_available_regions("sqs", partition_name=region):
        assert bool(REGION.fullmatch(each)) == (region == "aws")


@pytest.mark.parametrize("region", SESSION.get_available_regions("sqs"))
def test_each_regions_host_is_botocores(region: str) -> None:
    found = plain(SAID | NO_FILES | {"AWS_DEFAULT_REGION": region})
    assert found is not None
    for name, calls in FAST.items():
        if name != "apigatewaymanagementapi":
            made: Any = SESSION.create_client(
                name, region_name=region, aws_access_key_id="a", aws_secret_access_key="b"
            )
            assert found.url(name, None) == f"{made.meta.endpoint_url}/", calls


def test_tls_is_that_of_the_other_clients() -> None:
    botocores_http: Any = Checked()
    ours, theirs = certificates(), botocores_http._get_ssl_context()
    for each in (
        "options",
        "verify_mode",
        "check_hostname",
        "minimum_version",
        "maximum_version",
        "post_handshake_auth",
        "verify_flags",
    ):
        assert getattr(ours, each) == getattr(theirs, each)
    assert (ours.verify_mode, ours.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert [each["name"] for each in ours.get_ciphers()] == [each["name"] for each in theirs.get_ciphers()]
    assert len(ours.get_ca_certs()) > 100
