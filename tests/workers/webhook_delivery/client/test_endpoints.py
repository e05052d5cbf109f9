"""A tenant's endpoints through the client, on the table that the worker reads."""

from dataclasses import replace

import pytest

from tests.workers.webhook_delivery.fakes import Clock
from tests.workers.webhook_delivery.table import InDynamoDb
from workers.webhook_delivery.client import Endpoints, NoSuchEndpoint, Refused, Registration, WrongField
from workers.webhook_delivery.rules import Subscription
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
