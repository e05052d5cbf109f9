"""A burst that waits in a worker's queues, consumed by its pollers: how many SQS calls a message takes, its receive and delete too."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

from shared import Worker
from shared.consumer import Pace, join, open_stores
from shared.container.poller import Poller
from tests.bench.units.counting import CountingClients
from tests.bench.units.stories import BURST, Ground, published, uploaded, waiting_session
from tests.waiting import until
from tests.workers.upload_notification.scripted_server import Reply, ScriptedServer
from tests.workers.webhook_delivery.egress.servers import answering, response, serving
from tests.workers.webhook_delivery.fakes import endpoint
from tests.workers.webhook_delivery.table import row as endpoint_row
from workers.upload_notification.app import open_workers as open_uploads
from workers.webhook_delivery.app import open_workers as open_webhooks

Found = dict[str, float]
CALLS = ("ReceiveMessage", "DeleteMessageBatch", "SendMessageBatch", "SendMessage", "ChangeMessageVisibilityBatch")


def fill(on: Ground, url: str, bodies: Sequence[str]) -> None:
    for first in range(0, len(bodies), 10):
        entries: Any = [
            {"Id": str(place), "MessageBody": body} for place, body in enumerate(bodies[first : first + 10])
        ]
        on.aws.sqs.send_message_batch(QueueUrl=url, Entries=entries)


@asynccontextmanager
async def polled(clients: CountingClients, workers: Sequence[Worker[Any]]) -> AsyncIterator[None]:
    """The workers' pollers, at work."""
    stop = asyncio.Event()
    pollers = [Poller(join(each, await open_stores(each, clients), pace=Pace(wait=1))) for each in workers]
    clients.tally.clear()
    async with asyncio.TaskGroup() as group:
        for each in pollers:
            group.create_task(each.run(stop))
        yield
        stop.set()


def of_sqs(clients: CountingClients) -> Found:
    """A long poll of an empty queue is what waiting costs, not a message."""
    found = clients.tally.of(BURST).per_message()
    return {"sqs": round(sum(found.get(name, 0) for name in CALLS), 3)}


async def uploads(on: Ground) -> Found:
    bodies = [uploaded(on.environment["UPLOAD_BUCKET_NAME"], waiting_session(on)) for _ in range(BURST)]
    fill(on, on.environment["UPLOADS_QUEUE_URL"], bodies)
    async with (
        ScriptedServer([Reply()]).serving("/live") as url,
        CountingClients(on.environment) as clients,
        open_uploads({**on.environment, "WS_API_ENDPOINT": url}, clients) as workers,
        polled(clients, workers),
    ):
        await until(lambda: clients.tally.deleted == BURST, what="all deletes")
        found = of_sqs(clients)
    return found


async def webhooks(on: Ground) -> Found:
    fill(on, on.environment["WEBHOOK_EVENTS_QUEUE_URL"], [published(number) for number in range(BURST)])
    async with serving(answering(response(200))) as server, CountingClients(on.environment) as clients:
        subscribed = endpoint_row(endpoint(url=server.url()), "upload.*")
        on.aws.dynamodb.put_item(TableName=on.environment["WEBHOOKS_TABLE_NAME"], Item=subscribed)
        async with open_webhooks(on.environment, clients) as workers, polled(clients, workers):
            await until(
                lambda: clients.tally.deleted >= 2 * BURST and len(server.requests) >= BURST, what="all deliveries"
            )
            found = of_sqs(clients)
    return found


BURSTS: dict[str, Callable[[Ground], Coroutine[Any, Any, Found]]] = {
    f"burst of {BURST} uploads": uploads,
    f"burst of {BURST} webhooks": webhooks,
}
