"""The server as tests hold it: a process that dies with them, its address, its controls, and clients for it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aioboto3
import boto3
from aiobotocore.config import AioConfig
from botocore.config import Config

from tests.sqs_server.account import ACCOUNT, REGION
from tests.sqs_server.control_client import AsyncControl, Controls

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

ACCESS_KEY = "AKIAFLEETTEST0000001"
SECRET = "made-up-secret-of-the-tests"
CERTIFICATE = Path(__file__).parents[1] / "workers" / "webhook_delivery" / "egress" / "self-signed.pem"
"""For 127.0.0.1 and localhost, with its key, made for tests."""


@dataclass(frozen=True)
class SqsServer:
    """A running server. `control` asks at once, `asynchronous` from a loop."""

    process: subprocess.Popen[str]
    port: int
    control_port: int
    tls: Path | None = None

    @property
    def endpoint_url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def control_url(self) -> str:
        return f"http://127.0.0.1:{self.control_port}"

    @property
    def control(self) -> Controls:
        return Controls(self.control_port)

    @property
    def asynchronous(self) -> AsyncControl:
        return AsyncControl(self.control_port)

    @property
    def environment(self) -> dict[str, str]:
        """What a worker's process needs to find this SQS, and to report its effects."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "SQS_CONTROL_URL": self.control_url,
            **({"AWS_CA_BUNDLE": str(self.tls)} if self.tls else {}),
        }

    def url_of(self, name: str) -> str:
        """The URL of a queue by its name, whether it exists or not."""
        return f"{self.endpoint_url}/{ACCOUNT}/{name}"

    def client(self, *, access_key: str = ACCESS_KEY, attempts: int = 1, read_timeout: float = 60.0) -> "SQSClient":
        """A boto3 client, which does not try again unless asked to."""
        session = boto3.Session(aws_access_key_id=access_key, aws_secret_access_key=SECRET, region_name=REGION)
        retries: Any = {"mode": "standard", "total_max_attempts": attempts}
        config = Config(retries=retries, read_timeout=read_timeout)
        return session.client("sqs", endpoint_url=self.endpoint_url, config=config, verify=self._verify)

    def open(self, *, attempts: int = 1, read_timeout: float = 60.0) -> AbstractAsyncContextManager[Any]:
        """An aioboto3 client, which does not try again unless asked to."""
        session = aioboto3.Session(aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET, region_name=REGION)
        retries: Any = {"mode": "standard", "total_max_attempts": attempts}
        config = AioConfig(retries=retries, read_timeout=read_timeout, max_pool_connections=100)
        opened: AbstractAsyncContextManager[Any] = session.client(
            "sqs", endpoint_url=self.endpoint_url, config=config, verify=self._verify
        )
        return opened

    @property
    def _verify(self) -> str | None:
        return str(self.tls) if self.tls else None

    @cached_property
    def sqs(self) -> "SQSClient":
        """A boto3 client that lives as long as the server."""
        return self.client()

    def make(self, name: str, **attributes: object) -> str:
        """Create a queue and return its URL; a name ending in `.fifo` makes a FIFO queue."""
        given = {key: str(value) for key, value in attributes.items()}
        if name.endswith(".fifo"):
            given["FifoQueue"] = "true"
        made: Any = self.sqs.create_queue(QueueName=name, Attributes=given)  # type: ignore[arg-type]  # the test names real attributes
        return str(made["QueueUrl"])

    def make_pair(self, name: str, *, receives: int = 5, **attributes: object) -> tuple[str, str]:
        """Create a queue and its dead-letter queue, and return their URLs."""
        stem, dot, fifo = name.partition(".")
        dead = f"{stem}-dlq{dot}{fifo}"
        dead_url = self.make(dead)
        policy = json.dumps(
            {"deadLetterTargetArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{dead}", "maxReceiveCount": receives}
        )
        return self.make(name, RedrivePolicy=policy, **attributes), dead_url


@contextmanager
def sqs_server(*, strict: bool = False, prefix: tuple[str, ...] = (), tls: Path | None = None) -> Iterator[SqsServer]:
    """A server on free ports, ended with the context, or with this process however that dies.

    `prefix` is put before the command: ("taskset", "-c", "1"), say. `tls` is a certificate with its key, CERTIFICATE say.
    """
    command = [*prefix, sys.executable, "-m", "tests.sqs_server", *(["--strict"] if strict else [])]
    command += ["--tls", str(tls)] if tls else []
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"the SQS server did not start; it ended with {process.wait()}")
        ports = json.loads(line)
        yield SqsServer(process, ports["port"], ports["control_port"], tls)
    finally:
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
