"""One consumer of a soak: the real container with three workers, whose handlers tell the server what they do."""

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import connection, parent_process
from typing import Any

import aioboto3  # noqa: F401  # with the next, imported before the fork: a restart then takes milliseconds
import aiobotocore.config  # noqa: F401
import orjson

from shared.app import App
from shared.backoff import Backoff
from shared.clients import Clients
from shared.container import process
from shared.message.delivery import Delivery
from shared.outcome import Later, Reject
from shared.worker import Each, Fifo, Limits, Once, Worker
from tests.soak.schedule import LINES, ONCE, WORK, Kind
from tests.sqs_server.control_client import AsyncControl

BACKOFF = Backoff(base=0.5, cap=1.0)
ATTEMPTS = 8
"""Receipts after which hopeless work is buried; all others succeed on some receipt, however late."""
MANY_ATTEMPTS = 40
"""For keyed work: whoever comes while a killed process still holds the claim uses up a receipt."""


@dataclass(frozen=True, slots=True)
class Task:
    """A job as a handler gets it."""

    message_id: str
    attempt: int
    key: str
    kind: Kind
    seconds: float


def task(delivery: Delivery) -> Task:
    job = orjson.loads(delivery.body)
    return Task(delivery.message_id, delivery.attempt, job["key"], Kind(job["kind"]), job["seconds"])


async def handle(task: Task, *, control: AsyncControl, consumer: str) -> None:
    """Work, and leave a trace of it on the server."""
    async with control.handling(task.message_id, key=task.key, consumer=consumer):
        await asyncio.sleep(task.seconds)
        match task.kind:
            case Kind.REJECTED:
                raise Reject("made to be rejected")
            case Kind.STUMBLES if task.attempt == 1:
                raise ConnectionError
            case Kind.LATER if task.attempt == 1:
                raise Later("made to come later", after=1)
            case Kind.HOPELESS:
                raise LookupError


def _key(task: Task) -> str:
    return task.key


@asynccontextmanager
async def open_workers(environment: Mapping[str, str], _clients: Clients) -> AsyncIterator[tuple[Worker[Any], ...]]:
    async with AsyncControl.from_environment() as control:
        of = partial(Worker[Task], decode=task, backoff=BACKOFF)
        done = partial(handle, control=control, consumer=environment["CONSUMER"])
        once = Limits(concurrency=4, max_attempts=MANY_ATTEMPTS, timeout=2.0)
        others = Limits(concurrency=6, max_attempts=ATTEMPTS)
        yield (
            of(name=WORK, queue=WORK, do=Each(done), limits=others),
            of(name=ONCE, queue=ONCE, do=Each(done, once=Once(key=_key)), limits=once),
            of(name=LINES, queue=LINES, do=Each(done, order=Fifo()), limits=others),
        )


APP = App("soak", (WORK, ONCE, LINES), open_workers)


def consume(app: App, environment: dict[str, str], log: str) -> None:
    """The whole life of a consumer's process; it ends with the process that asked for it, however that dies."""
    threading.Thread(target=_die_with_parent, daemon=True).start()
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, sys.stdout.fileno())
    os.dup2(file, sys.stderr.fileno())
    os.environ.update(environment)
    process.main(app, os.environ)


def _die_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)
