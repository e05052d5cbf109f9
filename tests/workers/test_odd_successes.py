"""Whatever kind of store is asked, a page that comes with status 200 is an error there: never 'nothing found' or 'done'."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from shared.clients import Clients
from shared.container.controls import Controls, Orders, obey
from shared.message.delivery import Delivery
from shared.message.pointer import MARK, Pointer
from shared.outcome import Unavailable, code_of, is_outage
from shared.road.ledger import DynamoDbLedger
from shared.sqs.payloads import S3Payloads
from tests.shared.aws.contract.answers import Odd, chunks, headed, whole
from tests.shared.aws.contract.stub import stub
from tests.waiting import until
from tests.workers.reminder_dispatch import fakes as reminders
from tests.workers.webhook_delivery import fakes as webhooks
from workers.audit_archive.store.bucket import S3Bucket
from workers.audit_archive.store.items import DynamoDbItems
from workers.reminder_dispatch.table.keys import shard_of
from workers.reminder_dispatch.table.store import DynamoReminders
from workers.upload_notification.store.sessions import DynamoDbSessions
from workers.webhook_delivery.store.table import DynamoDbStore

PAGE = Odd(whole(b"<html>maintenance</html>", "Content-Type: text/html"))
PAUSED = Odd(whole(b'{"Item": {"paused": {"BOOL": true}}}'))
NOON = webhooks.NOON


async def all_of(pages: Any) -> list[Any]:
    return [page async for page in pages]


def payloads(client: Any) -> S3Payloads:
    return S3Payloads(client, bucket="b", prefix="", threshold=1, most=1_000)


STORES: dict[str, tuple[str, Callable[[Any], Awaitable[Any]]]] = {
    "a webhook's subscriptions": ("dynamodb", lambda to: DynamoDbStore(to, table="t").subscriptions("tenant")),
    "a webhook's endpoint": ("dynamodb", lambda to: DynamoDbStore(to, table="t").endpoint("tenant", "endpoint")),
    "a webhook's claim": ("dynamodb", lambda to: DynamoDbStore(to, table="t").claim(webhooks.job(), now=NOON, lease=35)),
    "reminders that are due": ("dynamodb", lambda to: all_of(DynamoReminders(to, table="t").pages(reminders.NOON, shard_of("r")))),
    "a reminder": ("dynamodb", lambda to: DynamoReminders(to, table="t").load(reminders.due().key)),
    "a reminder's row": ("dynamodb", lambda to: DynamoReminders(to, table="t").add(reminders.daily())),
    "the ledger's claim": ("dynamodb", lambda to: DynamoDbLedger(to, table="t").claim("k", owner="o", now=1.0, lease=9.0, fingerprint="f")),
    "the ledger's end": ("dynamodb", lambda to: DynamoDbLedger(to, table="t").complete("k", owner="o", now=1.0, keep=9.0)),
    "an event's claim": ("dynamodb", lambda to: DynamoDbItems(to, table="t").add("place", {"event": b"entry"}, folder="f", expires=1)),
    "a payload": ("s3", lambda to: payloads(to).check_in("body", {})),
    "an archived object": ("s3", lambda to: S3Bucket(to, name="b").put_new("k", b"rows", {})),
    "a list of objects": ("s3", lambda to: S3Bucket(to, name="b").keys("prefix/")),
    "objects that are deleted": ("s3", lambda to: S3Bucket(to, name="b").delete(["k"])),
}  # fmt: skip


@pytest.fixture(params=["fast", "aioboto3"])
def environment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "eu-west-1"}
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    return {**os.environ, "AWS_CALLS": request.param}


async def test_a_page_is_an_outage_to_every_store(environment: dict[str, str]) -> None:
    async with stub(PAGE) as serving, Clients(environment) as clients:
        for name, (service, call) in STORES.items():
            client = await clients.open(service, endpoint_url=serving.url, attempts=1)
            with pytest.raises(ClientError) as error:
                await call(client)
            assert is_outage(error.value), name


async def written(client: Any) -> None:
    await DynamoDbSessions(client, table="t").disconnect("session", "connection")


async def unpacked(client: Any) -> None:
    pointer = Pointer("bodies", f"sha256-{'0' * 64}", 4)
    delivery = Delivery("uploads", "m", "r", pointer.body, attributes={MARK: pointer.mark})
    await S3Payloads(client, bucket="bodies", prefix="", threshold=1, most=1_000).unpack(delivery)


INCOMPLETE: dict[str, tuple[str, Callable[[Any], Awaitable[Any]], Odd]] = {
    "a row that was written": ("dynamodb", written, Odd(whole(b"{}"))),
    "a body's length": ("s3", unpacked, Odd(headed(chunks(b"body"), "ETag: e", "x-amz-request-id: r", "Transfer-Encoding: chunked"))),
    "an archived object's length": ("s3", lambda to: S3Bucket(to, name="b").head("k"), Odd(headed(b"", "ETag: e", "x-amz-request-id: r"), ends=True)),
}  # fmt: skip


@pytest.mark.parametrize("name", INCOMPLETE)
async def test_what_an_answer_leaves_out_is_not_the_messages_fault(environment: dict[str, str], name: str) -> None:
    service, call, odd = INCOMPLETE[name]
    async with stub(odd) as serving, Clients(environment) as clients:
        client = await clients.open(service, endpoint_url=serving.url, attempts=1)
        with pytest.raises((ClientError, Unavailable)) as error:
            await call(client)
        assert (code_of(error.value), is_outage(error.value)) == ("OddAnswer", True)


class Taker:
    """A poller as far as orders go."""

    def __init__(self) -> None:
        self.taken: list[int | None] = []

    def adjust(self, *, concurrency: int | None, rate: float | None) -> None:
        self.taken.append(concurrency)


async def test_a_paused_worker_stays_paused_while_a_page_stands_for_its_orders(environment: dict[str, str]) -> None:
    taker = Taker()
    async with stub(PAUSED) as serving, Clients(environment) as clients:
        controls = Controls(await clients.open("dynamodb", endpoint_url=serving.url, attempts=1), table="t")
        assert await controls.read("sample") == Orders(paused=True)
        obeying = asyncio.create_task(obey("sample", (taker,), controls.read, every=0.01))
        await until(lambda: taker.taken == [0])
        asked, serving.now = serving.asked, PAGE
        await until(lambda: serving.asked > asked + 3)
        obeying.cancel()
        await asyncio.wait([obeying])
    assert taker.taken == [0]
