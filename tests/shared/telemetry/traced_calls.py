"""A process that makes each kind of AWS call twice, and tells of the spans that came of it: the second call may be a fast one."""

import asyncio
import json
import os
import sys
from contextlib import suppress
from typing import Any

from botocore.exceptions import ClientError
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shared.clients import Clients
from shared.telemetry import tracing
from tests.shared.aws.contract.answers import Odd, refusal, whole
from tests.shared.aws.contract.stub import Stub, stub

CANARY = "canary-7f3a"
ID = "x-amzn-requestid: r-1"
KEY = {"id": {"S": CANARY}}
QUEUE = "http://127.0.0.1/123456789012/orders"
ENTRY = {"Source": "s", "DetailType": "d", "Detail": f'"{CANARY}"'}
CALLS: dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    "get": ("dynamodb", "get_item", {"TableName": "t", "Key": KEY, "ConsistentRead": True}, {"Item": KEY}),
    "batch": ("dynamodb", "batch_get_item", {"RequestItems": {"t": {"Keys": [KEY]}}},
              {"Responses": {}, "ConsumedCapacity": [{"TableName": "t", "CapacityUnits": 0.5}]}),
    "transact": ("dynamodb", "transact_write_items", {"TransactItems": [{"Delete": {"TableName": "t", "Key": KEY}}]}, {}),
    "scan": ("dynamodb", "scan", {"TableName": "t", "Segment": 0, "TotalSegments": 2}, {"Items": [], "Count": 3, "ScannedCount": 9}),
    "send": ("sqs", "send_message", {"QueueUrl": QUEUE, "MessageBody": CANARY}, {"MessageId": "m-1"}),
    "receive": ("sqs", "receive_message", {"QueueUrl": QUEUE}, {}),
    "put": ("events", "put_events", {"Entries": [ENTRY]}, {"Entries": [{"EventId": "e"}], "FailedEntryCount": 0}),
    "secret": ("secretsmanager", "get_secret_value", {"SecretId": "keys"}, {"ARN": "arn:s", "SecretString": CANARY}),
}  # fmt: skip


async def play(clients: Clients, serving: Stub) -> None:
    for service, method, asked, answer in CALLS.values():
        serving.now = Odd(whole(json.dumps(answer).encode(), ID))
        call = getattr(await clients.open(service), method)
        for _ in range(2):
            await call(**asked)
    dynamodb = await clients.open("dynamodb")
    serving.now = Odd(whole(b'{"Items": [], "Count": 0}', ID))
    for _ in range(2):
        asked = {"TableName": "t", "IndexName": "by-id", "Limit": 5, "KeyConditionExpression": "a = :a"}
        _ = [page async for page in dynamodb.get_paginator("query").paginate(**asked)]
    refused = {"__type": "x#ConditionalCheckFailedException", "message": CANARY, "Item": KEY}
    serving.now = Odd(refusal("400 Bad Request", refused, ID))
    for _ in range(2):
        with suppress(ClientError):
            await dynamodb.get_item(TableName="t", Key=KEY)


async def tell() -> list[dict[str, Any]]:
    exporter = InMemorySpanExporter()
    tracing.configure(os.environ, service="sample", exporter=exporter)
    usual = Odd(whole(b"{}", ID))
    async with stub(usual) as serving:
        keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "eu-west-1"}
        os.environ.update(keys, AWS_ENDPOINT_URL=serving.url)
        async with Clients(os.environ) as clients:
            await play(clients, serving)
    provider = trace.get_tracer_provider()
    assert isinstance(provider, TracerProvider)
    provider.force_flush()
    return [
        {
            "name": span.name,
            "kind": span.kind.name,
            "attributes": {**(span.attributes or {})},
            "status": span.status.status_code.name,
            "events": len(span.events),
        }
        for span in exporter.get_finished_spans()
    ]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(tell())))
