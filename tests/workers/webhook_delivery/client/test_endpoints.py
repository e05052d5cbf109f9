"""A tenant's endpoints through the client, on the table that the worker reads."""

from dataclasses import replace
from typing import Any, cast

import pytest

from tests.workers.webhook_delivery.fakes import OLD_SECRET, SECRET, Clock
from tests.workers.webhook_delivery.table import InDynamoDb
from workers.webhook_delivery.client import Contested, Endpoints, NoSuchEndpoint, Refused, Registration, WrongField
from workers.webhook_delivery.rules import Subscription
from workers.webhook_delivery.store.endpoint_items import endpoint_key
from workers.webhook_delivery.store.table import DynamoDbStore

WANTED = Registration("acme", "https://hooks.acme.example/fleet", ("order.*",), "ep-1")


def client(dynamodb: InDynamoDb, clock: Clock) -> tuple[Endpoints, DynamoDbStore]:
    """The client, and the worker's own look at the same table."""
    store = DynamoDbStore(dynamodb.client, table=dynamodb.name, now=lambda: clock().timestamp())
    return Endpoints(dynamodb.client, table=dynamodb.name, now=clock), store


async def test_what_is_added_is_what_the_worker_reads(dynamodb: InDynamoDb) -> None:
    endpoints, store = client(dynamodb, Clock())
    added = await endpoints.add(WANTED)
    found = await store.endpoint("acme", "ep-1")
    assert found is not None
    assert (found.url, found.secrets, found.enabled, found.fault) == (WANTED.url, (added.secret,), True, "")
    assert (await store.subscriptions("acme")).subscriptions == (Subscription("ep-1", ("order.*",), enabled=True),)
    with pytest.raises(Refused, match="is registered"):
        await endpoints.add(replace(WANTED, url="https://other.example/"))
    with pytest.raises(WrongField, match=r"^url: "):
        await endpoints.add(replace(WANTED, endpoint_id="ep-2", url="http://hooks.acme.example/"))
    await endpoints.add(replace(WANTED, tenant_id="other"))
    assert [each.url async for each in endpoints.list("acme")] == [WANTED.url], "one id, two tenants"


async def test_an_old_secret_signs_until_its_own_end_and_ten_are_live_at_most(dynamodb: InDynamoDb) -> None:
    clock = Clock()
    endpoints, store = client(dynamodb, clock)
    secrets = [(await endpoints.add(WANTED)).secret]
    for _ in range(9):
        secrets.insert(0, (await endpoints.rotate("acme", "ep-1", grace=100)).secret)
        clock.move(10)
    found = await store.endpoint("acme", "ep-1")
    assert found is not None
    assert found.secrets == tuple(secrets)
    with pytest.raises(Refused, match="10 keys are live"):
        await endpoints.rotate("acme", "ep-1")
    clock.move(10)  # the first one's hundred seconds are over
    newest = (await endpoints.rotate("acme", "ep-1", grace=100)).secret
    found = await store.endpoint("acme", "ep-1")
    assert found is not None
    assert found.secrets == (newest, *secrets[:-1])
    only = (await endpoints.rotate("acme", "ep-1", grace=0)).secret
    found = await store.endpoint("acme", "ep-1")
    assert found is not None
    assert (found.secrets[0], newest in found.secrets) == (only, False), "a leaked secret is out at once"
    for grace in (-1, 604_801, float("nan")):
        with pytest.raises(WrongField, match=r"^grace: "):
            await endpoints.rotate("acme", "ep-1", grace=grace)
    with pytest.raises(WrongField, match=r"^kind: "):
        await endpoints.rotate("acme", "ep-1", kind=cast("Any", "V1A"))
    assert len((await endpoints.show("acme", "ep-1")).keys) == len(found.secrets)


