"""Which events an endpoint takes beside their type, and what is sent along with them."""

import asyncio
import json
import time
import weakref

from structlog.testing import capture_logs

from tests.fakes import FakeSender, delivery
from tests.virtual_time import virtual
from tests.workers.webhook_delivery.fakes import Clock, FakeStore, endpoint, job
from tests.workers.webhook_delivery.table import InDynamoDb
from tests.workers.webhook_delivery.world import World
from workers.webhook_delivery.client import Endpoints, Registration
from workers.webhook_delivery.event import Published, delivery_job, job_or_event
from workers.webhook_delivery.fan_out import SECONDS, fan_out
from workers.webhook_delivery.filters import Content, Filter
from workers.webhook_delivery.rules import STANDARD_WEBHOOKS, Page, Subscription
from workers.webhook_delivery.store.table import DynamoDbStore


def content(detail: str) -> Content:
    return Content(f'{{"type":"a","timestamp":"2026-11-21T09:00:00Z","data":{detail}}}')


def test_a_pattern_takes_an_event_whose_every_name_has_one_of_its_values() -> None:
    cases = [
        ({"status": ["paid", "sent"]}, '{"status": "paid"}', True),
        ({"status": ["paid"]}, '{"status": "Paid"}', False),
        ({"status": ["paid"]}, '{"state": "paid"}', False),
        ({"status": ["paid"]}, '{"status": ["open", "paid"]}', True),
        ({"status": ["paid"]}, '{"status": []}', False),
        ({"status": ["paid"]}, '{"status": {"paid": "paid"}}', False),
        ({"a": {"b": ["c"]}}, '{"a": {"b": "c", "d": 1}}', True),
        ({"a": {"b": ["c"]}}, '{"a": [{"b": "x"}, {"b": "c"}]}', True),
        ({"a": {"b": ["c"]}}, '{"a": "b"}', False),
        ({"a": {"b": ["c"]}}, '{"a": null}', False),
        ({"a": ["1"], "b": ["2"]}, '{"a": "1"}', False),
        ({"a": ["1"], "b": ["2"]}, '{"a": "1", "b": "2"}', True),
        ({"n": [5]}, '{"n": 5}', True),
        ({"n": [5]}, '{"n": "5"}', False),
        ({"n": [5]}, '{"n": 5.0}', False),
        ({"n": [1]}, '{"n": true}', False),
        ({"n": [18446744073709551616]}, '{"n": 18446744073709551616}', True),
        ({"n": [True]}, '{"n": true}', True),
        ({"n": [None]}, '{"n": null}', True),
        ({"n": [None]}, "{}", False),
        ({"é": ["☃"]}, '{"\\u00e9": "\\u2603"}', True),
    ]
    for detail, text, fits in cases:
        asked = Filter(json.dumps({"detail": detail}))
        assert content(text).fits(asked) is fits, (detail, text)


def test_a_pattern_of_many_values_and_an_event_of_many_elements_cost_their_sum_and_not_their_product() -> None:
    """Both may have what the form has room for, and a process does nothing else meanwhile."""
    asked = Filter(json.dumps({"detail": {"skus": [*range(1000, 1800)]}}, separators=(",", ":")))
    content = Content(f'{{"type":"t","timestamp":"","data":{{"skus":[{",".join(["0"] * 120_000)}]}}}}')
    assert content.detail

    began = time.process_time()
    assert not content.fits(asked)

    assert time.process_time() - began < 1.5  # their product is 96,000,000 looks, and took eight seconds


def test_channels_as_svix_has_them() -> None:
    with_two, without = '{"webhookChannels": ["eu", "us"]}', '{"webhookChannels": []}'
    for channels, detail, fits in (
        ((), with_two, True),
        ((), without, True),
        (("us",), with_two, True),
        (("asia",), with_two, False),
        (("us",), without, False),
        (("us",), "{}", False),
    ):
        assert content(detail).fits(Filter(channels=channels)) is fits, (channels, detail)
    for wrong in ('"eu"', "[1]", '["1","2","3","4","5","6"]', "null"):
        odd = content(f'{{"webhookChannels": {wrong}}}')
        assert (odd.fits(Filter(channels=("eu",))), odd.fits(Filter()), odd.has_odd_channels()) == (False, True, True)


async def test_channels_that_cannot_be_read_cost_only_those_who_ask_for_them_and_are_counted() -> None:
    store, send = FakeStore(), FakeSender()

    async def subscriptions(_tenant: str, _after: str) -> Page:
        asking = Subscription("asks", ("*",), enabled=True, filter=Filter(channels=("eu",)))
        return Page((asking, Subscription("all", ("*",), enabled=True)))

    event = Published(eventId="msg_1", eventType="a", tenantId="t", payload='{"data":{"webhookChannels":"eu"}}')
    with capture_logs() as logged:
        await fan_out(
            event, subscriptions=subscriptions, keep=store.keep, send=send, schedule=STANDARD_WEBHOOKS, now=Clock()
        )
    assert [delivery_job(delivery(each.body)).endpoint_id for each in send.sent] == ["all"]
    assert [(line["reason"], line["endpoint_id"]) for line in logged if "reason" in line] == [
        ("channels_unreadable", "asks")
    ]


