"""The server as a benchmark holds it: a process that dies with its parent, its address, its counts, and clients for it."""

import json
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3

from tests.sqs_server.account import REGION
from tests.sqs_server.running import ACCESS_KEY, CERTIFICATE, SECRET


@dataclass(frozen=True)
class AwsServer:
    """A running server."""

    process: subprocess.Popen[str]
    port: int
    is_tls: bool = False

    @property
    def url(self) -> str:
        return f"{'https' if self.is_tls else 'http'}://127.0.0.1:{self.port}"

    def client(self, service: str) -> Any:
        """A boto3 client."""
        session: Any = boto3.Session(aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET, region_name=REGION)
        return session.client(service, endpoint_url=self.url)

    def table(self, name: str, *keys: str) -> None:
        """Make a table with this hash key, and this sort key."""
        kinds = zip(keys, ("HASH", "RANGE"), strict=False)
        self.client("dynamodb").create_table(
            TableName=name,
            KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in kinds],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
            BillingMode="PAY_PER_REQUEST",
        )

    def put(self, table: str, items: list[dict[str, Any]]) -> None:
        client = self.client("dynamodb")
        for start in range(0, len(items), 25):
            puts = [{"PutRequest": {"Item": item}} for item in items[start : start + 25]]
            client.batch_write_item(RequestItems={table: puts})

    @property
    def calls(self) -> dict[str, int]:
        """How often each operation was called, and how many signatures were wrong."""
        return dict(self._ask("calls"))

    @property
    def posted(self) -> dict[str, float]:
        """When the browser of each session was told, in epoch seconds."""
        return dict(self._ask("posted"))

    @property
    def hooked(self) -> dict[str, float]:
        """When each webhook-id first came to an endpoint, in epoch seconds."""
        return dict(self._ask("hooked"))

    @property
    def pushes(self) -> dict[str, Any]:
        """What Expo took, where its rate is bounded: `taken` (epoch seconds and recipients of each request), `pushed` (epoch seconds by
        token) and how many requests it `refused`.
        """
        return dict(self._ask("pushes"))

    @property
    def archived(self) -> int:
        """Lines in all objects of the audit archive's tables."""
        return int(self._ask("archived"))

    def values(self, table: str, attribute: str) -> dict[str, int]:
        """How many rows have which value."""
        return dict(self._ask(f"values/{table}/{attribute}"))

    def _ask(self, what: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/-/{what}", timeout=30, context=_TRUSTING) as answer:
            return json.loads(answer.read())


_TRUSTING = ssl.create_default_context(cafile=str(CERTIFICATE))


@contextmanager
def aws_server(
    *,
    latency: float = 0.0,
    prefix: tuple[str, ...] = (),
    is_tls: bool = False,
    pushes_per_second: int | None = None,
) -> Iterator[AwsServer]:
    """A server on a free port, ended with the context, or with this process however that dies. `latency` in seconds; Expo answers
    more recipients than `pushes_per_second` with 429, and keeps when it took whom.
    """
    command = [*prefix, sys.executable, "-m", "tests.aws_server", "--latency", str(latency)]
    command += ["--tls", str(CERTIFICATE)] if is_tls else []
    command += [] if pushes_per_second is None else ["--pushes-per-second", str(pushes_per_second)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"the AWS server did not start; it ended with {process.wait()}")
        yield AwsServer(process, json.loads(line)["port"], is_tls=is_tls)
    finally:
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
