"""What a delivery is: its attempts' rows, the row of one that was cancelled, and the index that finds it."""

from datetime import timedelta
from typing import Any

import pytest

from tests.workers.webhook_delivery.fakes import NOON, Delivery, endpoint, job
from tests.workers.webhook_delivery.table import InDynamoDb
from tests.workers.webhook_delivery.test_store import DUE, LATER, LEASE, claimed, record
from tests.workers.webhook_delivery.test_store_items import MONTH
from workers.webhook_delivery.rules import Again, Claimed, Delivered, Exhausted, Reply, Result


async def test_a_cancelled_delivery_is_spelled_as_documented(dynamodb: InDynamoDb) -> None:
    await dynamodb.store.cancel(job(), now=LATER)
    cancelled = {
        "PK": {"S": "DELIVERY#msg_1#tenant-1#endpoint-1"},
        "SK": {"S": "DELIVERY"},
        "GSI1PK": {"S": "ENDPOINT#tenant-1#endpoint-1"},
        "GSI1SK": {"S": "ATTEMPT#2026-11-21T12:00:01.000000Z"},
        "entity": {"S": "delivery"},
        "status": {"S": "CANCELLED"},
        "tenantId": {"S": "tenant-1"},
        "endpointId": {"S": "endpoint-1"},
        "eventId": {"S": "msg_1"},
        "eventType": {"S": "upload.completed"},
        "attempts": {"N": "0"},
        "updatedAt": {"S": "2026-11-21T12:00:01.000000Z"},
        "TTL": {"N": str(int(LATER.timestamp()) + MONTH)},
    }
    as_a_first_attempt = {"fingerprint": {"S": job().identified()}, "webhookPayload": {"S": job().payload}}
    assert await dynamodb.item(job(), "DELIVERY") == cancelled | as_a_first_attempt


@pytest.mark.parametrize(
    ("state", "attempts", "ended"),
    [("PENDING", 1, False), ("DELIVERED", 1, True), ("EXHAUSTED", 1, True), ("CANCELLED", 1, True)],
)
async def test_a_delivery_s_row_as_it_was_written_behind_each_attempt_is_read_still(
    dynamodb: InDynamoDb, state: str, attempts: int, *, ended: bool
) -> None:
    verdict: Any = {"PENDING": Again(at=DUE), "DELIVERED": Delivered()}.get(state, Exhausted())
    await record(dynamodb.store, await claimed(dynamodb.store), verdict, Reply(500))
    key = {"PK": {"S": "DELIVERY#msg_1#tenant-1#endpoint-1"}, "SK": {"S": "DELIVERY"}}
    old = {**key, "status": {"S": state}, "attempts": {"N": str(attempts)}, "lastStatus": {"N": "500"}}
    await dynamodb.client.put_item(TableName=dynamodb.name, Item=old)
    await dynamodb.client.update_item(
        TableName=dynamodb.name, Key=key | {"SK": {"S": "ATTEMPT#0001"}}, UpdateExpression="REMOVE outcome"
    )
    assert await dynamodb.delivery(job()) == Delivery(state, 1, 500)
    assert await dynamodb.store.cancel(job(2), now=LATER) is not ended


async def test_an_endpoint_s_deliveries_are_found_by_their_first_attempt_and_by_one_that_ended_them_badly(
    dynamodb: InDynamoDb,
) -> None:
    await dynamodb.add(endpoint())
    ends: dict[str, list[Any]] = {
        "a": [Delivered()],
        "b": [Again(at=DUE), Delivered()],
        "c": [Again(at=DUE)] * 2 + [Exhausted()],
    }
    for event_id, verdicts in ends.items():
        for number, verdict in enumerate(verdicts, 1):
            given = job(number, event_id=event_id)
            claim = await dynamodb.store.claim(given, now=NOON, lease=LEASE)
            assert isinstance(claim, Claimed)
            result = Result(Reply(500), verdict, NOON + timedelta(minutes=number), LATER)
            assert await dynamodb.store.record(given, claim, result, endpoint=endpoint())
    found = await dynamodb.client.query(
        TableName=dynamodb.name,
        IndexName="GSI1",
        KeyConditionExpression="GSI1PK = :endpoint AND begins_with(GSI1SK, :attempt)",
        ExpressionAttributeValues={":endpoint": {"S": "ENDPOINT#tenant-1#endpoint-1"}, ":attempt": {"S": "ATTEMPT#"}},
    )
    seen = [(item["PK"]["S"].split("#")[1], item["SK"]["S"]) for item in found["Items"]]
    firsts = [(event_id, "ATTEMPT#0001") for event_id in ends]
    assert (sorted(seen[:3]), seen[3:]) == (firsts, [("c", "ATTEMPT#0003")])
