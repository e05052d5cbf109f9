"""Every changed row is in the archive once, and the archive can show that it is whole."""

import gzip
import json
import uuid
from typing import Any

import pytest

from tests.e2e.outside import Outside
from workers.audit_archive.chain.verify import verify
from workers.audit_archive.store.bucket import S3Bucket

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


def archived(fleet: Outside) -> list[dict[str, Any]]:
    """Every row in the audit bucket."""
    s3, bucket = fleet.client("s3"), fleet.name("AUDIT_BUCKET_NAME")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="table=")
    keys = [each["Key"] for page in pages for each in page.get("Contents", [])]
    texts = [gzip.decompress(s3.get_object(Bucket=bucket, Key=key)["Body"].read()).decode() for key in keys]
    return [json.loads(line) for text in texts for line in text.splitlines()]


def rows_of(fleet: Outside, session_id: str) -> list[dict[str, Any]]:
    return [row for row in archived(fleet) if row["keys"] == {"sessionId": {"S": session_id}}]


def stream_record(event_id: str, session_id: str, fleet: Outside, *, number: int = 1) -> str:
    """As a pipe writes it; `number` is the sequence number."""
    arn = f"arn:aws:dynamodb:us-east-1:000000000000:table/{fleet.name('SESSIONS_TABLE_NAME')}/stream/2026"
    return json.dumps(
        {
            "eventID": event_id,
            "eventName": "INSERT",
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": "us-east-1",
            "dynamodb": {
                "ApproximateCreationDateTime": 1795262400,
                "Keys": {"sessionId": {"S": session_id}},
                "NewImage": {"sessionId": {"S": session_id}, "email": {"S": "anna@example.com"}},
                "SequenceNumber": str(10**20 + number),
                "SizeBytes": 100,
                "StreamViewType": "NEW_AND_OLD_IMAGES",
            },
            "eventSourceARN": arn,
        }
    )


async def test_a_change_made_by_anybody_is_archived_with_both_images(fleet: Outside) -> None:
    session_id = fleet.session("anna")
    fleet.upload(f"session-uploads/{session_id}/a.txt", b"a")

    def both() -> list[dict[str, Any]] | None:  # which may come in either order
        found = rows_of(fleet, session_id)
        return found if {"create", "update"} <= {row["activity"] for row in found} else None

    rows = await fleet.until(both, "the archived rows")
    created = next(row for row in rows if row["activity"] == "create")
    assert (created["old"], created["new"]["status"]) == (None, {"S": "AWAITING_SCAN"})
    assert len({row["event_id"] for row in rows}) == len(rows)


async def test_a_record_that_comes_four_times_in_different_batches_is_archived_once_and_without_its_email(
    fleet: Outside,
) -> None:
    event_id, session_id = uuid.uuid4().hex, f"s-{uuid.uuid4().hex[:12]}"
    body = stream_record(event_id, session_id, fleet)
    for _ in range(2):
        fleet.send("audit", body)
    await fleet.until(lambda: rows_of(fleet, session_id), "the archived row")
    for _ in range(2):
        fleet.send("audit", body)
    await fleet.until(lambda: fleet.waiting("audit") == 0, "an empty queue")
    [row] = rows_of(fleet, session_id)
    assert row["event_id"] == event_id
    assert "anna@example.com" not in json.dumps(row)
    assert row["new"]["email"]["S"].startswith("hmac:")


async def test_records_that_come_in_reverse_are_all_there_with_their_sequence(fleet: Outside) -> None:
    session_id = f"s-{uuid.uuid4().hex[:12]}"
    for number in (3, 2, 1):
        fleet.send("audit", stream_record(uuid.uuid4().hex, session_id, fleet, number=number))
    rows = await fleet.until(lambda: len(rows_of(fleet, session_id)) == 3 and rows_of(fleet, session_id), "three rows")
    assert sorted(int(row["sequence_number"]) - 10**20 for row in rows) == [1, 2, 3]


async def test_a_digest_makes_the_chain_verify_and_a_deleted_object_is_named(fleet: Outside) -> None:
    fleet.session("anna")
    await fleet.until(lambda: fleet.waiting("audit") == 0, "an empty queue")
    s3, bucket = fleet.client("s3"), fleet.name("AUDIT_BUCKET_NAME")

    def listed() -> list[str]:
        fleet.send("audit", json.dumps({"source": "scheduler", "time": "2026-11-21T09:00:00Z"}))
        return [each["Key"] for each in s3.list_objects_v2(Bucket=bucket, Prefix="digests/").get("Contents", [])]

    [first, *_] = await fleet.until(listed, "a digest")
    async with fleet.asynchronous("s3") as client:
        source = S3Bucket(client, name=bucket)
        assert (await verify(source)).findings == ()
        digest = json.loads(s3.get_object(Bucket=bucket, Key=first)["Body"].read())
        victim = digest["objects"][0]["key"]
        content = s3.get_object(Bucket=bucket, Key=victim)
        body, metadata = content["Body"].read(), content["Metadata"]
        s3.delete_object(Bucket=bucket, Key=victim)
        broken = await verify(source)
        s3.put_object(Bucket=bucket, Key=victim, Body=body, Metadata=metadata)
    assert [finding.where for finding in broken.findings] == [victim]
