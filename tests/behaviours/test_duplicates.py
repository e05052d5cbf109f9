"""The same work asked for twice, and another payload under a used key, against SQS and DynamoDB: K1 to K7."""

import asyncio
import json
import time
import uuid
from typing import Any

import boto3
import pytest

from shared.message.delivery import Delivery
from shared.message.identity import ATTRIBUTE
from shared.outcome import Reject
from tests.aws import Aws
from tests.behaviours.doors import Door
from tests.behaviours.stage import Gate, Stage, failing
from tests.waiting import until


def key(delivery: Delivery) -> str:
    """Bodies are `{key} {what is asked for}`."""
    return delivery.body.partition(" ")[0]


class Table:
    """The ledger's table, as a person would look at it."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name

    def item(self, of: str) -> dict[str, Any]:
        found = self._client.get_item(TableName=self._name, Key={"key": {"S": f"sample#{of}"}}, ConsistentRead=True)
        return dict(found.get("Item", {}))

    def dead_holder(self, of: str, *, until: float) -> None:
        """What a process leaves behind that was killed in the middle of its work."""
        item = {"owner": {"S": "dead"}, "state": {"S": "CLAIMED"}, "fingerprint": {"S": "f"}}
        times = {"claimedUntil": {"N": f"{until:.3f}"}, "expiresAt": {"N": str(int(until) + 86_400)}}
        self._client.put_item(TableName=self._name, Item={"key": {"S": f"sample#{of}"}, **item, **times})


@pytest.fixture
def table(stage: Stage, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Table:
    """A ledger in the emulator, found by both doors."""
    url, name = aws.endpoint.url_of("dynamodb"), f"ledger-{uuid.uuid4().hex}"
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", aws.endpoint.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", aws.endpoint.secret_access_key)
    stage.more["LEDGER_TABLE_NAME"] = name
    client = boto3.client("dynamodb", endpoint_url=url)
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
    )
    return Table(client, name)


def reasons(stage: Stage) -> list[tuple[str, str, int]]:
    """Body, error type and attempts of what was buried."""
    letters = [
        (letter["body"], json.loads(letter["attributes"][ATTRIBUTE]["StringValue"])) for letter in stage.buried()
    ]
    return [(body, envelope["error_type"], envelope["attempts"]) for body, envelope in letters]


@pytest.mark.guarantee("K1")
async def test_a_duplicate_of_completed_work_is_absorbed(stage: Stage, door: Door, table: Table) -> None:
    stage.queues()
    stage.send("order-1 ten")
    await door.opens(stage.worker(key=key))
    await stage.empty()
    stage.send(*["order-1 ten"] * 12)
    await stage.empty()
    assert stage.started == ["order-1 ten"]
    assert table.item("order-1")["state"] == {"S": "DONE"}
    assert stage.buried() == []


@pytest.mark.guarantee("K1")
async def test_completed_work_stays_known_to_a_process_that_starts_later(
    stage: Stage, door: Door, table: Table
) -> None:
    stage.queues()
    stage.control.fault("denied", "DeleteMessageBatch")
    stage.send("order-1 ten")
    await door.opens(stage.worker(key=key))
    await until(lambda: stage.requests("DeleteMessageBatch"), what="the delete that fails")
    await door.dies()
    stage.control.heal()
    stage.control.advance(60)
    await door.opens(stage.worker(key=key))
    await stage.empty()
    assert stage.started == ["order-1 ten"], "not run again, though its delete was lost with its process"


@pytest.mark.guarantee("K2")
async def test_a_duplicate_learns_what_the_handler_returned(stage: Stage, door: Door, table: Table) -> None:
    stage.queues()
    seen: list[Any] = []

    async def work(delivery: Delivery) -> dict[str, str]:
        return {"receipt": delivery.message_id}

    async def again(delivery: Delivery, result: Any) -> None:
        seen.append((delivery.body, result))

    stage.otherwise = work
    stage.send("order-1 ten")
    await door.opens(stage.worker(key=key, on_duplicate=again))
    await stage.empty()
    first = json.loads(table.item("order-1")["result"]["S"])
    stage.send("order-1 ten")
    await until(lambda: seen, what="the duplicate")
    await stage.empty()
    assert seen == [("order-1 ten", first)]


@pytest.mark.guarantee("K3")
async def test_a_concurrent_duplicate_is_refused_and_looked_at_again(stage: Stage, door: Door, table: Table) -> None:
    stage.queues()
    gate = Gate()
    stage.otherwise = lambda _delivery: gate.passed()
    stage.send("order-1 ten", "order-1 ten")
    await door.opens(stage.worker(key=key))
    [hidden] = await stage.seen("extend")
    assert 0.9 <= float(hidden.more["until"]) - hidden.at <= 1.1
    assert stage.started == ["order-1 ten"]
    gate.open()
    await until(lambda: len(stage.left()) <= 1, what="the end of the first")
    stage.control.advance(30)
    await stage.empty()
    assert stage.started == ["order-1 ten"]


@pytest.mark.slow
@pytest.mark.guarantee("K4")
async def test_a_concurrent_duplicate_waits_and_leaves_with_the_first(stage: Stage, door: Door, table: Table) -> None:
    stage.queues()
    gate = Gate()
    stage.otherwise = lambda _delivery: gate.passed()
    stage.send("order-1 ten", "order-1 ten")
    await door.opens(stage.worker(key=key, duplicates="wait"))
    await until(lambda: stage.started, what="the first")
    await asyncio.sleep(0.5)
    assert len(stage.left()) == 2
    gate.open()
    await stage.empty()
    assert stage.started == ["order-1 ten"]
    assert stage.entries("extend") == [], "neither was hidden"


@pytest.mark.slow
@pytest.mark.guarantee("K4")
async def test_a_duplicate_that_waits_takes_over_from_a_dead_holder(stage: Stage, door: Door, table: Table) -> None:
    stage.queues()
    lease_ends = time.time() + 1.5
    table.dead_holder("order-1", until=lease_ends)
    stage.send("order-1 ten")
    await door.opens(stage.worker(key=key, duplicates="wait"))
    await stage.empty()
    assert time.time() >= lease_ends
    assert stage.started == ["order-1 ten"]


@pytest.mark.guarantee("K5")
async def test_another_payload_under_a_used_key_is_buried_on_the_first_attempt_and_runs_nothing(
    stage: Stage, door: Door, table: Table
) -> None:
    stage.queues()
    stage.send("order-1 ten")
    await door.opens(stage.worker(key=key))
    await stage.empty()
    stage.send("order-1 million", "order-2 ten")
    await stage.empty()
    assert sorted(stage.started) == ["order-1 ten", "order-2 ten"]
    assert reasons(stage) == [("order-1 million", "KeyReused", 1)]
    assert stage.findings().faults == {}


@pytest.mark.guarantee("K6")
async def test_after_a_failure_a_mended_message_takes_the_same_key(stage: Stage, door: Door, table: Table) -> None:
    stage.queues()
    stage.work["order-1 broken"] = failing(Reject("no such session"))
    stage.send("order-1 broken")
    await door.opens(stage.worker(key=key))
    await stage.empty()
    stage.send("order-1 mended")
    await stage.empty()
    assert stage.ended == ["order-1 mended"]
    assert reasons(stage) == [("order-1 broken", "Reject", 1)]
