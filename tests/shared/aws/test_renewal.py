"""Keys that were replaced are used, by both clients: at once where they stand in a file, else after one refusal."""

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import aioboto3
import pytest
from aiobotocore.credentials import AioAssumeRoleWithWebIdentityCredentialFetcher as WebIdentity
from aiobotocore.credentials import AioRefreshableCredentials
from botocore.exceptions import ClientError, CredentialRetrievalError, NoCredentialsError
from structlog.testing import capture_logs

from shared.aws.fast_client import FastClient
from shared.aws.renewal import Renewal
from shared.clients import Clients
from tests.shared.aws.roads import ROADS
from tests.sqs_server.account import REGION
from tests.sqs_server.running import SqsServer

BOTH = {"FIRST": "first", "SECOND": "second"}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The credentials file, from which botocore has its keys."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    return path


def write(file: Path, name: str, *, text: str | None = None) -> None:
    file.write_text(
        text
        if text is not None
        else f"[default]\naws_access_key_id = {name}\naws_secret_access_key = {name.lower()}\n",
        encoding="latin-1",
    )


@pytest.mark.parametrize("calls", ["fast", "aioboto3"])
@pytest.mark.parametrize("is_refused_first", [False, True])
async def test_keys_replaced_in_their_file_sign_the_next_calls(
    server: SqsServer, file: Path, calls: str, *, is_refused_first: bool
) -> None:
    url = server.make("orders")
    write(file, "FIRST")
    server.control.options(secrets=BOTH)
    async with Clients({**os.environ, "AWS_CALLS": calls}, look_every=0.0) as clients:
        client: Any = await clients.open("sqs", endpoint_url=server.endpoint_url, attempts=1)
        for _ in range(2):
            await client.receive_message(QueueUrl=url)
        if is_refused_first:
            server.control.options(secrets={"SECOND": "second"})
            with pytest.raises(ClientError):
                await client.receive_message(QueueUrl=url)
        write(file, "SECOND")
        server.control.options(secrets={"SECOND": "second"})
        await client.receive_message(QueueUrl=url)


@pytest.mark.parametrize("calls", ["fast", "aioboto3"])
@pytest.mark.parametrize("half", ["", "[default]\naws_access_key_id = SECOND\n", "[default", "\xff"])
async def test_while_their_file_is_half_written_the_old_keys_are_used(
    server: SqsServer, file: Path, calls: str, half: str
) -> None:
    url = server.make("orders")
    write(file, "FIRST")
    server.control.options(secrets=BOTH)
    async with Clients({**os.environ, "AWS_CALLS": calls}, look_every=0.0) as clients:
        client: Any = await clients.open("sqs", endpoint_url=server.endpoint_url, attempts=1)
        await client.receive_message(QueueUrl=url)
        write(file, "", text=half)
        for _ in range(2):
            await client.receive_message(QueueUrl=url)
        write(file, "SECOND")
        server.control.options(secrets={"SECOND": "second"})
        await client.receive_message(QueueUrl=url)


