"""The container that is restarted: a plain, a keyed, a batch and a FIFO worker, on queues that allow five receipts."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from shared.app import App
from shared.clients import Clients
from shared.worker import BatchResult, Each, Fifo, Limits, Once, Together, Worker
from tests.soak.consumer import Task, handle, task
from tests.sqs_server.control_client import AsyncControl

PLAIN, KEYED, BATCH, LINES = "plain", "keyed", "batch", "lines"
QUEUES = (PLAIN, KEYED, BATCH, LINES)
RECEIVES = 5
"""maxReceiveCount of each queue: what a restart spends in vain shows soon."""
KEYED_TIMEOUT = 4.0
"""Seconds; a claim lasts twice as long, and is over when what a killed process held comes back."""


async def handle_all(tasks: Sequence[Task], *, control: AsyncControl, consumer: str) -> BatchResult:
    """Work for as long as the longest of them takes, and leave a trace of each on the server."""
    async with AsyncExitStack() as stack:
        for each in tasks:
            await stack.enter_async_context(control.handling(each.message_id, key=each.key, consumer=consumer))
        await asyncio.sleep(max(each.seconds for each in tasks))
    return [None] * len(tasks)


def _key(task: Task) -> str:
    return task.key


@asynccontextmanager
async def open_workers(environment: Mapping[str, str], _clients: Clients) -> AsyncIterator[tuple[Worker[Any], ...]]:
    async with AsyncControl.from_environment() as control:
        of = partial(Worker[Task], decode=task)
        one = partial(handle, control=control, consumer=environment["CONSUMER"])
        many = partial(handle_all, control=control, consumer=environment["CONSUMER"])
        limits = Limits(concurrency=6, max_receives=RECEIVES)
        keyed = Limits(concurrency=6, max_receives=RECEIVES, timeout=KEYED_TIMEOUT)
        batches = Limits(concurrency=2, max_receives=RECEIVES)
        yield (
            of(name=PLAIN, queue=PLAIN, do=Each(one), limits=limits),
            of(name=KEYED, queue=KEYED, do=Each(one, once=Once(key=_key)), limits=keyed),
            of(name=BATCH, queue=BATCH, do=Together(many, count=20, seconds=1.0), limits=batches),
            of(name=LINES, queue=LINES, do=Each(one, order=Fifo()), limits=limits),
        )


APP = App("restarts", QUEUES, open_workers)
