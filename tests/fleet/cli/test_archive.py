"""`fleet archive` on a real bucket and on a copy of it."""

import base64
import gzip
import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fleet.cli import fleet
from tests.aws import Aws
from workers.audit_archive.redaction.keys import hash_keys
from workers.audit_archive.rules import Row, marker, object_key, partition
from workers.audit_archive.store.objects import pack
from workers.audit_archive.store.seal import Seals

KEYS = f"k1:{base64.b64encode(b'a' * 32).decode()}"
NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
EVENTS = Path(__file__).parents[2] / "events"


@pytest.fixture
def bucket(aws: Aws) -> str:
    """A bucket with one object that waits for its digest."""
    name = aws.bucket("archive")
    folder = partition("things", NOW)
    packed = pack([Row("things#1#event-1", "things#1", "f1", folder, NOW, (b"", 1), b'{"event_id":"event-1"}')])
    key = object_key(folder, at=NOW, token="0" * 16)
    aws.s3.put_object(Bucket=name, Key=marker(key), Body=b"")
    metadata = {**packed.metadata, "seal": Seals(hash_keys(KEYS)).seal(key, packed.metadata["sha256"])}
    aws.s3.put_object(Bucket=name, Key=key, Body=packed.body, Metadata=metadata)
    return name


def archive(aws: Aws, *arguments: str) -> Result:
    return CliRunner().invoke(
        fleet, ["archive", *arguments], env={"AUDIT_HASH_KEYS": KEYS, **aws.environment}, prog_name="fleet"
    )


def test_a_digest_closes_the_chain_and_the_archive_verifies(aws: Aws, bucket: str) -> None:
    before = archive(aws, "verify", "--bucket", bucket)
    assert before.exit_code == 1
    assert "there is no digest here" in before.stderr
    made = archive(aws, "digest", "--bucket", bucket)
    assert (made.exit_code, made.stdout) == (0, "digests/000000000001.json\n")
    verified = archive(aws, "verify", "--bucket", bucket)
    assert (verified.exit_code, verified.stdout) == (
        0,
        "all as the digests say: 1 digests, 1 objects, 1 rows; not looked at: nothing; signatures not looked at (--keys); no anchor (--anchor)\n",
    )


def test_no_digest_is_made_where_none_is_needed(aws: Aws, bucket: str) -> None:
    archive(aws, "digest", "--bucket", bucket)
    again = archive(aws, "digest", "--bucket", bucket)
    assert (again.exit_code, again.stdout, again.stderr) == (0, "", "no digest was needed\n")


