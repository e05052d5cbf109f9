"""`fleet archive find`, `query` and `compact` on a real bucket."""

import asyncio
import base64
import csv
import io
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fleet.cli import fleet
from fleet.cli.archive.searched import MOMENT, span_of
from tests.aws import Aws
from tests.fleet.archive.made import KEYS, TABLE, change, laid, nine, written
from tests.workers.audit_archive.fakes import World

HASH_KEYS = ",".join(f"{key.id}:{base64.b64encode(key.secret).decode()}" for key in KEYS)


@pytest.fixture
def bucket(aws: Aws) -> str:
    name, world = aws.bucket("archive"), World()
    rows = [change(1, nine(1), key=KEYS[4], email="a@b.example"), change(2, nine(hour=10), actor="user-7")]
    asyncio.run(written(world, rows))
    for key, (body, metadata) in world.bucket.objects.items():
        aws.s3.put_object(Bucket=name, Key=key, Body=body, Metadata=dict(metadata))
    return name


def archive(aws: Aws, *arguments: str) -> Result:
    environment = {"AUDIT_HASH_KEYS": HASH_KEYS, **aws.environment}
    return CliRunner().invoke(fleet, ["archive", *arguments], env=environment, prog_name="fleet")


@pytest.mark.slow
def test_a_bucket_is_searched_before_and_after_it_is_compacted(aws: Aws, bucket: str) -> None:
    place = ("--bucket", bucket)
    find = (*place, "--since", "2026-11-20", "--until", "2026-11-21", "--as", "json")
    before = archive(aws, "find", *find, "--id", "a@b.example")
    assert [json.loads(line)["event_id"] for line in before.stdout.splitlines()] == ["e1"]
    made = archive(aws, "compact", *place, "--table", TABLE, "--until", "2026-11-21")
    assert (made.exit_code, made.stderr) == (0, "2 files, 2 rows\n")
    assert archive(aws, "compact", *place, "--table", TABLE, "--until", "2026-11-21").stderr == "0 files, 0 rows\n"
    assert archive(aws, "find", *find, "--id", "a@b.example").stdout == before.stdout
    answer = archive(aws, "query", *place, "--as", "csv", "SELECT event_id, actor FROM rows ORDER BY 1")
    assert [*csv.reader(io.StringIO(answer.stdout))] == [["event_id", "actor"], ["e1", "unknown"], ["e2", "user-7"]]
    assert "e2" in archive(aws, "find", *place, "--change", "actor").stdout
    assert "all as the digests say" in archive(aws, "verify", *place, "--as-of", "2026-11-21T12:01:00Z").stdout


def test_of_a_copy_nothing_has_expired_but_by_the_time_that_it_was_made(tmp_path: Path) -> None:
    world = World()
    asyncio.run(written(world, [change(1, nine()), change(2, nine(hour=10))]))
    root = laid(world, tmp_path)
    shutil.rmtree(root / f"table={TABLE}/year=2026/month=11/day=20/hour=09")
    given = [
        "archive",
        "compact",
        "--directory",
        str(root),
        "--table",
        TABLE,
        "--until",
        "2026-11-21",
        "--retention-days",
        "1",
    ]
    codes = [CliRunner().invoke(fleet, [*given, *more]).exit_code for more in ([], ["--as-of", "2027-01-01"])]
    assert codes == [1, 0]


@pytest.mark.slow
def test_what_cannot_be_asked_is_said(aws: Aws, bucket: str) -> None:
    place = ("--bucket", bucket)
    backwards = archive(aws, "find", *place, "--since", "2026-11-21", "--until", "2026-11-20")
    assert (backwards.exit_code, "must be later than --since" in backwards.stderr) == (2, True)
    writing = archive(aws, "query", *place, "DROP VIEW rows")
    assert (writing.exit_code, writing.stderr) == (1, "Error: give one SELECT\n")
    early = archive(aws, "compact", *place, "--table", TABLE, "--until", "2999-01-01")
    assert (early.exit_code, "is in the future" in early.stderr) == (2, True)
    for option in ("--id", "--actor", "--correlation", "--subject", "--change", "--table"):
        unset = archive(aws, "find", *place, option, "")
        assert (unset.exit_code, "is empty" in unset.stderr) == (2, True)
    nothing = archive(aws, "find", *place, "--actor", "nobody")
    assert (nothing.exit_code, nothing.stderr) == (0, "no row fits\n")


def test_a_moment_with_an_offset_is_taken_as_it_says_and_one_without_in_utc() -> None:
    for text, hour in (("2026-11-20T12:00:00+02:00", 10), ("2026-11-20T12:00:00Z", 12), ("2026-11-20T12:00", 12)):
        assert span_of(None, MOMENT.convert(text, None, None), None).since == datetime(2026, 11, 20, hour, tzinfo=UTC)


def test_without_hash_keys_what_is_in_clear_is_found_and_that_nothing_else_was_looked_for_is_said(
    tmp_path: Path,
) -> None:
    world = World()
    asyncio.run(written(world, [change(1, nine(), actor="user-7")]))
    place = ["archive", "find", "--directory", str(laid(world, tmp_path)), "--as", "json"]
    found = CliRunner().invoke(fleet, [*place, "--actor", "user-7"], env={"AUDIT_HASH_KEYS": None})
    assert (found.exit_code, json.loads(found.stdout)["event_id"]) == (0, "e1")
    nothing = CliRunner().invoke(fleet, [*place, "--actor", "user-8"], env={"AUDIT_HASH_KEYS": None})
    assert (nothing.exit_code, "AUDIT_HASH_KEYS is not set" in nothing.stderr) == (0, True)
