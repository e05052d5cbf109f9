"""A release under load, on the emulator: a new version fails whatever it is given, the alias goes back, and every message is done.

The emulator sends all of an alias's traffic to its first version, so a canary's tenth is the whole here.
"""

import json
import os
import shutil
import subprocess
import sys
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fleet.dev.bundle import bundle
from fleet.dev.deploy import deploy, session, stand, template
from fleet.dev.emulators.ministack import Endpoint

pytestmark = [pytest.mark.slow, pytest.mark.lambda_door]
WORKER = "upload-notification"
RETURNS = (
    5  # seconds after which a message of a failed invocation is there again; the template's 180 are too long for a test
)
PATIENCE = 120.0


@dataclass
class Release:
    """A stage with the uploads' worker alone."""

    endpoint: Endpoint
    project: str
    names: dict[str, str]
    sessions: list[str] = field(default_factory=list)

    def client(self, service: str) -> Any:
        # One of many service names, which the stubs know only as literals.
        return session(self.endpoint).client(service, endpoint_url=self.endpoint.url_of(service))  # type: ignore[call-overload]

    def deploy(self, key: str) -> None:
        others = {f"{each}Door": "none" for each in ("WebhookDelivery", "ReminderDispatch", "AuditArchive")}
        told = {"ProjectName": self.project, "LambdaDeploymentBucket": f"{self.project}-code", "LambdaCodeKey": key}
        told |= {"LambdaRuntime": "python3.11", "WsApiEndpoint": "127.0.0.1:9/none"}
        stand(self.endpoint, f"{self.project}-workers-dev", template("workers").read_text(), **told, **others)

    def upload(self, count: int) -> None:
        """Sessions without a browser, and what S3 says of their files."""
        for _ in range(count):
            session_id = f"s-{uuid.uuid4().hex[:12]}"
            row = {"sessionId": {"S": session_id}, "tenantId": {"S": "anna"}, "status": {"S": "AWAITING_SCAN"}}
            row |= {"createdAt": {"S": "2026-11-21T09:00:00Z"}, "expiresAt": {"N": str(int(time.time()) + 3600)}}
            self.client("dynamodb").put_item(TableName=self.names["SESSIONS_TABLE_NAME"], Item=row)
            s3 = {
                "bucket": {"name": self.names["UPLOAD_BUCKET_NAME"]},
                "object": {"key": f"session-uploads/{session_id}/a.jpg", "size": 3, "eTag": "e", "sequencer": "0A"},
            }
            record = {"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1", "s3": s3}
            record |= {"eventTime": "2026-11-21T09:00:00.000Z", "eventName": "ObjectCreated:Put"}
            self.client("sqs").send_message(
                QueueUrl=self.names["UPLOADS_QUEUE_URL"], MessageBody=json.dumps({"Records": [record]})
            )
            self.sessions.append(session_id)

    def done(self) -> int:
        """Sessions whose row says that the file is there."""
        rows = self.client("dynamodb").scan(TableName=self.names["SESSIONS_TABLE_NAME"], ConsistentRead=True)["Items"]
        return sum(row["status"]["S"] == "UPLOADED" for row in rows if row["sessionId"]["S"] in self.sessions)

    def counts(self, name: str) -> dict[str, int]:
        found = self.client("sqs").get_queue_attributes(QueueUrl=self.names[name], AttributeNames=["All"])["Attributes"]
        return {key: int(value) for key, value in found.items() if key.startswith("ApproximateNumberOf")}

    def fleet(self, *words: str) -> str:
        """What `fleet release` prints."""
        outside = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        done: subprocess.CompletedProcess[str] = subprocess.run(
            [sys.executable, "-m", "fleet.cli", "release", *words, "--project", self.project],
            env={**outside, **self.endpoint.environment, "COLUMNS": "200", "NO_COLOR": "1"},
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode in (0, 4), done.stderr  # 4: the other workers are not at Lambda
        return done.stdout


def within(what: str, holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.5)


@pytest.fixture
def release(emulator: Endpoint, tmp_path: Path) -> Iterator[Release]:
    project = f"r{uuid.uuid4().hex[:8]}"
    release = Release(emulator, project, dict(deploy(emulator, project=project)))
    stand(emulator, f"{project}-access-dev", template("access").read_text(), ProjectName=project)
    good = bundle(tmp_path / "good.zip")
    bad = shutil.copy(good, tmp_path / "bad.zip")
    with zipfile.ZipFile(bad, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("workers/upload_notification/app.py", "raise RuntimeError('a version that cannot start')\n")
    s3 = release.client("s3")
    s3.create_bucket(Bucket=f"{project}-code")
    for path in (good, bad):
        s3.put_object(Bucket=f"{project}-code", Key=Path(path).name, Body=Path(path).read_bytes())
    release.client("sqs").set_queue_attributes(
        QueueUrl=release.names["UPLOADS_QUEUE_URL"], Attributes={"VisibilityTimeout": str(RETURNS)}
    )
    yield release
    for stack in ("workers", "access"):
        release.client("cloudformation").delete_stack(StackName=f"{project}-{stack}-dev")


def test_a_version_that_fails_goes_back_and_no_message_is_lost_or_given_up(release: Release) -> None:
    release.deploy("good.zip")
    release.upload(10)
    within("the first version works", lambda: release.done() == len(release.sessions))

    release.deploy("bad.zip")
    release.upload(10)
    within(
        "messages came back", lambda: release.counts("UPLOADS_QUEUE_URL")["ApproximateNumberOfMessagesNotVisible"] > 0
    )
    assert release.done() < 20, "the emulator's poller may have had the version before in hand, and not for all"
    assert WORKER in (stands := release.fleet("status", "dev"))
    assert " 2 " in stands

    assert "nothing was changed" in release.fleet("rollback", "dev", WORKER)
    told = release.fleet("rollback", "dev", WORKER, "--yes", "--reason", "uploads fail")
    assert "from version 2 to version 1" in told
    release.upload(10)
    within("all are done", lambda: release.done() == len(release.sessions) == 30)
    within("the queue is empty", lambda: not any(release.counts("UPLOADS_QUEUE_URL").values()))
    assert not any(release.counts("UPLOADS_DLQ_URL").values())
    assert "rolled back by" in release.fleet("status", "dev")