def test_an_object_that_was_changed_is_named_online_and_in_a_copy(aws: Aws, bucket: str, tmp_path: Path) -> None:
    archive(aws, "digest", "--bucket", bucket)
    keys = [found["Key"] for found in aws.s3.list_objects_v2(Bucket=bucket)["Contents"]]
    (changed,) = (key for key in keys if key.startswith("table="))
    aws.s3.put_object(Bucket=bucket, Key=changed, Body=gzip.compress(b'{"event_id":"another"}\n'))
    for key in keys:
        path = tmp_path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(aws.s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    for place in (["--bucket", bucket], ["--directory", str(tmp_path)]):
        result = archive(aws, "verify", *place)
        assert result.exit_code == 1
        assert result.stdout.splitlines()[0] == f"hash mismatch: {changed}"
        assert result.stdout.splitlines()[1].startswith("1 finding in 1 digests")
    document = json.loads(archive(aws, "verify", "--directory", str(tmp_path), "--json").stdout)
    assert (document["ok"], document["findings"][0]["kind"]) == (False, "hash mismatch")


def test_a_signed_chain_is_verified_with_its_key_and_its_anchors_and_its_cut_end_is_named(
    aws: Aws, bucket: str, tmp_path: Path
) -> None:
    other = aws.bucket("heads")
    key, ring = tmp_path / "key.pem", tmp_path / "keys.pem"
    made = archive(aws, "new-key", str(key))
    assert made.stdout.splitlines()[1] == "-----BEGIN PUBLIC KEY-----"
    assert key.stat().st_mode & 0o777 == 0o600
    assert archive(aws, "new-key", str(key)).exit_code == 1
    aws = replace(aws, names={**aws.names, "AUDIT_SIGNING_KEY": f"file:{key}", "AUDIT_ANCHORS": f"log,s3://{other}/h"})
    assert archive(aws, "head", "--bucket", bucket).exit_code == 1
    assert archive(aws, "digest", "--bucket", bucket).exit_code == 0
    ring.write_text(archive(aws, "public-key").stdout)
    assert ring.read_text() == made.stdout
    head = archive(aws, "head", "--bucket", bucket).stdout.strip()
    given = ("verify", "--bucket", bucket, "--keys", str(ring), "--anchor", head, "--anchor", f"s3://{other}/h")
    verified = archive(aws, *given)
    assert (verified.exit_code, verified.stdout.count("up to digest 1, ")) == (0, 2)
    unsigned = replace(aws, names={name: kept for name, kept in aws.names.items() if name != "AUDIT_SIGNING_KEY"})
    refused = archive(unsigned, "digest", "--bucket", bucket)
    assert (refused.exit_code, refused.stderr) == (1, "Error: the chain is signed and AUDIT_SIGNING_KEY names no key\n")
    proof = tmp_path / "proof.json"
    assert archive(aws, "prove", "event-1", "--bucket", bucket, "-o", str(proof)).exit_code == 0
    assert json.loads(proof.read_text())["row"] == '{"event_id":"event-1"}'
    unknown = archive(aws, "prove", "event-2", "--bucket", bucket)
    assert (unknown.exit_code, "no row of that event id" in unknown.stderr) == (1, True)
    aws.s3.delete_object(Bucket=bucket, Key="digests/000000000001.json")
    cut = archive(aws, *given)
    assert cut.exit_code == 1
    assert cut.stdout.splitlines()[0].startswith("truncated: digests/000000000001.json (anchored and gone; no digest")


@pytest.mark.slow
def test_a_head_that_is_anchored_in_two_buckets_tells_of_a_chain_begun_anew_by_either(
    aws: Aws, bucket: str, tmp_path: Path
) -> None:
    places = [f"s3://{aws.bucket(name)}/h" for name in ("one", "two")]
    key, ring = tmp_path / "key.pem", tmp_path / "keys.pem"
    ring.write_text(archive(aws, "new-key", str(key)).stdout)
    aws = replace(aws, names={**aws.names, "AUDIT_SIGNING_KEY": f"file:{key}", "AUDIT_ANCHORS": ",".join(places)})
    assert archive(aws, "digest", "--bucket", bucket).exit_code == 0
    given = ("verify", "--bucket", bucket, "--keys", str(ring))
    for place in places:
        assert archive(aws, *given, "--anchor", place).exit_code == 0
    (row,) = (
        found["Key"] for found in aws.s3.list_objects_v2(Bucket=bucket)["Contents"] if found["Key"].startswith("table=")
    )
    aws.s3.delete_object(Bucket=bucket, Key="digests/000000000001.json")
    aws.s3.put_object(Bucket=bucket, Key=marker(row), Body=b"")
    elsewhere = replace(aws, names={**aws.names, "AUDIT_ANCHORS": "log"})
    assert archive(elsewhere, "digest", "--bucket", bucket).exit_code == 0
    assert archive(aws, *given).exit_code == 0  # the right key signed it: only an anchor can tell
    for place in places:
        anew = archive(aws, *given, "--anchor", place)
        assert anew.exit_code == 1
        assert anew.stdout.splitlines()[0].startswith("replaced genesis: digests/000000000001.json")


def test_a_copy_is_judged_as_of_the_time_it_was_made(aws: Aws, bucket: str, tmp_path: Path) -> None:
    archive(aws, "digest", "--bucket", bucket)
    for found in aws.s3.list_objects_v2(Bucket=bucket)["Contents"]:
        path = tmp_path / found["Key"]
        path.parent.mkdir(parents=True, exist_ok=True)
        if not found["Key"].startswith("table="):  # the rows have expired
            path.write_bytes(aws.s3.get_object(Bucket=bucket, Key=found["Key"])["Body"].read())
    at = datetime.now(UTC) + timedelta(hours=4)
    given = ("verify", "--directory", str(tmp_path), "--as-of", at.strftime("%Y-%m-%dT%H:%M:%SZ"))
    late = archive(aws, *given)
    assert [line.partition(":")[0] for line in late.stdout.splitlines()] == [
        "missing object",
        "stale chain",
        "2 findings in 1 digests, 1 objects, 0 rows; not looked at",
    ]
    kept = archive(aws, *given, "--retention-days", "1")
    expired = "not looked at: 1 objects with 1 rows that expired" in kept.stdout
    assert (kept.stdout.splitlines()[0].partition(":")[0], expired) == ("stale chain", True)


def test_what_is_no_anchor_and_no_key_is_refused_and_an_empty_anchor_shows_nothing(
    aws: Aws, bucket: str, tmp_path: Path
) -> None:
    (tmp_path / "keys.pem").write_text("nothing")
    empty = f"s3://{aws.bucket('heads')}/h"
    for arguments, code, why in (
        (("--anchor", "7"), 2, "'7' is not NUMBER:HASH; else an anchor is"),
        (("--anchor", "log"), 2, "give the NUMBER:HASH of a line `audit_head`"),
        (("--anchor", empty), 1, f"{empty} holds no head"),
        (("--keys", str(tmp_path / "keys.pem")), 2, "no public key in PEM is in it"),
    ):
        refused = archive(aws, "verify", "--bucket", bucket, *arguments)
        assert (refused.exit_code, why in refused.stderr) == (code, True), arguments
    assert archive(aws, "public-key").exit_code == 2


def test_the_bucket_is_the_one_of_the_environment_unless_another_is_named(aws: Aws) -> None:
    result = archive(aws, "digest")
    assert result.exit_code == 0
    assert result.stderr == "no digest was needed\n"


def test_an_old_log_is_told_of_first_and_then_sent_to_the_archives_queue(aws: Aws, tmp_path: Path) -> None:
    queue, file = aws.queue("audit"), tmp_path / "log.csv"
    file.write_text("visit,at\nv-1,2024-05-01T09:00:00Z\nv-2,2024-06-01T09:00:00Z\n")
    words = ("backfill", str(file), "--table", "door-log", "--key", "visit", "--time", "at")
    environment = {**aws.environment, "AUDIT_QUEUE_URL": queue}
    told = CliRunner().invoke(fleet, ["archive", *words], env=environment)
    assert (told.exit_code, told.stdout) == (0, "")
    assert told.stderr == "2 rows of door-log, 2024-05-01 to 2024-06-01\nnothing was sent: --yes sends them\n"
    assert aws.bodies(queue) == []
    sent = CliRunner().invoke(fleet, ["archive", *words, "--yes"], env=environment)
    assert (sent.exit_code, sent.stderr.splitlines()[-1]) == (0, "2 sent")
    assert sum("table/door-log/" in body for body in aws.bodies(queue)) == 2
    wrong = CliRunner().invoke(fleet, ["archive", *words[:-1], "when", "--yes"], env=environment)
    assert (wrong.exit_code, "--time: the header has 0 columns" in wrong.stderr) == (2, True)
    os.mkfifo(tmp_path / "pipe")
    pipe = CliRunner().invoke(fleet, ["archive", "backfill", str(tmp_path / "pipe"), *words[2:]], env=environment)
    assert (pipe.exit_code, "a pipe is read once" in pipe.stderr) == (2, True)


@pytest.mark.slow
def test_what_lies_in_the_dead_letter_queue_is_told_from_what_is_lost(aws: Aws, bucket: str) -> None:
    archive(aws, "digest", "--bucket", bucket)
    dead = aws.queue("audit-dlq")
    arn = aws.sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    source = aws.queue("audit", RedrivePolicy=json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 5}))
    aws.sqs.send_message(QueueUrl=dead, MessageBody=(EVENTS / "stream-insert.json").read_text())
    aws.sqs.send_message(QueueUrl=dead, MessageBody="{}")
    env = {**aws.environment, "AUDIT_DLQ_URL": dead, "AUDIT_QUEUE_URL": source}
    found = CliRunner().invoke(fleet, ["archive", "verify", "--bucket", bucket, "--dead-letters"], env=env)
    assert found.exit_code == 0, found.output
    assert "0 gaps, 0 of them in the dead-letter queue, 0 filled, 1 records there that are neither" in found.stdout
    assert "note: dead letter: audit-dlq (" in found.stderr
    assert "1 letters of audit-dlq name no record" in found.stderr
    assert len(aws.bodies(dead)) == 2  # given back
