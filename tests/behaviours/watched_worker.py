"""A container of two queues, whose health is watched from outside."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from shared import container
from shared.delivery import Delivery
from shared.wiring import App, Clients
from shared.worker import Worker


@asynccontextmanager
async def open_workers(_environment: Mapping[str, str], _clients: Clients) -> AsyncIterator[tuple[Worker[Any], ...]]:
    async def handle(_delivery: Delivery) -> None:
        """Succeeds."""

    yield tuple(
        Worker(name=queue, queue=queue, decode=lambda each: each, handle=handle) for queue in ("uploads", "reminders")
    )


APP = App("watched", ("uploads", "reminders"), open_workers)

if __name__ == "__main__":
    asyncio.run(container.run(APP, os.environ))
