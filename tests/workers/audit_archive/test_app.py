"""The worker as the doors open it, on the emulator: from messages to a chain that verifies."""

import base64
import gzip
import uuid
from pathlib import Path
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from shared.clients import Clients
from shared.configuration.stored import read_environment
from shared.settings import SettingsError
from shared.worker import Together
from tests.aws import Aws
from tests.fakes import delivery
from workers.audit_archive.app import APP, open_workers
from workers.audit_archive.chain.verify import verify
from workers.audit_archive.source import Directory
from workers.audit_archive.store.bucket import S3Bucket

EVENTS = Path(__file__).parents[2] / "events"
TICK = '{"source":"scheduler","time":"2026-11-21T09:05:00Z"}'
KEYS = f"k1:{base64.b64encode(b'a' * 32).decode()}"


@pytest.fixture
def environment(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    found = aws.environment | {
        "AUDIT_BUCKET_NAME": aws.bucket("audit"),
        "LEDGER_TABLE_NAME": aws.table_like("ledger"),
        "AUDIT_HASH_KEYS": KEYS,
        "AUDIT_PERSONAL_FIELDS": "uploadKey",
        "AUDIT_BATCH_COUNT": "7",
        "AUDIT_BATCH_SECONDS": "0.5",
    }
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


async def test_messages_become_a_verified_archive_and_come_again_without_harm(
    aws: Aws, environment: dict[str, str], tmp_path: Path
) -> None:
    bodies = [path.read_text() for path in sorted(EVENTS.glob("stream-*.json"))]
    async with Clients(environment) as clients, open_workers(environment, clients) as (worker,):
        assert isinstance(worker.do, Together)
        assert (worker.name, worker.queue, worker.do.count, worker.do.seconds) == ("audit-archive", "audit", 7, 0.5)
        events = [worker.decode(delivery(body, queue="audit")) for body in [*bodies, TICK]]
        for _ in range(3):
            assert await worker.do.handle(events) == [None] * len(events)
        found = await verify(S3Bucket(await clients.open("s3"), name=environment["AUDIT_BUCKET_NAME"]))
    assert (found.findings, found.notes, found.digests, found.rows) == ((), (), 1, len(bodies))

    lines = b""
    for entry in aws.s3.list_objects_v2(Bucket=environment["AUDIT_BUCKET_NAME"])["Contents"]:
        body = aws.s3.get_object(Bucket=environment["AUDIT_BUCKET_NAME"], Key=entry["Key"])["Body"].read()
        path = tmp_path / entry["Key"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        if entry["Key"].startswith("table="):
            lines += gzip.decompress(body)
    ids = [orjson.loads(line)["event_id"] for line in lines.splitlines()]
    assert sorted(ids) == sorted(orjson.loads(body)["eventID"] for body in bodies)
    assert not [
        raw for raw in (b"anna", b"whsec_", b"ExponentPush", b"170 1234567", b"session-uploads") if raw in lines
    ]
    assert await verify(Directory(tmp_path)) == found


@pytest.mark.slow
async def test_a_worker_of_before_a_rotation_lists_what_one_of_after_it_archived(
    aws: Aws, environment: dict[str, str]
) -> None:
    manager: Any = aws.session.client("secretsmanager", endpoint_url=aws.endpoint.url_of("secretsmanager"))
    name = f"{aws.project}-{uuid.uuid4().hex[:8]}"
    manager.create_secret(Name=name, SecretString=environment.pop("AUDIT_HASH_KEYS"))
    environment["AUDIT_HASH_KEYS_SECRET_ARN"] = name
    before = await read_environment(environment)
    manager.put_secret_value(SecretId=name, SecretString=KEYS.replace("k1:", "k2:").replace("YWFh", "YWFi"))
    after = await read_environment(environment)
    body = (EVENTS / "stream-insert.json").read_text()
    async with Clients(before) as old, Clients(after) as new:
        async with open_workers(before, old) as (older,), open_workers(after, new) as (newer,):
            # The newer one tries for a digest with its first batch; what it archives in its second is left to the older one.
            assert await newer.do.handle([newer.decode(delivery(TICK, queue="audit"))]) == [None]
            assert await newer.do.handle([newer.decode(delivery(body, queue="audit"))]) == [None]
            assert await older.do.handle([older.decode(delivery(TICK, queue="audit"))]) == [None]
            personal = (EVENTS / "stream-reminder-with-personal-data.json").read_text()
            assert await older.do.handle([older.decode(delivery(each, queue="audit")) for each in (personal, TICK)])
        found = await verify(S3Bucket(await new.open("s3"), name=environment["AUDIT_BUCKET_NAME"]))
    assert (found.findings, found.notes, found.digests, found.rows) == ((), (), 2, 2)
    keys = [each["Key"] for each in aws.s3.list_objects_v2(Bucket=environment["AUDIT_BUCKET_NAME"])["Contents"]]
    bodies = [aws.s3.get_object(Bucket=environment["AUDIT_BUCKET_NAME"], Key=key)["Body"].read() for key in keys]
    lines = b"".join(gzip.decompress(body) for key, body in zip(keys, bodies, strict=True) if key.startswith("table="))
    assert b"hmac:k2:" in lines
    assert b"hmac:k1:" not in lines, "once it has read the newer key it hashes with that one"


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("AUDIT_HASH_KEYS", None, "AUDIT_HASH_KEYS is not set: `keyid:base64`"),
        ("AUDIT_HASH_KEYS", "k1:c2VjcmV0", "AUDIT_HASH_KEYS: key 1 is not base64 of 32 bytes or more"),
        ("AUDIT_BUCKET_NAME", None, "AUDIT_BUCKET_NAME is not set: the bucket of the archive"),
        ("AUDIT_DIGEST_SECONDS", "0", "AUDIT_DIGEST_SECONDS"),
        (
            "AUDIT_SUBJECTS",
            "sessions:userId",
            "SUBJECT_KEYS_TABLE_NAME is not set: required where AUDIT_SUBJECTS is set",
        ),
        ("AUDIT_SUBJECTS", "sessions", "AUDIT_SUBJECTS: table 1 is not of the form table:attribute"),
    ],
)
async def test_settings_that_are_missing_or_wrong_are_named_and_not_quoted(
    name: str, value: str | None, why: str
) -> None:
    environment = {"AUDIT_BUCKET_NAME": "b", "LEDGER_TABLE_NAME": "t", "AUDIT_HASH_KEYS": KEYS}
    environment = {key: kept for key, kept in (environment | {name: value}).items() if kept is not None}
    async with Clients(environment) as clients:
        with pytest.raises(SettingsError, match=why) as refused:
            async with open_workers(environment, clients):
                raise AssertionError("opened without its settings")
    assert "c2VjcmV0" not in str(refused.value)


@pytest.mark.parametrize(("anchors", "warnings"), [("log", 1), ("log,s3://heads-elsewhere/h", 0)])
async def test_a_head_that_is_anchored_in_one_place_alone_is_warned_of(
    environment: dict[str, str], anchors: str, warnings: int
) -> None:
    environment["AUDIT_ANCHORS"] = anchors
    async with Clients(environment) as clients:
        with capture_logs() as logs:
            async with open_workers(environment, clients):
                pass
    assert [line["event"] for line in logs].count("audit_head_anchored_once") == warnings


def test_the_app_is_named_as_the_command_line_knows_it() -> None:
    assert (APP.name, APP.queues) == ("audit-archive", ("audit",))