async def test_only_those_whose_filter_fits_get_a_job() -> None:
    store, send = FakeStore(), FakeSender()
    paid = Filter('{"detail": {"status": ["paid"]}}')
    listed = [
        Subscription("all", ("*",), enabled=True),
        Subscription("open", ("*",), enabled=True, filter=Filter('{"detail": {"status": ["open"]}}')),
        Subscription("paid", ("*",), enabled=True, filter=paid),
        Subscription("paid-other-type", ("b",), enabled=True, filter=paid),
        Subscription("small", ("*",), enabled=True, payload_limit=30),
        Subscription("large", ("*",), enabled=True, payload_limit=3000),
    ]

    async def subscriptions(_tenant: str, _after: str) -> Page:
        return Page(tuple(listed))

    event = Published(eventId="msg_1", eventType="a", tenantId="t", payload='{"type":"a","data":{"status":"paid"}}')
    await fan_out(
        event, subscriptions=subscriptions, keep=store.keep, send=send, schedule=STANDARD_WEBHOOKS, now=Clock()
    )
    assert [delivery_job(delivery(each.body)).endpoint_id for each in send.sent] == ["all", "paid", "large"]


def test_patterns_that_take_too_long_go_on_behind_the_last_endpoint_that_was_asked() -> None:
    asks = Filter('{"detail": {"status": ["paid"]}}')
    listed = [Subscription(each, ("*",), enabled=True, filter=asks) for each in ("a", "b", "c")]

    async def slow(_tenant: str, after: str) -> Page:
        await asyncio.sleep(SECONDS + 1)  # as long as patterns of a few earlier endpoints over a list of 120,000
        return Page(tuple(each for each in listed if f"ENDPOINT#{each.endpoint_id}" > after), "ENDPOINT#d")

    async def part(given: Published) -> tuple[str, Published]:
        send = FakeSender()
        await fan_out(
            given, subscriptions=slow, keep=FakeStore().keep, send=send, schedule=STANDARD_WEBHOOKS, now=Clock()
        )
        taker, goes_on = send.sent
        following = job_or_event(delivery(goes_on.body))
        assert isinstance(following, Published)
        return delivery_job(delivery(taker.body)).endpoint_id, following

    event = Published(eventId="msg_1", eventType="a", tenantId="t", payload='{"type":"a","data":{"status":"paid"}}')
    asked = []
    for after in ("ENDPOINT#a", "ENDPOINT#b", "ENDPOINT#d"):
        taker, event = virtual(part(event))
        asked.append(taker)
        assert event.after == after
    assert (asked, event.taken) == (["a", "b", "c"], 3)


async def test_headers_go_along_and_never_over_ours() -> None:
    world = World()
    world.store.add(endpoint(headers=(("X-Key", "k"), ("webhook-id", "forged"))))
    await world.deliver(job())
    [posted] = world.post.posted
    assert (posted.headers["X-Key"], posted.headers["webhook-id"]) == ("k", "msg_1")


async def test_what_is_registered_is_what_the_worker_reads(dynamodb: InDynamoDb) -> None:
    endpoints, store = Endpoints(dynamodb.client, table=dynamodb.name, now=Clock()), dynamodb.store
    pattern = '{"detail": {"status": ["paid"]}}'
    wanted = Registration(
        "acme", "https://hooks.acme.example/", ("*",), "ep-1", channels=("eu",), pattern=pattern, headers=(("X-Key", "k"),), payload_limit=1000
    )  # fmt: skip
    await endpoints.add(wanted)
    read = await store.endpoint("acme", "ep-1")
    assert read is not None
    assert (read.headers, read.fault, "'k'" in repr(read)) == ((("X-Key", "k"),), "", False)
    expected = Subscription("ep-1", ("*",), enabled=True, filter=Filter(pattern, ("eu",)), payload_limit=1000)
    assert (await store.subscriptions("acme")).subscriptions == (expected,)
    shown = await endpoints.show("acme", "ep-1")
    assert (shown.header_names, shown.channels, shown.pattern) == (("X-Key",), ("eu",), pattern)


async def test_a_filter_or_header_that_cannot_be_read_is_named_and_takes_nothing(dynamodb: InDynamoDb) -> None:
    endpoints = Endpoints(dynamodb.client, table=dynamodb.name, now=Clock())
    await endpoints.add(Registration("acme", "https://hooks.acme.example/", ("*",), "ep-1"))
    store = DynamoDbStore(dynamodb.client, table=dynamodb.name)
    for name, value in (
        ("eventPattern", {"S": '{"detail": {"a": [{"prefix": "b"}]}}'}),
        ("eventPattern", {"BOOL": True}),
        ("channels", {"S": "eu"}),
        ("payloadLimit", {"S": "1"}),
        ("customHeaders", {"M": {"webhook-id": {"S": "forged"}}}),
        ("customHeaders", {"S": "a: b"}),
    ):
        key = {"PK": {"S": "TENANT#acme"}, "SK": {"S": "ENDPOINT#ep-1"}}
        change = {"ExpressionAttributeNames": {"#n": name}, "TableName": dynamodb.name, "Key": key}
        values = {":v": value}
        await dynamodb.client.update_item(UpdateExpression="SET #n = :v", ExpressionAttributeValues=values, **change)
        found = await store.endpoint("acme", "ep-1")
        [listed] = (await store.subscriptions("acme")).subscriptions
        assert found is not None
        assert (found.fault or listed.fault) == name, value
        await dynamodb.client.update_item(UpdateExpression="REMOVE #n", **change)


def test_an_event_that_was_looked_into_leaves_nothing_for_the_garbage_collector() -> None:
    opened = content('{"status": "paid"}')
    assert opened.fits(Filter('{"detail": {"status": ["paid"]}}'))
    left = weakref.ref(opened)
    del opened
    assert left() is None
