"""`fleet archive` on a real bucket and on a copy of it."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fleet.cli import fleet
from tests.aws import Aws
from workers.audit_archive.rules import Row, marker, object_key, partition
from workers.audit_archive.store.objects import pack

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)


@pytest.fixture
def bucket(aws: Aws) -> str:
    """A bucket with one object that waits for its digest."""
    name = aws.bucket("archive")
    folder = partition("things", NOW)
    packed = pack([Row("things#1#event-1", "f1", folder, NOW, (b"", 1), b'{"event_id":"event-1"}')])
    key = object_key(folder, at=NOW, token="0" * 16)
    aws.s3.put_object(Bucket=name, Key=marker(key), Body=b"")
    aws.s3.put_object(Bucket=name, Key=key, Body=packed.body, Metadata=dict(packed.metadata))
    return name


def archive(aws: Aws, *arguments: str) -> Result:
    return CliRunner().invoke(fleet, ["archive", *arguments], env=aws.environment, prog_name="fleet")


def test_a_digest_closes_the_chain_and_the_archive_verifies(aws: Aws, bucket: str) -> None:
    before = archive(aws, "verify", "--bucket", bucket)
    assert before.exit_code == 1
    assert "there is no digest here" in before.stderr
    made = archive(aws, "digest", "--bucket", bucket)
    assert (made.exit_code, made.stdout) == (0, "digests/000000000001.json\n")
    verified = archive(aws, "verify", "--bucket", bucket)
    assert (verified.exit_code, verified.stdout) == (0, "all as the digests say: 1 digests, 1 objects, 1 rows\n")


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


def test_the_bucket_is_the_one_of_the_environment_unless_another_is_named(aws: Aws) -> None:
    result = archive(aws, "digest")
    assert result.exit_code == 0
    assert result.stderr == "no digest was needed\n"
