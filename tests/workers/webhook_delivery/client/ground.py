"""A tenant's endpoint in a real table, and a worker that runs when it is told."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.sqs.sender import Message
from tests.fakes import delivery
from tests.workers.webhook_delivery.fakes import Clock, FakeBus, FakePost
from tests.workers.webhook_delivery.table import InDynamoDb
from workers.webhook_delivery.client import (
    Deliveries,
    Endpoints,
)
from workers.webhook_delivery.egress.bulkhead import Bulkhead
from workers.webhook_delivery.event import DeliveryJob, delivery_job
from workers.webhook_delivery.handler import deliver
from workers.webhook_delivery.ports import Ports
from workers.webhook_delivery.rules import Reply, Schedule
from workers.webhook_delivery.store.kept import KeptPayloads
from workers.webhook_delivery.store.table import DynamoDbStore

TWICE = Schedule((0, 5))


@dataclass
class Ground:
    """A tenant's endpoint in a real table; the worker runs when it is told, on jobs that were sent."""

    dynamodb: InDynamoDb
    clock: Clock = field(default_factory=Clock)
    sent: list[Message] = field(default_factory=list)
    bus: FakeBus = field(default_factory=FakeBus)

    def __post_init__(self) -> None:
        client, table = self.dynamodb.client, self.dynamodb.name
        self.post = FakePost(self.clock)
        self.store = DynamoDbStore(client, table=table, now=lambda: self.clock().timestamp())
        self.kept = KeptPayloads(client, table=table, now=self.clock, s3=None, bucket="", prefix="")
        self.endpoints = Endpoints(client, table=table, now=self.clock)
        self.deliveries = Deliveries(
            client, self.endpoints, self.kept, table=table, send=self.send, now=self.clock
        )  # fmt: skip

    async def send(self, messages: Sequence[Message]) -> None:
        self.sent += messages

    async def deliver(self, given: DeliveryJob, *replies: Reply) -> None:
        if replies:
            self.post = FakePost(self.clock, replies)
        ports = Ports(
            self.store, self.post, Bulkhead(50), send=self.send, put_event=self.bus, now=self.clock, dice=lambda: 0.0
        )
        await deliver(given, ports=ports, schedule=TWICE, lease=35.0)

    async def run(self, *replies: Reply) -> list[DeliveryJob]:
        """Make the attempts of all jobs that wait, and answer what was posted for."""
        jobs, self.sent = [delivery_job(delivery(each.body)) for each in self.sent], []
        for each in jobs:
            self.clock.at = max(self.clock.at, each.not_before)
            await self.deliver(each, *replies)
        return jobs