async def test_disabled_enabled_and_removed(dynamodb: InDynamoDb) -> None:
    endpoints, store = client(dynamodb, Clock())
    await endpoints.add(WANTED)
    await endpoints.disable("acme", "ep-1", reason="asked for it")
    shown = await endpoints.show("acme", "ep-1")
    assert (shown.enabled, shown.disabled_reason) == (False, "asked for it")
    await endpoints.enable("acme", "ep-1")
    shown = await endpoints.show("acme", "ep-1")
    assert (shown.enabled, shown.disabled_reason) == (True, "")
    await endpoints.remove("acme", "ep-1")
    assert await store.endpoint("acme", "ep-1") is None
    for call in (
        endpoints.show("acme", "ep-1"),
        endpoints.rotate("acme", "ep-1"),
        endpoints.disable("acme", "ep-1", reason="x"),
        endpoints.enable("acme", "ep-1"),
        endpoints.remove("acme", "ep-1"),
    ):
        with pytest.raises(NoSuchEndpoint):
            await call
    assert await store.endpoint("acme", "ep-1") is None, "nothing that was refused has made a row"


async def test_what_is_named_is_changed_and_the_rest_stays(dynamodb: InDynamoDb) -> None:
    endpoints, store = client(dynamodb, Clock())
    secret = (await endpoints.add(replace(WANTED, headers=(("X-Key", "1"),), payload_limit=7, rate=5.0))).secret
    shown = await endpoints.change(
        "acme", "ep-1", url="https://new.acme.example/", event_types=("a", "b.*"), retries=(1209599.5, 60.0), rate=None
    )
    found = await store.endpoint("acme", "ep-1")
    assert found is not None
    assert (found.url, found.retries, found.rate) == ("https://new.acme.example/", (1209599.5, 60.0), None)
    assert (found.secrets, found.headers, found.fault) == ((secret,), (("X-Key", "1"),), "")
    assert (shown.url, shown.event_types, shown.payload_limit) == (found.url, ("a", "b.*"), 7)
    cleared: dict[str, Any] = {"headers": (), "payload_limit": 0, "retries": None, "at_most_once": True}
    shown = await endpoints.change("acme", "ep-1", **cleared)
    assert (shown.header_names, shown.payload_limit, shown.retries, shown.at_most_once) == ((), 0, None, True)
    assert await endpoints.change("acme", "ep-1") == shown, "nothing named, nothing changed"
    with pytest.raises(WrongField, match=r"^rateLimit: "):
        await endpoints.change("acme", "ep-1", rate=0.0)
    with pytest.raises(WrongField, match=r"^url: "):
        await endpoints.change("acme", "ep-1", url="https://10.0.0.1:22/", channels=("a",))
    assert await endpoints.show("acme", "ep-1") == shown
    with pytest.raises(NoSuchEndpoint):
        await endpoints.change("acme", "ep-2", rate=1.0)


async def test_of_two_who_change_one_term_at_once_one_is_told_and_of_two_terms_both_hold(dynamodb: InDynamoDb) -> None:
    class Between(Endpoints):
        """Somebody else changes the endpoint between this one's look and its write."""

        other: dict[str, Any] = {}  # noqa: RUF012  # each test its own

        async def _row(self, tenant_id: str, endpoint_id: str) -> Any:
            row = await super()._row(tenant_id, endpoint_id)
            other, self.other = self.other, {}
            if other:
                await endpoints.change(tenant_id, endpoint_id, **other)
            return row

    endpoints, _ = client(dynamodb, Clock())
    await endpoints.add(WANTED)
    slow = Between(dynamodb.client, table=dynamodb.name, now=Clock())
    slow.other = {"rate": 3.0}
    with pytest.raises(Contested):
        await slow.change("acme", "ep-1", rate=9.0, payload_limit=5)
    shown = await endpoints.show("acme", "ep-1")
    assert (shown.rate, shown.payload_limit) == (3.0, 0), "all of a change or nothing"
    slow.other = {"rate": 4.0}
    assert (await slow.change("acme", "ep-1", payload_limit=5)).rate == 4.0


