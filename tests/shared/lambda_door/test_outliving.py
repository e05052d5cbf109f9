"""A handler that swallows its cut: it goes on in the next invocation, and holds nothing that the next one needs."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from shared.app import App
from shared.clients import Clients
from shared.clock import lease_time
from shared.consumer import Stores
from shared.lambda_door.entry import Sandbox, joined
from shared.lambda_door.invocation import Report, report
from shared.road.failure.breakers import Breakers
from tests.aws import Aws
from tests.fakes_ledger import FakeLedger
from tests.made import make_worker
from tests.shared.lambda_door.test_invocation import Case, Returning, record
from tests.virtual_time import clock, virtual

BODY = "x" * 1_048_576


async def swallows(body: str) -> None:
    if body != "quick":
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(60)


def test_the_report_says_that_a_handler_goes_on() -> None:
    async def story() -> None:
        case = Case(swallows)
        assert await report([record("slow")], [case.consumer], deadline=clock() + 5) == Report(
            ("slow",), 0, goes_on=True
        )
        assert await report([record("quick")], [case.consumer], deadline=clock() + 5) == Report((), 1)

    virtual(story())


@pytest.mark.guarantee("R3")
async def test_the_next_invocation_does_not_wait_for_a_lone_run_that_goes_on() -> None:
    ledger = FakeLedger()
    ledger.counts["runs#uploads#suspect"] = 4
    stores = Stores(Returning(), breakers=Breakers(waits=False), resource_name="uploads", ledger=ledger)
    opened = [(make_worker(swallows, decode=lambda each: each.body), stores)]
    found = await report([record("suspect", attempt=5)], joined(opened, room=1), deadline=lease_time() + 0.05)
    assert found == Report(("suspect",), 0, goes_on=True)
    assert await report([record("quick")], joined(opened, room=1), deadline=lease_time() + 1) == Report((), 1)


@pytest.mark.slow
@pytest.mark.guarantee("M2")
def test_the_next_invocation_has_the_whole_budget_though_a_cut_handler_keeps_its_body(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in aws.endpoint.environment.items():
        monkeypatch.setenv(name, value)
    begun: list[str] = []

    async def handle(key: str) -> None:
        begun.append(key)
        await swallows("quick" if len(begun) > 1 else "slow")

    @asynccontextmanager
    async def open_workers(_environment: Mapping[str, str], _clients: Clients) -> AsyncIterator[tuple[Any, ...]]:
        yield (make_worker(handle, decode=lambda each: each.message_id),)

    bucket, url = aws.bucket(), aws.queue("uploads")
    aws.s3.put_object(Bucket=bucket, Key="body", Body=BODY.encode())
    names = {"UPLOADS_QUEUE_URL": url, "UPLOADS_DLQ_URL": aws.queue("uploads-dlq"), "CLAIM_CHECK_BUCKET_NAME": bucket}
    sandbox = Sandbox(
        App("sample", ("uploads",), open_workers),
        {**aws.endpoint.environment, **names, "BODY_BUDGET_BYTES": str(len(BODY))},
    )
    try:
        sandbox.invoke({"Records": []}, remaining=30)
        for message_id, seconds, staying in (("a", 2, ["a"]), ("b", 5, [])):
            pointing = {"Records": [_pointer(bucket, message_id, queue=url.rsplit("/", 1)[-1])]}
            found = sandbox.invoke(pointing, remaining=seconds)
            assert [each["itemIdentifier"] for each in found["batchItemFailures"]] == staying
    finally:
        sandbox.close()
    assert begun == ["a", "b"]


def _pointer(bucket: str, message_id: str, *, queue: str) -> dict[str, Any]:
    place = {"s3BucketName": bucket, "s3Key": "body"}
    return record(json.dumps(["software.amazon.payloadoffloading.PayloadS3Pointer", place]), message_id=message_id) | {
        "messageAttributes": {"ExtendedPayloadSize": {"dataType": "Number", "stringValue": str(len(BODY))}},
        "eventSourceARN": f"arn:aws:sqs:us-east-1:123456789012:{queue}",
    }
