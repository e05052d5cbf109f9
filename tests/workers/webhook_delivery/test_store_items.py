"""What only the real table can show: how items are spelled, pages, indexes, conflicts."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.workers.webhook_delivery.fakes import NOON, SECRET, endpoint, job
from tests.workers.webhook_delivery.table import InDynamoDb, row
from tests.workers.webhook_delivery.test_store import DUE, LATER, LEASE, claimed, record
from workers.webhook_delivery.rules import (
    Again,
    Claimed,
    Delivered,
    Endpoint,
    Exhausted,
    Gone,
    Held,
    Page,
    Reply,
    Result,
    Subscription,
)

MONTH = 30 * 86_400


async def test_an_attempt_under_way_is_spelled_as_documented(dynamodb: InDynamoDb) -> None:
    await claimed(dynamodb.store, 3)
    assert await dynamodb.item(job(3), "ATTEMPT#0003") == {
        "PK": {"S": "DELIVERY#msg_1#tenant-1#endpoint-1"},
        "SK": {"S": "ATTEMPT#0003"},
        "entity": {"S": "attempt"},
        "eventType": {"S": "upload.completed"},
        "status": {"S": "SENDING"},
        "fingerprint": {"S": job().identified()},
        "startedAt": {"S": "2026-11-21T12:00:00.000000Z"},
        "claimedUntil": {"N": str(int(NOON.timestamp() + LEASE))},
        "TTL": {"N": str(int(NOON.timestamp()) + MONTH)},
    }


async def test_a_failed_attempt_is_spelled_as_documented(dynamodb: InDynamoDb) -> None:
    await record(dynamodb.store, await claimed(dynamodb.store), Again(at=DUE), Reply(503, body="busy"))
    attempt = await dynamodb.item(job(), "ATTEMPT#0001")
    kept_until = {"N": str(int(LATER.timestamp()) + MONTH)}
    assert {name: attempt[name] for name in attempt.keys() - {"PK", "SK", "claimedUntil"}} == {
        "GSI1PK": {"S": "ENDPOINT#tenant-1#endpoint-1"},
        "GSI1SK": {"S": "ATTEMPT#2026-11-21T12:00:00.000000Z"},
        "entity": {"S": "attempt"},
        "eventType": {"S": "upload.completed"},
        "status": {"S": "FAILED"},
        "fingerprint": {"S": job().identified()},
        "httpStatus": {"N": "503"},
        "startedAt": {"S": "2026-11-21T12:00:00.000000Z"},
        "finishedAt": {"S": "2026-11-21T12:00:01.000000Z"},
        "durationMs": {"N": "1000"},
        "response": {"S": "busy"},
        "nextAt": {"S": "2026-11-21T12:00:05.000250Z"},
        "TTL": kept_until,
        "webhookPayload": {"S": job().payload},
    }
    assert await dynamodb.item(job(), "DELIVERY") == {}, "what its attempts say is not written twice"


async def test_an_error_class_is_kept_and_an_empty_answer_is_not(dynamodb: InDynamoDb) -> None:
    await record(dynamodb.store, await claimed(dynamodb.store), Exhausted(), Reply(0, "timeout"))
    attempt = await dynamodb.item(job(), "ATTEMPT#0001")
    assert attempt["error"] == {"S": "timeout"}
    assert attempt["httpStatus"] == {"N": "0"}
    assert attempt.keys().isdisjoint({"response", "nextAt"})


async def test_a_disabled_endpoint_says_why_and_keeps_everything_else(dynamodb: InDynamoDb) -> None:
    await dynamodb.add(endpoint(), "upload.*")
    await record(dynamodb.store, await claimed(dynamodb.store), Gone(), Reply(410))
    key = {"PK": {"S": "TENANT#tenant-1"}, "SK": {"S": "ENDPOINT#endpoint-1"}}
    found = await dynamodb.client.get_item(TableName=dynamodb.name, Key=key)
    assert [each["M"]["kind"]["S"] for each in found["Item"].pop("owed")["L"]] == ["webhook.disabled"]
    assert found["Item"] == row(endpoint(enabled=False), "upload.*") | {"disabledReason": {"S": "410 Gone"}}


async def test_more_endpoints_than_fit_on_one_page_are_all_found(dynamodb: InDynamoDb) -> None:
    wide = [f"upload.{number}.{'x' * 1000}" for number in range(100)]
    for number in range(15):  # 100 kB each: a page has one MiB
        await dynamodb.add(endpoint(f"endpoint-{number}"), *wide)
    first = await dynamodb.store.subscriptions("tenant-1")
    second = await dynamodb.store.subscriptions("tenant-1", first.after)
    assert (len(first.subscriptions) + len(second.subscriptions), second.after) == (15, "")
    assert {each.endpoint_id for page in (first, second) for each in page.subscriptions} == {
        f"endpoint-{number}" for number in range(15)
    }


async def test_sets_of_texts_are_read_like_lists(dynamodb: InDynamoDb) -> None:
    item = row(endpoint()) | {"eventTypes": {"SS": ["upload.*"]}, "previousSecrets": {"SS": [SECRET]}}
    await dynamodb.client.put_item(TableName=dynamodb.name, Item=item)
    assert await dynamodb.store.subscriptions("tenant-1") == Page(
        (Subscription("endpoint-1", ("upload.*",), enabled=True),)
    )
    assert await dynamodb.store.endpoint("tenant-1", "endpoint-1") == endpoint(secrets=(SECRET, SECRET))


async def test_a_crippled_endpoint_harms_nobody_else(dynamodb: InDynamoDb) -> None:
    await dynamodb.add(endpoint("good"))
    for name, item in (
        ("nameless", {}),
        ("e" * 257, {"endpointId": {"S": "e" * 257}}),
        ("number", {"endpointId": {"N": "7"}}),
        ("twin", {"endpointId": {"S": "good"}, "enabled": {"BOOL": True}, "eventTypes": {"L": [{"S": "*"}]}}),
        ("bare", {"endpointId": {"S": "bare"}}),
        ("text", {"endpointId": {"S": "text"}, "enabled": {"S": "true"}, "eventTypes": {"L": [{"S": "*"}]}}),
        ("one", {"endpointId": {"S": "one"}, "enabled": {"BOOL": True}, "eventTypes": {"S": "*"}}),
    ):
        key = {"PK": {"S": "TENANT#tenant-1"}, "SK": {"S": f"ENDPOINT#{name}"}}
        await dynamodb.client.put_item(TableName=dynamodb.name, Item=key | item)
    found = (await dynamodb.store.subscriptions("tenant-1")).subscriptions
    assert {each.endpoint_id[:4]: each.fault for each in found} == {
        "good": "",
        "name": "endpointId",
        "eeee": "endpointId",
        "numb": "endpointId",
        "twin": "endpointId",
        "bare": "enabled",
        "text": "enabled",
        "one": "eventTypes",
    }
    bare = Endpoint("tenant-1", "bare", url="", secrets=("",), enabled=False, fault="enabled")
    assert await dynamodb.store.endpoint("tenant-1", "bare") == bare


async def test_a_row_that_expired_between_two_looks_is_claimed_a_little_later(dynamodb: InDynamoDb) -> None:
    await claimed(dynamodb.store)

    async def gone(**_event: Any) -> tuple["Refusal", dict[str, Any]]:
        return Refusal(200), {}

    dynamodb.client.meta.events.register("before-call.dynamodb.GetItem", gone)
    assert await dynamodb.store.claim(job(), now=NOON, lease=LEASE) == Held(until=NOON.timestamp())


@dataclass
class Refusal:
    """An HTTP answer, as far as botocore looks at one that an event handler gives."""

    status_code: int


def failing(dynamodb: InDynamoDb, operation: str, error: dict[str, Any], *, times: int) -> list[int]:
    """Let the next calls of this operation fail, by botocore's own event hook; counts the calls."""
    calls: list[int] = []

    async def fail(**_event: Any) -> tuple[Refusal, dict[str, Any]] | None:
        calls.append(1)
        return (Refusal(400), error) if len(calls) <= times else None

    dynamodb.client.meta.events.register(f"before-call.dynamodb.{operation}", fail)
    return calls


