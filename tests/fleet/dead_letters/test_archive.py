"""What lies in the archive: told apart by account, region and queue; old archives are read, foreign objects are named."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import orjson
import pytest

from fleet.dead_letters.model import record
from fleet.dead_letters.model.letter import DeadLetter
from fleet.dead_letters.queues.archive import Label
from tests.aws import Aws
from tests.fleet.dead_letters.conftest import Ground, Lines
from tests.fleet.dead_letters.schemas import valid

pytestmark = pytest.mark.slow  # the whole command on the emulator, some seconds a story

ACT = ("--yes", "--reason", "because")


@pytest.fixture
def bucket(aws: Aws, cli: Lines) -> str:
    cli.environment["DLQ_ARCHIVE_BUCKET_NAME"] = aws.bucket("archive")
    return cli.environment["DLQ_ARCHIVE_BUCKET_NAME"]


def old(aws: Aws, bucket: str, ground: Ground, *letters: DeadLetter, **changes: Any) -> str:
    """A batch as it was written before an archive knew region and account; its key."""
    label = asdict(Label("an-archive", ground.name, 1.0, 2e9, "tester", "because", len(letters)))
    del label["queue_arn"]
    content = orjson.dumps({"version": 1, **label, **changes}) + b"\n" + b"".join(map(record.line, letters))
    key = f"dead-letters/{ground.name}/an-archive/000000.jsonl"
    aws.s3.put_object(Bucket=bucket, Key=key, Body=content)
    return key


def test_letters_of_a_queue_of_the_same_name_elsewhere_are_not_restored_here(
    ground: Ground, cli: Lines, aws: Aws, bucket: str
) -> None:
    ground.park({"n": 1})
    cli("dlq", "archive", ground.name, *ACT)
    [found] = aws.s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert found["Key"].startswith(f"dead-letters/000000000000/us-east-1/{ground.name}/")
    content = aws.s3.get_object(Bucket=bucket, Key=found["Key"])["Body"].read()
    aws.s3.delete_object(Bucket=bucket, Key=found["Key"])
    there = found["Key"].replace("us-east-1", "eu-west-1")
    aws.s3.put_object(Bucket=bucket, Key=there, Body=content.replace(b"us-east-1", b"eu-west-1"))
    assert cli.json("restore", ground.name, exits=3) == []
    aws.s3.copy_object(Bucket=bucket, Key=found["Key"], CopySource={"Bucket": bucket, "Key": there})
    refused = cli("dlq", "restore", ground.name, *ACT, exits=5)
    assert f"it holds letters of {ground.arn.replace('us-east-1', 'eu-west-1')}" in refused.stderr
    assert (ground.counts(), cli.audit()[-1]["outcome"]) == ((0, 0), "refused")


def test_an_archive_of_before_is_read_unless_its_letters_say_that_they_are_of_elsewhere(
    ground: Ground, cli: Lines, aws: Aws, bucket: str
) -> None:
    here, there = ground.arn_of(ground.source), "arn:aws:sqs:eu-west-1:000000000000:webhooks"
    old(aws, bucket, ground, DeadLetter("m-1", "{}", moved_from=there))
    refused = cli("dlq", "restore", ground.name, *ACT, exits=5)
    assert f"it holds letters that SQS moved from {there}" in refused.stderr
    old(aws, bucket, ground, DeadLetter("m-1", "{}", moved_from=here), DeadLetter("m-2", "{}"))
    [back] = cli.json("restore", ground.name, *ACT)
    valid("dlq-restored", back)
    assert (back["restored"], ground.counts()) == (2, (2, 0))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: b"",
        lambda _: b"no json\n",
        lambda _: b"[]\n",
        lambda content: content[:-20],
        lambda content: content.splitlines(keepends=True)[0],
        lambda content: content.replace(b'"version":1', b'"version":9', 1),
        lambda content: content.replace(b'"archived_at":1.0', b'"archived_at":"soon"'),
        lambda content: content.replace(b'"queue":"', b'"queue":"not-'),
    ],
)
def test_a_damaged_batch_is_named_and_the_others_come_back(
    spoil: Callable[[bytes], bytes], ground: Ground, cli: Lines, aws: Aws, bucket: str
) -> None:
    ground.park({"n": 1})
    cli("dlq", "archive", ground.name, *ACT)
    key = old(aws, bucket, ground, DeadLetter("m-1", "{}"))
    content = spoil(aws.s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    aws.s3.put_object(Bucket=bucket, Key=key, Body=content)
    listed = cli("dlq", "restore", ground.name, exits=4)
    assert (f"left as it is: {key}" in listed.stderr, "1 letters" in listed.stdout) == (True, True)
    [back] = cli.json("restore", ground.name, *ACT, exits=4)
    valid("dlq-restored", back)
    assert (back["restored"], [each["key"] for each in back["foreign"]]) == (1, [key])
    assert aws.s3.get_object(Bucket=bucket, Key=key)["Body"].read() == content


def test_an_object_of_another_kind_below_the_prefix_is_named_and_left(
    ground: Ground, cli: Lines, aws: Aws, bucket: str
) -> None:
    ground.park({"n": 1})
    cli("dlq", "archive", ground.name, *ACT)
    key = f"dead-letters/000000000000/us-east-1/{ground.name}/notes.txt"
    aws.s3.put_object(Bucket=bucket, Key=key, Body=json.dumps({"version": 1}).encode())
    [back] = cli.json("restore", ground.name, *ACT, exits=4)
    assert (back["restored"], [each["key"] for each in back["foreign"]]) == (1, [key])
