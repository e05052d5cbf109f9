"""Large payloads are kept in S3, where there is a bucket."""

import random
from typing import Any, cast

import pytest

from shared import SettingsError
from tests.aws import Aws
from tests.workers.webhook_delivery.fakes import Clock
from tests.workers.webhook_delivery.table import InDynamoDb
from workers.webhook_delivery.event import Published
from workers.webhook_delivery.store.kept import KeptPayloads
from workers.webhook_delivery.store.payloads import IN_TABLE, LARGEST_ITEM


def event(event_id: str, size: int) -> Published:
    """Of a payload that cannot be compressed below `size`."""
    text = random.Random(size).randbytes(size).hex()
    return Published(eventId=event_id, eventType="a", tenantId="t", payload=f'{{"type":"a","data":"é{text}"}}')


async def test_a_large_payload_goes_to_the_bucket_and_comes_back_until_it_is_expunged(
    aws: Aws, dynamodb: InDynamoDb
) -> None:
    large, small, bucket = event("msg_1", IN_TABLE), event("msg_2", 1000), aws.bucket("kept")
    async with aws.open("s3") as s3:
        kept = KeptPayloads(dynamodb.client, table=dynamodb.name, now=Clock(), s3=s3, bucket=bucket, prefix="p/")
        for each in (large, small):
            await kept.keep(each)
            assert await kept.read("t", each.event_id) == each.payload
        keys = [each["Key"] for each in aws.s3.list_objects_v2(Bucket=bucket)["Contents"]]
        assert [key.rpartition("/")[0] for key in keys] == ["p/webhook-payloads/msg_1"]
        assert await kept.expunge("t", "msg_1")
        assert await kept.read("t", "msg_1") is None
        assert aws.s3.list_objects_v2(Bucket=bucket).get("Contents", []) == []
        await kept.keep(event("msg_3", IN_TABLE))
        [third] = [each["Key"] for each in aws.s3.list_objects_v2(Bucket=bucket)["Contents"]]
        aws.s3.delete_object(Bucket=bucket, Key=third)
        assert await kept.read("t", "msg_3") is None, "the bucket's lifecycle has removed it"


async def test_an_expunged_payload_does_not_come_back_to_the_bucket_with_a_duplicate_of_its_event(
    aws: Aws, dynamodb: InDynamoDb
) -> None:
    large, bucket = event("msg_1", IN_TABLE), aws.bucket("kept")

    def objects() -> int:
        return len(aws.s3.list_objects_v2(Bucket=bucket).get("Contents", []))

    async with aws.open("s3") as s3:
        kept = KeptPayloads(dynamodb.client, table=dynamodb.name, now=Clock(), s3=s3, bucket=bucket, prefix="p/")
        for _ in range(2):
            await kept.keep(large)
            assert (objects(), await kept.read("t", "msg_1")) == (1, large.payload), "a duplicate takes nothing away"
        assert await kept.expunge("t", "msg_1")
        await kept.keep(large)
        assert (objects(), await kept.read("t", "msg_1")) == (0, None)


@pytest.mark.slow
async def test_a_payload_that_is_expunged_between_two_copies_of_its_event_leaves_nothing_in_the_bucket(
    aws: Aws, dynamodb: InDynamoDb
) -> None:
    large, bucket = event("msg_1", IN_TABLE), aws.bucket("kept")
    names: dict[str, Any] = {"table": dynamodb.name, "now": Clock(), "bucket": bucket, "prefix": "p/"}
    async with aws.open("s3") as s3:
        first = KeptPayloads(dynamodb.client, s3=s3, **names)

        class Slow:
            """Puts the second copy's object when the first one is kept and expunged."""

            async def put_object(self, **asked: Any) -> None:
                await first.keep(large)
                assert await first.expunge("t", "msg_1")
                await s3.put_object(**asked)

            def __getattr__(self, name: str) -> Any:
                return getattr(s3, name)

        await KeptPayloads(dynamodb.client, s3=cast("Any", Slow()), **names).keep(large)
        assert aws.s3.list_objects_v2(Bucket=bucket).get("Contents", []) == []
        assert await first.read("t", "msg_1") is None


async def test_a_bucket_that_is_not_named_is_asked_for_and_nothing_counts_as_gone(
    aws: Aws, dynamodb: InDynamoDb
) -> None:
    large, bucket = event("msg_1", IN_TABLE), aws.bucket("kept")
    async with aws.open("s3") as s3:
        kept = KeptPayloads(dynamodb.client, table=dynamodb.name, now=Clock(), s3=s3, bucket=bucket, prefix="p/")
        await kept.keep(large)
        other = KeptPayloads(dynamodb.client, table=dynamodb.name, now=Clock(), s3=None, bucket="", prefix="")
        for asked in (other.read, other.expunge):
            with pytest.raises(SettingsError, match=r"^CLAIM_CHECK_BUCKET_NAME is not set"):
                await asked("t", "msg_1")
        assert await kept.read("t", "msg_1") == large.payload


async def test_what_no_row_can_hold_is_not_kept_and_everything_else_goes_on(dynamodb: InDynamoDb) -> None:
    kept = KeptPayloads(dynamodb.client, table=dynamodb.name, now=Clock(), s3=None, bucket="", prefix="")
    await kept.keep(event("msg_1", LARGEST_ITEM))
    assert await kept.read("t", "msg_1") is None
