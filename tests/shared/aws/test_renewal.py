"""Keys that were replaced in their file are used, by both clients."""

import os
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from shared.aws import renewal
from shared.clients import Clients
from tests.sqs_server.account import REGION
from tests.sqs_server.running import SqsServer


@pytest.mark.parametrize("calls", ["fast", "aioboto3"])
@pytest.mark.parametrize("is_refused_first", [False, True])
async def test_keys_replaced_in_their_file_sign_the_next_calls(
    server: SqsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: str, *, is_refused_first: bool
) -> None:
    url = server.make("orders")
    file = tmp_path / "credentials"
    write(file, "FIRST")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setattr(renewal, "LOOK", 0.0)
    server.control.options(secrets={"FIRST": "first", "SECOND": "second"})
    async with Clients({**os.environ, "AWS_CALLS": calls}) as clients:
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


def write(file: Path, name: str) -> None:
    file.write_text(f"[default]\naws_access_key_id = {name}\naws_secret_access_key = {name.lower()}\n")
