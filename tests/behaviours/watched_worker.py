"""A container of two queues, whose health is watched from outside."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from shared.app import App
from shared.clients import Clients
from shared.container import process
from shared.message.delivery import Delivery
from shared.worker import Worker
from tests.made import make_worker


@asynccontextmanager
async def open_workers(_environment: Mapping[str, str], _clients: Clients) -> AsyncIterator[tuple[Worker[Any], ...]]:
    async def handle(_delivery: Delivery) -> None:
        """Succeeds."""

    yield tuple(
        make_worker(name=queue, queue=queue, decode=lambda each: each, handle=handle)
        for queue in ("uploads", "reminders")
    )


APP = App("watched", ("uploads", "reminders"), open_workers)

if __name__ == "__main__":
    asyncio.run(process.run(APP, os.environ))
