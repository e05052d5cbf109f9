"""A worker's process for the drain: each body says how many seconds it works, and `hang` never ends."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from shared.app import App
from shared.clients import Clients
from shared.container import process
from shared.message.delivery import Delivery
from shared.worker import Fifo, Worker
from tests.made import make_worker
from tests.sqs_server.control_client import AsyncControl


@asynccontextmanager
async def open_workers(
    environment: Mapping[str, str], _clients: Clients
) -> AsyncIterator[tuple[Worker[Delivery], ...]]:
    async with AsyncControl.from_environment() as control:

        async def handle(delivery: Delivery) -> None:
            async with control.handling(delivery.message_id):
                await asyncio.sleep(3_600 if delivery.body == "hang" else float(delivery.body))

        fifo = environment["UPLOADS_QUEUE_URL"].endswith(".fifo")
        yield (
            make_worker(
                name="drained",
                queue="uploads",
                decode=lambda each: each,
                handle=handle,
                timeout=7_200,
                order=Fifo() if fifo else None,
            ),
        )


APP = App("drained", ("uploads",), open_workers)

if __name__ == "__main__":
    asyncio.run(process.run(APP, os.environ))