def cancelling(*codes: str) -> tuple[str, dict[str, Any]]:
    """How a transaction, as of a 410, is cancelled for these reasons."""
    reasons = [{"Code": code} for code in codes]
    return "TransactWriteItems", {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": reasons}


def refusing(code: str) -> tuple[str, dict[str, Any]]:
    """How the update of any other result is."""
    return "UpdateItem", {"Error": {"Code": code}}


WRITES = [
    (Delivered(), refusing("TransactionConflictException")),
    (Delivered(), refusing("ThrottlingException")),
    (Delivered(), refusing("ProvisionedThroughputExceededException")),
    (Gone(), cancelling("None", "TransactionConflict")),
    (Gone(), cancelling("ThrottlingError", "None")),
    (Gone(), cancelling("ProvisionedThroughputExceeded", "None")),
]


@pytest.mark.parametrize(("verdict", "failure"), WRITES)
async def test_a_result_that_met_a_passing_conflict_is_written_all_the_same(
    dynamodb: InDynamoDb, verdict: Any, failure: tuple[str, dict[str, Any]]
) -> None:
    await dynamodb.add(endpoint())
    claim = await claimed(dynamodb.store)
    calls = failing(dynamodb, *failure, times=2)
    assert await record(dynamodb.store, claim, verdict, Reply(200))
    assert len(calls) == 3


@pytest.mark.parametrize(("verdict", "failure"), [WRITES[0], WRITES[3]])
async def test_a_conflict_that_does_not_pass_is_raised(
    dynamodb: InDynamoDb, verdict: Any, failure: tuple[str, dict[str, Any]]
) -> None:
    claim = await claimed(dynamodb.store)
    calls = failing(dynamodb, *failure, times=100)
    with pytest.raises(ClientError):
        await record(dynamodb.store, claim, verdict, Reply(200))
    assert len(calls) == 5


@pytest.mark.parametrize(
    ("verdict", "failure"),
    [(Delivered(), refusing("ValidationException")), (Gone(), cancelling("None", "ValidationError"))],
)
async def test_a_fault_of_our_own_in_a_write_is_raised_at_once(
    dynamodb: InDynamoDb, verdict: Any, failure: tuple[str, dict[str, Any]]
) -> None:
    claim = await claimed(dynamodb.store)
    calls = failing(dynamodb, *failure, times=100)
    with pytest.raises(ClientError):
        await record(dynamodb.store, claim, verdict, Reply(200))
    assert len(calls) == 1


async def test_a_clock_that_went_backwards_gives_no_negative_duration(dynamodb: InDynamoDb) -> None:
    claim = await claimed(dynamodb.store)
    earlier = NOON - timedelta(seconds=1)
    await dynamodb.store.record(job(), claim, Result(Reply(200), Delivered(), NOON, earlier), endpoint=endpoint())
    assert (await dynamodb.item(job(), "ATTEMPT#0001"))["durationMs"] == {"N": "0"}


async def test_two_tenants_whose_names_hold_the_separator_share_no_delivery(dynamodb: InDynamoDb) -> None:
    one = job(endpoint_id="c", tenant_id="a#b")
    other = job(endpoint_id="b#c", tenant_id="a")
    for each in (one, other):
        assert isinstance(await dynamodb.store.claim(each, now=NOON, lease=LEASE), Claimed)


async def test_names_of_the_greatest_length_still_make_a_key(dynamodb: InDynamoDb) -> None:
    long = job(endpoint_id="é" * 256, tenant_id="\U0001f600" * 256)
    assert isinstance(await dynamodb.store.claim(long, now=NOON, lease=LEASE), Claimed)
