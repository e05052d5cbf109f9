"""A worker of your own, outside of the fleet: points for each order, once, however often its message comes.

    pip install sqs-worker-fleet
    export POINTS_QUEUE_URL=... POINTS_DLQ_URL=... LEDGER_TABLE_NAME=... HEALTH_PORT=8081
    fleet run --app worker:APP

The queue's messages are like {"id": "order-42", "customer": "ada", "cents": 1250}.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import structlog
from pydantic import BaseModel, Field

from shared import (
    App,
    Clients,
    Delivery,
    Each,
    Once,
    Reject,
    Settings,
    Worker,
    document,
    make_lambda_handler,
    read_settings,
)

log = structlog.get_logger()


class PointsSettings(Settings):
    points_per_euro: int = Field(default=1, ge=1, description="points for each whole euro of an order")


class Order(BaseModel):
    id: str
    customer: str
    cents: int


def decode(delivery: Delivery) -> Order:
    """Whatever is raised here is permanent: the message is buried with it as the reason."""
    return Order.model_validate(document(delivery.body))


async def handle(order: Order, *, per_euro: int) -> None:
    """The effect; here a line in the log."""
    if order.cents <= 0:
        raise Reject("an order without a price gives no points")
    log.info("points_given", order=order.id, points=order.cents // 100 * per_euro)


@asynccontextmanager
async def open_workers(environment: Mapping[str, str], _clients: Clients) -> AsyncIterator[tuple[Worker[Any], ...]]:
    """Join the handler with the world: clients of AWS come from `_clients`, where it needs any."""
    settings = read_settings(PointsSettings, environment)

    async def give(order: Order) -> None:
        await handle(order, per_euro=settings.points_per_euro)

    once = Once[Order](key=lambda order: order.id)  # in the table that LEDGER_TABLE_NAME names
    yield (Worker(name="points", queue="points", decode=decode, do=Each(give, once=once)),)


APP = App("points", ("points",), open_workers, settings=(PointsSettings,))
lambda_handler = make_lambda_handler(APP)
