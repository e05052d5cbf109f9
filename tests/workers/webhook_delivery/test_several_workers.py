"""Several workers read the same two queues: what is published goes once to each endpoint that asked for it."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from shared.clients import Clients
from shared.consumer import Pace, join, open_stores
from shared.container.poller import Poller
from tests.aws import Aws
from tests.bench.units.bursts import fill
from tests.bench.units.stories import Ground, ground, published
from tests.waiting import until
from tests.workers.webhook_delivery.egress.servers import Server, answering, response, serving
from tests.workers.webhook_delivery.fakes import endpoint
from tests.workers.webhook_delivery.table import row
from workers.webhook_delivery.app import open_workers

EVENTS, PROCESSES = 20, 3


@asynccontextmanager
async def at_work(on: Ground) -> AsyncIterator[None]:
    """As many fleets of pollers as there would be processes, each with clients of its own."""
    stop = asyncio.Event()
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        for _ in range(PROCESSES):
            clients = await stack.enter_async_context(Clients(on.environment))
            for worker in await stack.enter_async_context(open_workers(on.environment, clients)):
                consumer = join(worker, await open_stores(worker, clients), pace=Pace(wait=1))
                group.create_task(Poller(consumer).run(stop))
        yield
        stop.set()


def endpoints(on: Ground, server: Server) -> None:
    """One of everything, one of a kind, one of a value in `detail`, one whose address nobody may call, one without types."""
    table = on.environment["WEBHOOKS_TABLE_NAME"]
    even: dict[str, Any] = {"eventPattern": {"S": json.dumps({"detail": {"parity": ["even"]}})}}
    invalid: dict[str, Any] = {"eventTypes": {"S": "upload.*"}}
    rows = [
        row(endpoint("all", url=server.url("/all")), "*"),
        row(endpoint("kind", url=server.url("/kind")), "order.*"),
        row(endpoint("value", url=server.url("/value")), "*") | even,
        row(endpoint("forbidden", url="http://169.254.169.254/"), "*"),
        row(endpoint("invalid", url=server.url("/invalid")), "*") | invalid,
    ]
    for each in rows:
        on.aws.dynamodb.put_item(TableName=table, Item=each)


def event(number: int) -> str:
    body = json.loads(published(number))
    body["detail"]["parity"] = "odd" if number % 2 else "even"
    return json.dumps(body)


@pytest.mark.slow
async def test_each_event_goes_once_to_each_endpoint_that_asked_for_it(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    on = ground(aws)
    for variable, value in on.environment.items():
        monkeypatch.setenv(variable, value)
    untyped = json.loads(event(0))
    del untyped["detail-type"]
    bodies = [event(number) for number in range(EVENTS)] * 2 + [json.dumps(untyped)]
    async with serving(answering(response(200))) as server:
        endpoints(on, server)
        fill(on, on.environment["WEBHOOK_EVENTS_QUEUE_URL"], bodies)
        async with at_work(on):
            await until(lambda: len(server.requests) >= EVENTS * 3 // 2, what="all requests")
            queues = [on.environment[f"WEBHOOK_{name}_QUEUE_URL"] for name in ("EVENTS", "DELIVERIES")]
            await until(lambda: not any(waiting(aws, url) for url in queues), what="empty queues", pause=0.2)
        came = Counter((request.line.split()[1], request.headers["webhook-id"]) for request in server.requests)
    assert {*came.values()} == {1}
    assert Counter(path for path, _ in came) == {"/all": EVENTS, "/value": EVENTS // 2}
    assert [json.loads(body) for body in aws.bodies(on.environment["WEBHOOK_EVENTS_DLQ_URL"])] == [untyped]


def waiting(aws: Aws, url: str) -> int:
    """Messages that are visible or in flight; what is tried again later does not count."""
    names: list[Any] = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer = aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)
    return sum(map(int, answer["Attributes"].values()))
