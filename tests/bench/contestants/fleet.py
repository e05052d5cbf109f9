"""This runtime, through the container's door: leases, retries, batched deletes, telemetry and all."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from shared.app import App
from shared.clients import Clients
from shared.container import process
from shared.message.delivery import Delivery
from shared.telemetry import tracing
from shared.worker import Each, Limits, Worker
from tests.bench.bodies import QUEUE
from tests.bench.work import SPANS, Work, keep_metrics, nowhere


def consume(work: Work) -> None:
    environment = {
        **os.environ,
        "ORDERS_QUEUE_URL": work.task.url,
        "ORDERS_DLQ_URL": f"{work.task.url}-dlq",
        "HEALTH_PORT": "0",
        "TELEMETRY_DETAIL": "full" if work.task.setting == "recorded" else "sampled",
        "LOG_LEVEL": "warning" if work.task.setting == "bare" else "info",
    }
    if work.task.setting != "bare":
        os.environ["OTEL_BSP_MAX_QUEUE_SIZE"] = str(SPANS)
        tracing.configure(environment, service="bench", exporter=nowhere())
        keep_metrics()
    asyncio.run(process.run(app(work), environment))


def app(work: Work) -> App:
    def decode(delivery: Delivery) -> int:
        return work.read(delivery.body)

    async def handle(nonce: int) -> None:
        if work.task.wait:
            await asyncio.sleep(work.task.wait)
        work.effect(nonce)

    @asynccontextmanager
    async def open_workers(
        _environment: Mapping[str, str], _clients: Clients
    ) -> AsyncIterator[tuple[Worker[Any], ...]]:
        limits = Limits(concurrency=work.task.slots)
        yield (Worker(name="bench", queue=QUEUE, decode=decode, do=Each(handle), limits=limits),)

    return App(name="bench", queues=(QUEUE,), open_workers=open_workers)
