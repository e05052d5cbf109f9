"""What the environment says of endpoint and keys is in the first request, and so in all later ones."""

from typing import Any

import aioboto3
import pytest

from shared.aws.fallback import Fallback
from shared.clients import Clients
from tests.shared.aws.contract.answers import Odd, whole
from tests.shared.aws.contract.stub import stub


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


async def test_where_certificates_are_not_looked_at_requests_stay_botocores() -> None:
    """The first request tells: of an endpoint over TLS nothing is kept for a client with verify=False."""
    session: Any = aioboto3.Session(aws_access_key_id="a", aws_secret_access_key="b", region_name="eu-west-1")
    for verify, is_kept in ((False, False), (None, True)):
        async with session.client("dynamodb", endpoint_url="https://127.0.0.1:9", verify=verify) as client:
            await client._endpoint.http_session._get_session(None)
            assert (Fallback(client, see=lambda *_: None).target("https://127.0.0.1:9/") is not None) == is_kept