@pytest.mark.parametrize("calls", ["fast", "aioboto3"])
async def test_keys_that_come_after_the_start_are_found_by_all_clients(
    server: SqsServer, file: Path, calls: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    url = server.make("orders")
    server.control.options(secrets=BOTH)
    async with Clients({**os.environ, "AWS_CALLS": calls}, look_every=0.0) as clients:
        opened: list[Any] = [
            await clients.open("sqs", endpoint_url=server.endpoint_url, attempts=each) for each in (1, 2)
        ]
        for client in opened:
            with pytest.raises(NoCredentialsError):
                await client.receive_message(QueueUrl=url)
        for keys in ("FIRST", "SECOND"):
            write(file, keys)
            server.control.options(secrets={keys: keys.lower()})
            for client in opened:
                await client.receive_message(QueueUrl=url)


class Role:
    """Gives the keys that are good now, for an hour; or cannot be reached."""

    def __init__(self) -> None:
        self.key = "FIRST"
        self.is_reachable = True

    async def keys(self) -> dict[str, str]:
        if not self.is_reachable:
            raise CredentialRetrievalError(provider="role", error_msg="unreachable")
        until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        return {"access_key": self.key, "secret_key": self.key.lower(), "token": "t", "expiry_time": until}


@pytest.mark.parametrize("road", ROADS)
async def test_a_token_revoked_before_its_end_is_replaced_after_one_refused_call(server: SqsServer, road: str) -> None:
    url, role = server.make("orders"), Role()
    server.control.options(secrets=BOTH)
    credentials = AioRefreshableCredentials.create_from_metadata(await role.keys(), role.keys, method="test")
    session: Any = aioboto3.Session(region_name=REGION)
    session._session._credentials = credentials
    renewal = Renewal(session._session.get_credentials, files=(), every=0.0)
    async with session.client("sqs", endpoint_url=server.endpoint_url) as plain:
        look = renewal.watch(plain)
        client: Any = plain if road == "plain" else FastClient(plain, look=look)
        for _ in range(2):
            await client.receive_message(QueueUrl=url)
        server.control.options(secrets={"SECOND": "second"})
        with capture_logs() as logs:
            for role.is_reachable in (True, False):  # the new keys do not exist yet
                with pytest.raises(ClientError):
                    await client.receive_message(QueueUrl=url)
        assert [each["event"] for each in logs] == ["keys_not_renewed"]
        role.key, role.is_reachable = "SECOND", True
        with pytest.raises(ClientError):
            await client.receive_message(QueueUrl=url)
        await client.receive_message(QueueUrl=url)


@pytest.mark.parametrize("road", ROADS)
async def test_a_refused_permission_has_a_roles_keys_replaced_beside_the_calls_for_its_sessions_may_be_revoked(
    server: SqsServer, road: str
) -> None:
    url, role = server.make("orders"), Role()
    server.control.options(secrets=BOTH)
    credentials = AioRefreshableCredentials.create_from_metadata(await role.keys(), role.keys, method="test")
    session: Any = aioboto3.Session(region_name=REGION)
    session._session._credentials = credentials
    renewal = Renewal(session._session.get_credentials, files=(), every=0.0)
    async with session.client("sqs", endpoint_url=server.endpoint_url) as plain:
        look = renewal.watch(plain)
        client: Any = plain if road == "plain" else FastClient(plain, look=look)
        for _ in range(2):
            await client.receive_message(QueueUrl=url)
        server.control.fault("denied", access_key="FIRST")
        role.key = "SECOND"
        with pytest.raises(ClientError):
            await client.receive_message(QueueUrl=url)
        assert renewal._trying is not None
        await renewal._trying
        assert (await credentials.get_frozen_credentials()).access_key == "SECOND"
        role.key = "THIRD"
        server.control.fault("denied", access_key="SECOND")
        with pytest.raises(ClientError):
            await client.receive_message(QueueUrl=url)
        assert renewal._trying.done()
        assert (await credentials.get_frozen_credentials()).access_key == "SECOND", "not again for a while"
    renewal.close()


class Waning(Role):
    """Its first keys end in eight minutes, of which botocore alone would make calls wait for new ones; then it may be silent."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.answers = asyncio.Event()

    async def keys(self) -> dict[str, str]:
        self.asked += 1
        await self.answers.wait()
        return await super().keys()

    def first(self) -> dict[str, str]:
        until = (datetime.now(UTC) + timedelta(minutes=8)).isoformat()
        return {"access_key": "FIRST", "secret_key": "first", "token": "t", "expiry_time": until}


@pytest.mark.parametrize("road", ROADS)
async def test_keys_are_used_to_their_end_while_a_role_that_should_give_others_is_silent_or_fails(
    server: SqsServer, road: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.aws.renewal.AGAIN", 0.0)
    url, role = server.make("orders"), Waning()
    server.control.options(secrets=BOTH)
    credentials = AioRefreshableCredentials.create_from_metadata(role.first(), role.keys, method="test")
    session: Any = aioboto3.Session(region_name=REGION)
    session._session._credentials = credentials
    renewal = Renewal(session._session.get_credentials, files=(), every=0.0)
    async with session.client("sqs", endpoint_url=server.endpoint_url) as plain:
        look = renewal.watch(plain)
        client: Any = plain if road == "plain" else FastClient(plain, look=look)
        for _ in range(3):
            await client.receive_message(QueueUrl=url)
        assert role.asked == 1, "beside the calls, and once"
        role.is_reachable = False
        with capture_logs() as logs:
            role.answers.set()
            for _ in range(3):
                await client.receive_message(QueueUrl=url)
        assert [each["event"] for each in logs] == ["keys_not_renewed"]
        role.key, role.is_reachable = "SECOND", True
        server.control.options(secrets={"SECOND": "second"})
        async with asyncio.timeout(30):
            while (await credentials.get_frozen_credentials()).access_key != "SECOND":
                await renewal.look(credentials)
                await asyncio.sleep(0)
        await client.receive_message(QueueUrl=url)
    renewal.close()


class Sts:
    """An STS client that numbers the keys it gives."""

    def __init__(self) -> None:
        self.given = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Nothing was opened."""

    async def assume_role_with_web_identity(self, **_asked: object) -> dict[str, Any]:
        self.given += 1
        until = datetime.now(UTC) + timedelta(hours=1)
        keys = {"AccessKeyId": f"KEY{self.given}", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": until}
        return {"Credentials": keys}


async def test_an_assumed_roles_revoked_keys_are_not_found_again_in_their_cache() -> None:
    sts = Sts()
    fetcher = WebIdentity(lambda *_each, **_more: sts, lambda: "token", "arn:aws:iam::123456789012:role/a", cache={})
    credentials = AioRefreshableCredentials.create_from_metadata(
        await fetcher.fetch_credentials(), fetcher.fetch_credentials, method="test"
    )

    async def resolve() -> Any:
        return credentials

    await Renewal(resolve, files=(), every=0.0).renew(credentials)
    assert (await credentials.get_frozen_credentials()).access_key == "KEY2"


async def test_refusals_that_come_in_a_row_read_the_keys_once_in_their_interval() -> None:
    role = Role()
    credentials = AioRefreshableCredentials.create_from_metadata(await role.keys(), role.keys, method="test")

    async def resolve() -> Any:
        return credentials

    renewal = Renewal(resolve, files=(), every=60.0)
    for role.key in ("SECOND", "THIRD"):
        await renewal.renew(credentials)
    assert (await credentials.get_frozen_credentials()).access_key == "SECOND"
