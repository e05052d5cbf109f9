"""A fleet of one queue and its dead letters on the emulator, and the command line that is let loose on it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from fleet.cli import fleet
from fleet.dead_letters.audit.log import AuditLog
from tests.aws import Aws
from tests.fleet.dead_letters.fakes import envelope
from tests.sqs_server.running import SqsServer, sqs_server

FLEET = Path(sys.executable).with_name("fleet")


@dataclass
class Lines:
    """`fleet dlq` in this process, with an environment of its own."""

    environment: dict[str, str]
    home: Path
    last: Result = field(init=False)

    def __call__(self, *arguments: str, stdin: str | None = None, exits: int | None = 0, **environment: str) -> Result:
        result = CliRunner().invoke(
            fleet, [*arguments], input=stdin, env={**self.environment, **environment}, prog_name="fleet"
        )
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        self.last = result
        assert exits is None or result.exit_code == exits, (result.exit_code, result.stdout, result.stderr)
        return result

    def json(self, *arguments: str, exits: int = 0, **environment: str) -> list[Any]:
        """The lines of `--json`."""
        result = self("dlq", *arguments, "--json", exits=exits, **environment)
        return [json.loads(line) for line in result.stdout.splitlines()]

    @contextmanager
    def process(self, *arguments: str, **environment: str) -> Iterator["subprocess.Popen[str]"]:
        """The same command as a process of its own, killed when the block ends."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        process = subprocess.Popen(
            [str(FLEET), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**kept, **self.environment, **environment},
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def audit(self) -> list[dict[str, Any]]:
        path = self.home / "audit.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def log(self) -> AuditLog:
        return AuditLog(self.home / "audit.jsonl", now=lambda: "")

    def plan(self) -> str:
        return str(self.home / "p")


@pytest.fixture
def cli(aws: Aws, tmp_path: Path) -> Lines:
    environment = {
        **aws.endpoint.environment,
        "DLQ_AUDIT_LOG": str(tmp_path / "audit.jsonl"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "DLQ_LAST_LOOK_SECONDS": "0",
        "DLQ_SETTLE_SECONDS": "0.2",
        "DLQ_WATCH_SECONDS": "0",
        "DLQ_ACTOR": "tester",
    }
    return Lines(environment, tmp_path)


@dataclass
class Ground:
    """A source queue and its dead-letter queue, by URL and by name."""

    aws: Aws
    source: str
    dead: str

    @property
    def name(self) -> str:
        return self.dead.rpartition("/")[2]

    @property
    def arn(self) -> str:
        return self.arn_of(self.dead)

    def arn_of(self, url: str) -> str:
        return self.aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def park(self, *bodies: Any, attributes: Mapping[str, Any] | None = None, **reason: Any) -> None:
        """Letters that the fleet parked."""
        text = envelope(**reason).text
        marked = {"fleet-failure": {"DataType": "String", "StringValue": text}, **(attributes or {})}
        self.put(*bodies, attributes=marked)

    def put(self, *bodies: Any, attributes: Mapping[str, Any] | None = None, to: str = "") -> None:
        for start in range(0, len(bodies), 10):
            entries: list[Any] = [
                {
                    "Id": str(place),
                    "MessageBody": body if isinstance(body, str) else json.dumps(body),
                    "MessageAttributes": attributes or {},
                }
                for place, body in enumerate(bodies[start : start + 10])
            ]
            assert not self.aws.sqs.send_message_batch(QueueUrl=to or self.dead, Entries=entries).get("Failed")

    def die(self, *bodies: Any) -> None:
        """Letters that SQS itself moved, after three receives."""
        self.put(*bodies, to=self.source)
        for _ in range(4):
            self.aws.sqs.receive_message(QueueUrl=self.source, MaxNumberOfMessages=10, VisibilityTimeout=0)

    def counts(self, url: str = "") -> tuple[int, int]:
        found = self.aws.sqs.get_queue_attributes(QueueUrl=url or self.dead, AttributeNames=["All"])["Attributes"]
        return int(found["ApproximateNumberOfMessages"]), int(found["ApproximateNumberOfMessagesNotVisible"])

    def content(self, url: str = "") -> list[dict[str, Any]]:
        """Everything that is visible, looked at without a trace."""
        found: dict[str, dict[str, Any]] = {}
        url = url or self.dead
        while letters := self.aws.sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=60,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        ).get("Messages"):
            for each in letters:
                found[each["MessageId"]] = {**each}
        for handle in [each["ReceiptHandle"] for each in found.values()]:
            self.aws.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
        return [*found.values()]


@pytest.fixture
def ground(aws: Aws) -> Iterator[Ground]:
    dead = aws.queue("webhooks-dlq", MessageRetentionPeriod=str(4 * 86_400))
    made = Ground(aws, "", dead)
    policy = json.dumps({"deadLetterTargetArn": made.arn, "maxReceiveCount": 3})
    made.source = aws.queue("webhooks", RedrivePolicy=policy)
    yield made
    aws.sqs.delete_queue(QueueUrl=dead)
    aws.sqs.delete_queue(QueueUrl=made.source)


@pytest.fixture
def twelve(ground: Ground) -> Ground:
    """Seven that timed out (five of tenant t1), three with a bad signature, two that SQS moved."""
    bodies = [
        {"tenantId": "t1" if number < 5 else "t2", "order": {"total": number % 2, "number": number}}
        for number in range(7)
    ]
    ground.park(*bodies)
    ground.park(*({"tenantId": "t3", "n": number} for number in range(3)), error_type="SignatureError")
    ground.die({"tenantId": "t4"}, {"tenantId": "t5"})
    return ground


@pytest.fixture(scope="module")
def lossy_server() -> Iterator[SqsServer]:
    with sqs_server() as made:
        yield made


@pytest.fixture
def lossy(lossy_server: SqsServer, aws: Aws, tmp_path: Path) -> Lines:
    """Queues whose answers can be lost, and the emulator's S3."""
    lossy_server.control.reset()
    more = {
        "AWS_ENDPOINT_URL_S3": aws.url,
        "AWS_ACCESS_KEY_ID": aws.endpoint.access_key_id,
        "AWS_SECRET_ACCESS_KEY": aws.endpoint.secret_access_key,
        "DLQ_ARCHIVE_BUCKET_NAME": aws.bucket("archive"),
        "DLQ_AUDIT_LOG": str(tmp_path / "audit.jsonl"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "DLQ_LAST_LOOK_SECONDS": "0",
        "DLQ_EDIT_ENABLED": "true",
        "DLQ_ACTOR": "tester",
    }
    return Lines({**lossy_server.environment, **more}, tmp_path)
