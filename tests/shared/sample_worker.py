"""A worker as a process of its own: each message's body is appended to the file EFFECTS, after WORK_SECONDS."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from shared.app import App
from shared.clients import Clients
from shared.container import process
from shared.message.delivery import Delivery
from shared.worker import Worker
from tests.made import make_worker


@asynccontextmanager
async def open_workers(environment: Mapping[str, str], _clients: Clients) -> AsyncIterator[tuple[Worker[Any], ...]]:
    effects = Path(environment["EFFECTS"])
    seconds = float(environment["WORK_SECONDS"])

    async def handle(body: str) -> None:
        await asyncio.sleep(seconds)
        await asyncio.to_thread(_append, effects, body)

    yield (make_worker(decode=_body, handle=handle, concurrency=4),)


def _append(effects: Path, body: str) -> None:
    with effects.open("a") as file:
        file.write(f"{body}\n")


def _body(delivery: Delivery) -> str:
    return delivery.body


APP = App("sample", ("uploads",), open_workers)

if __name__ == "__main__":
    process.main(APP, os.environ)
