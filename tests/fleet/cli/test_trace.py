"""`fleet trace`, as somebody types it at three in the morning."""

import gzip
import json
import time
from pathlib import Path

import pytest

from tests.aws import Aws
from tests.fleet.dead_letters.conftest import Ground, Lines, cli, ground

__all__ = ["cli", "ground"]


@pytest.fixture
def told(aws: Aws, cli: Lines) -> Lines:
    named = {"SESSIONS_TABLE_NAME": aws.table_like("sessions"), "REMINDERS_TABLE_NAME": aws.table_like("reminders")}
    return Lines({**cli.environment, **named, "WEBHOOKS_TABLE_NAME": aws.table_like("webhooks")}, cli.home)


@pytest.mark.slow
def test_one_story_is_told_in_order_from_tables_letters_archive_and_logs(
    told: Lines, ground: Ground, aws: Aws, tmp_path: Path
) -> None:
    told("sessions", "open", "--id", "s-41", "--tenant", "acme")
    ground.park({"sessionId": "s-41", "name": "canary-7f3a"}, {"sessionId": "s-42"})
    before = ground.content()
    lines = [
        {"timestamp": "2001-01-01T00:00:00Z", "event": "upload_seen", "worker": "uploads", "session_id": "s-41", "trace_id": "t-1"},
        {"timestamp": "2001-01-01T00:00:01Z", "event": "message_done", "worker": "webhook-delivery", "trace_id": "t-1"},
        {"timestamp": "2001-01-01T00:00:02Z", "event": "message_done", "worker": "webhook-delivery", "trace_id": "t-2"},
    ]  # fmt: skip
    log = tmp_path / "log"
    log.write_text("\n".join(map(json.dumps, lines)))
    bucket = f"fleet-trace-{ground.name.lower()[-20:].strip('-')}"
    aws.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    row = {"event_id": "e-1", "table": "t", "activity": "INSERT", "event_time": "2002-01-01T00:00:00Z", "keys": "s-41"}
    key = time.strftime("table=t/year=%Y/month=%m/day=%d/hour=%H/a.ndjson.gz", time.gmtime())
    aws.s3.put_object(Bucket=bucket, Key=key, Body=gzip.compress(json.dumps(row).encode()))
    given = ("trace", "s-41", "--log", str(log), "--archive", "2", "--dlq", ground.name, "--tenant", "acme", "--json")
    result = told(*given, AUDIT_BUCKET_NAME=bucket)
    found = [json.loads(each) for each in result.stdout.splitlines()]
    assert [each["place"] for each in found[:3]] == ["log uploads", "log webhook-delivery", "archive"]
    assert {each["place"] for each in found[3:]} == {"session", f"letter {ground.name}"}
    assert "canary-7f3a" not in result.stdout + result.stderr
    assert f"{ground.name}: 1 of 2 letters" in result.stderr
    assert "reminders: 0 found" in result.stderr
    assert {each["MessageId"] for each in ground.content()} == {each["MessageId"] for each in before}


def test_what_was_not_looked_at_is_said_and_nothing_found_ends_with_three(told: Lines) -> None:
    del told.environment["SESSIONS_TABLE_NAME"]
    result = told("trace", "s-41", "--no-letters", exits=3)
    assert result.stdout == ""
    for place in ("logs", "reminders", "webhooks", "archive", "letters", "sessions"):
        assert f"{place}: not looked at, " in result.stderr


def test_a_place_that_cannot_be_read_keeps_no_other_from_telling_and_ends_with_four(told: Lines) -> None:
    told("sessions", "open", "--id", "s-43")
    result = told(
        "trace", "s-43", "--dlq", "there-is-none-dlq", "--tenant", "acme", exits=4, REMINDERS_TABLE_NAME="none"
    )
    assert "s-43" in result.stdout
    assert "reminders: could not be read (ResourceNotFoundException)" in result.stderr
    assert "letters: could not be read (NoSuchQueue)" in result.stderr


def test_an_empty_id_names_nothing(told: Lines) -> None:
    assert "its value is empty" in told("trace", " ", exits=2).stderr


def test_cloudwatchs_logs_want_a_stage(told: Lines) -> None:
    assert "fleet --stage NAME" in told("trace", "s-41", "--no-letters", "--cloudwatch", "2", exits=2).stderr
