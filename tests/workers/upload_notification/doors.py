"""Both doors of the upload worker over one fake queue: bodies go in, and what became of them is looked at."""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

from botocore.exceptions import ClientError

from shared.consumer import Clocks, Consumer, Stores, join
from shared.container.poller import Poller
from shared.lambda_door.invocation import report
from shared.message.delivery import Delivery
from shared.road.failure.apart import Apart
from shared.road.failure.breakers import Breakers
from shared.worker import Each, Limits, Worker
from tests.fakes import FakeQueue
from tests.fakes_ledger import FakeLedger
from tests.virtual_time import clock
from tests.workers.upload_notification.world import World
from workers.upload_notification.event import decode
from workers.upload_notification.gateway import ApiGateway
from workers.upload_notification.handler import handle

BUCKET = "fleet-uploads-dev"
DOORS = ("container", "lambda")
Door = Literal["container", "lambda"]
VISIBILITY = 180


class Doors:
    """`workers` of them read one queue by this door."""

    def __init__(self, door: Door, world: World, *, workers: int = 1) -> None:
        self.door = door
        self.world = world
        self.queue = FakeQueue(clock)
        self.ledger = FakeLedger()
        self.workers = workers

    async def take(self, *bodies: str, within: float = 3_600.0) -> None:
        """Let new workers read until nothing is left in the queue, or `within` virtual seconds have passed."""
        self.queue.put(*bodies)
        consumers, ends = [self._consumer() for _ in range(self.workers)], clock() + within
        if self.door == "container":
            await self._poll(consumers, ends)
            return
        while self.queue.left and clock() < ends:
            await asyncio.gather(*(self._invoke(each) for each in consumers))

    async def _poll(self, consumers: list[Consumer], ends: float) -> None:
        stop = asyncio.Event()
        tasks = [asyncio.create_task(Poller(each).run(stop)) for each in consumers]
        while self.queue.left and clock() < ends:  # noqa: ASYNC110  # virtual seconds; a queue tells nobody that it is empty
            await asyncio.sleep(5.0)
        stop.set()
        await asyncio.gather(*tasks)

    async def _invoke(self, consumer: Consumer) -> None:
        """As the event source mapping does it: what is not reported as failed is deleted."""
        received = await self.queue.receive(limit=10, wait=20, visibility=VISIBILITY)
        if received:
            found = await report([_record(each) for each in received], [consumer], deadline=clock() + 30)
            if done := [each for each in received if each.message_id not in found.staying]:
                await self.queue.delete(done)

    def _consumer(self) -> Consumer:
        worker = Worker(
            name="upload-notification",
            queue="uploads",
            decode=partial(decode, bucket=BUCKET),
            do=Each(partial(handle, ports=self.world.ports())),
            limits=Limits(timeout=15.0),
        )
        breakers = Breakers(clock=clock, dice=lambda: 0.5, waits=self.door == "container")
        stores = Stores(self.queue, self.ledger, breakers=breakers, resource_name="uploads", apart=Apart())
        return join(worker, stores, clocks=Clocks(monotonic=clock, lease=clock, wall=clock, dice=lambda: 0.5))


class ScriptedConnections:
    """The management API as a client calls it: answers with these statuses, one a call, and with the last for ever."""

    def __init__(self, *statuses: int) -> None:
        self._statuses = list(statuses)
        self.posts: list[bytes] = []
        self.calls = 0

    async def post_to_connection(self, *, ConnectionId: str, Data: bytes) -> Mapping[str, Any]:  # the client's
        self.calls += 1
        status = self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]
        if status != 200:
            said: Any = {"Error": {"Code": str(status)}, "ResponseMetadata": {"HTTPStatusCode": status}}
            raise ClientError(said, "PostToConnection")
        self.posts.append(Data)
        return {"ConnectionId": ConnectionId}

    def gateway(self) -> ApiGateway:
        client: Any = self
        return ApiGateway(client, dice=lambda: 1.0)


def _record(each: Delivery) -> dict[str, Any]:
    return {
        "messageId": each.message_id,
        "receiptHandle": each.receipt_handle,
        "body": each.body,
        "attributes": {"ApproximateReceiveCount": str(each.attempt)},
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:uploads",
    }
