"""The containers that meet an outage: each has one worker, which needs one dependency."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from shared.app import App
from shared.clients import Clients
from shared.worker import Each, Limits, Once, Worker
from tests.soak.consumer import Task, handle, task
from tests.soak.services import BODIES, BUS, LEDGER
from tests.sqs_server.control_client import AsyncControl

SQS = "sqs"
DEPENDENCIES = (SQS, LEDGER, BODIES, BUS)
JOBS = "jobs"
RECEIVES = 5
"""maxReceiveCount of the queue: an outage costs a message few receipts, however long it is."""


async def publish(task: Task, *, control: AsyncControl, consumer: str, bus: Any) -> None:
    """Put an event on the bus, and leave a trace of it on the server."""
    entry = {"Source": "tests", "DetailType": "done", "Detail": f'{{"key": "{task.key}"}}'}
    await bus.put_events(Entries=[entry])
    await handle(task, control=control, consumer=consumer)


def _key(task: Task) -> str:
    return task.key


@asynccontextmanager
async def open_workers(environment: Mapping[str, str], clients: Clients) -> AsyncIterator[tuple[Worker[Any], ...]]:
    async with AsyncControl.from_environment() as control:
        needs = environment["NEEDS"]
        do = partial(handle, control=control, consumer=environment["CONSUMER"])
        if needs == BUS:
            do = partial(publish, control=control, consumer=environment["CONSUMER"], bus=await clients.open("events"))
        each = Each(do, once=Once(key=_key) if needs == LEDGER else None)
        yield (Worker[Task](name=JOBS, queue=JOBS, decode=task, do=each, limits=Limits(max_receives=RECEIVES)),)


APP = App("outages", (JOBS,), open_workers)