async def test_another_url_is_another_life_and_no_way_round_a_disabling(dynamodb: InDynamoDb) -> None:
    endpoints, _ = client(dynamodb, Clock())
    await endpoints.add(WANTED)
    await endpoints.disable("acme", "ep-1", reason="asked for it")
    key = {"PK": {"S": "TENANT#acme"}, "SK": {"S": "ENDPOINT#ep-1"}}
    await dynamodb.client.update_item(
        TableName=dynamodb.name,
        Key=key,
        UpdateExpression="SET failingSince = :at, failedAt = :at, warned = :w",
        ExpressionAttributeValues={":at": {"S": "2026-11-20T12:00:00.000000Z"}, ":w": {"N": "50"}},
    )
    assert (await endpoints.change("acme", "ep-1", rate=1.0)).failing_since
    shown = await endpoints.change("acme", "ep-1", url="https://new.acme.example/")
    assert (shown.failing_since, shown.enabled, shown.disabled_reason) == ("", False, "asked for it")


async def test_a_row_that_cannot_be_read_is_mended_by_a_change(dynamodb: InDynamoDb) -> None:
    endpoints, store = client(dynamodb, Clock())
    await endpoints.add(WANTED)
    for name, odd in (("eventTypes", {"S": "order.*"}), ("rateLimit", {"S": "5"})):
        await dynamodb.client.update_item(
            TableName=dynamodb.name,
            Key={"PK": {"S": "TENANT#acme"}, "SK": {"S": "ENDPOINT#ep-1"}},
            UpdateExpression="SET #n = :odd",
            ExpressionAttributeNames={"#n": name},
            ExpressionAttributeValues={":odd": odd},
        )
    found = await store.endpoint("acme", "ep-1")
    assert found is not None
    assert found.fault == "rateLimit"
    shown = await endpoints.change("acme", "ep-1", event_types=("order.*",), rate=5.0)
    assert (shown.fault, shown.rate) == ("", 5.0)


@pytest.mark.parametrize("term", ["customHeaders", "retrySchedule", "atMostOnce", "expiresAfter", "rateLimit"])
async def test_what_keeps_deliveries_from_being_made_is_shown(dynamodb: InDynamoDb, term: str) -> None:
    endpoints, _ = client(dynamodb, Clock())
    await endpoints.add(WANTED)
    await dynamodb.client.update_item(
        TableName=dynamodb.name,
        Key={"PK": {"S": "TENANT#acme"}, "SK": {"S": "ENDPOINT#ep-1"}},
        UpdateExpression="SET #term = :odd",
        ExpressionAttributeNames={"#term": term},
        ExpressionAttributeValues={":odd": {"S": "soon"}},
    )
    assert (await endpoints.show("acme", "ep-1")).fault == term
    assert [each.fault async for each in endpoints.list("acme")] == [term]


async def test_the_same_added_again_by_its_id_and_secret_is_the_same(dynamodb: InDynamoDb) -> None:
    endpoints, _ = client(dynamodb, Clock())
    known = replace(WANTED, secret=SECRET, retries=(1, 2.5), rate=2, headers=(("x-a", "b"),))
    first = await endpoints.add(known)
    assert await endpoints.add(known) == first
    for other in (
        replace(known, secret=""),
        replace(known, secret=OLD_SECRET),
        replace(known, event_types=("*",)),
        replace(known, channels=("eu",)),
        replace(known, rate=None),
    ):
        with pytest.raises(Refused, match="is registered"):
            await endpoints.add(other)
    await endpoints.rotate("acme", "ep-1")
    with pytest.raises(Refused, match="is registered"):
        await endpoints.add(known)


async def test_an_endpoint_is_there_exactly_if_the_callers_transaction_commits(dynamodb: InDynamoDb) -> None:
    endpoints, store = client(dynamodb, Clock())
    never = {
        "TableName": dynamodb.name,
        "Key": endpoint_key("nobody", "x"),
        "ConditionExpression": "attribute_exists(PK)",
    }
    planned = await endpoints.plan(WANTED)
    refused = dynamodb.client.exceptions.TransactionCanceledException
    with pytest.raises(refused):
        await dynamodb.client.transact_write_items(TransactItems=[planned.item, {"ConditionCheck": never}])
    assert await store.endpoint("acme", "ep-1") is None
    await dynamodb.client.transact_write_items(TransactItems=[planned.item])
    found = await store.endpoint("acme", "ep-1")
    assert found is not None
    assert found.secrets == (planned.added.secret,)
    with pytest.raises(refused):
        await dynamodb.client.transact_write_items(TransactItems=[(await endpoints.plan(WANTED)).item])
