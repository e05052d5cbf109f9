"""What the environment says of endpoint and keys is in the first request, and so in all later ones."""

from pathlib import Path
from typing import Any

import aioboto3
import pytest
from botocore.exceptions import HTTPClientError

from shared.aws.fallback import Fallback
from shared.clients import Clients
from shared.outcome import is_outage
from tests.shared.aws.contract.answers import Odd, whole
from tests.shared.aws.contract.stub import stub
from tests.shared.aws.contract.test_contract_over_odd_answers import Call, ending


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB"])
@pytest.mark.parametrize("token", ["", "t" * 900])
async def test_endpoint_and_session_token_of_the_environment_are_fast(
    variable: str, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "eu-west-1"}
    for name, value in {**keys, **({"AWS_SESSION_TOKEN": token} if token else {})}.items():
        monkeypatch.setenv(name, value)
    async with stub(Odd(whole(b'{"Item": {}}'))) as serving, Clients({}) as clients:
        if variable == "AWS_ENDPOINT_URL_DYNAMODB":
            monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # the service's own variable comes first
        monkeypatch.setenv(variable, serving.url)
        client = await clients.open("dynamodb")
        answers = [await client.get_item(TableName="t", Key={"id": {"S": "x"}}) for _ in range(2)]
        assert ["ResponseMetadata" in each for each in answers] == [True, False]
        assert (b"x-amz-security-token: " + token.encode() in serving.head.lower()) == bool(token)


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"])
@pytest.mark.parametrize("value", ["\u201cAKIA\u201d", "AKI\u00c4", "AKIA\n", "AKIA\r\nX-Amz-Target: else"])
async def test_keys_that_are_not_plain_text_are_sent_or_refused_by_botocore(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were copied with something around them. No such request goes out but in botocore's way, and no other error is raised."""
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "eu-west-1"}
    for each, said in (keys | {name: value}).items():
        monkeypatch.setenv(each, said)
    calls: list[Call] = [
        lambda to: to[0].get_item(TableName="t", Key={"id": {"S": "x"}}),
        lambda to: to[1].head_object(Bucket="ledgers", Key="a"),
    ]
    found = []
    async with stub(Odd(whole(b"", 'ETag: "e"', "x-amz-request-id: r"))) as serving:
        monkeypatch.setenv("AWS_ENDPOINT_URL", serving.url)
        for road in ({"AWS_CALLS": "aioboto3"}, {}):
            async with Clients(road) as clients:
                opened = [await clients.open(service, attempts=1) for service in ("dynamodb", "s3")]
                ends = [(await ending(call, opened))[0] for call in calls for _ in range(2)]
            found.append((ends, serving.asked, b"amz-sdk-invocation-id" in serving.head.lower()))
            serving.asked = 0
    assert found[0] == found[1]


async def test_certificates_that_cannot_be_read_are_the_same_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Botocore's, which says nothing of the message that was handled."""
    (tmp_path / "empty").touch()
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "eu-west-1"}
    for each, said in (keys | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}).items():
        monkeypatch.setenv(each, said)
    for bundle in ("none", "empty"):
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / bundle))
        for road in ({"AWS_CALLS": "aioboto3"}, {}):
            async with Clients(road) as clients:
                client = await clients.open("dynamodb", attempts=1)
                for _ in range(2):
                    with pytest.raises(HTTPClientError) as error:
                        await client.get_item(TableName="t", Key={"id": {"S": "x"}})
                    assert is_outage(error.value)


async def test_where_certificates_are_not_looked_at_requests_stay_botocores() -> None:
    """The first request tells: of an endpoint over TLS nothing is kept for a client with verify=False."""
    session: Any = aioboto3.Session(aws_access_key_id="a", aws_secret_access_key="b", region_name="eu-west-1")
    for verify, is_kept in ((False, False), (None, True)):
        async with session.client("dynamodb", endpoint_url="https://127.0.0.1:9", verify=verify) as client:
            await client._endpoint.http_session._get_session(None)
            assert (Fallback(client, see=lambda *_: None).target("https://127.0.0.1:9/") is not None) == is_kept


async def test_with_a_users_name_in_the_endpoint_all_calls_are_botocores_which_refuses_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else the first call of each kind would fail, and the later ones go through."""
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "eu-west-1"}
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    async with stub(Odd(whole(b'{"Item": {}}'))) as serving, Clients({}) as clients:
        monkeypatch.setenv("AWS_ENDPOINT_URL", serving.url.replace("//", "//user:word@"))
        client = await clients.open("dynamodb", attempts=1)
        for _ in range(2):
            with pytest.raises(HTTPClientError):
                await client.get_item(TableName="t", Key={"id": {"S": "x"}})
        assert serving.asked == 0
