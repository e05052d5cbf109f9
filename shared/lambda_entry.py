"""Lambda's door: one event loop and one set of clients per sandbox, and a partial batch report."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from shared.delivery import Delivery, from_lambda
from shared.pipeline import Pipeline
from shared.settings import RuntimeSettings, read
from shared.sqs import SqsQueue
from shared.telemetry import logging, metrics, tracing
from shared.wiring import App, Clients, variable
from shared.worker import Worker

log = structlog.get_logger()

DEADLINE_MARGIN = 0.75
"""Seconds kept before Lambda's timeout to report what was not finished: a timeout would redeliver the whole batch."""


class Context(Protocol):
    """What is used of Lambda's context object."""

    def get_remaining_time_in_millis(self) -> int: ...


Handler = Callable[[Mapping[str, Any], Context], dict[str, list[dict[str, str]]]]


def door(app: App, environment: Mapping[str, str] | None = None) -> Handler:
    """A Lambda handler for this app. Nothing is opened and no environment is read before the first invocation."""
    sandbox = Sandbox(app, environment)

    def lambda_handler(event: Mapping[str, Any], context: Context) -> dict[str, list[dict[str, str]]]:
        return sandbox.invoke(event, remaining=context.get_remaining_time_in_millis() / 1000)

    return lambda_handler


@dataclass(frozen=True, slots=True)
class _Road:
    pipeline: Pipeline[Any]
    queue: SqsQueue
    resource_name: str


class Sandbox:
    """One Lambda sandbox: a loop, clients and workers that live from the first invocation to the last."""

    def __init__(self, app: App, environment: Mapping[str, str] | None = None) -> None:
        self._app = app
        self._environment = environment
        self._runner: asyncio.Runner | None = None
        self._roads: tuple[_Road, ...] = ()
        self._stack = AsyncExitStack()

    def invoke(self, event: Mapping[str, Any], *, remaining: float) -> dict[str, list[dict[str, str]]]:
        """The ids of the records that must stay in the queue. Raises TypeError where the event is not from SQS."""
        records = event.get("Records")
        if not isinstance(records, list):
            raise TypeError("event has no list `Records`: this function reads from an SQS event source mapping")
        if self._runner is None:
            self._runner = asyncio.Runner()
        failures = self._runner.run(self._report(records, deadline=time.monotonic() + remaining - DEADLINE_MARGIN))
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failures]}

    def close(self) -> None:
        """Close the clients and the loop; Lambda itself never does, tests do."""
        if self._runner is not None:
            self._runner.run(self._stack.aclose())
            self._runner.close()

    async def _report(self, records: Sequence[Any], *, deadline: float) -> list[str]:
        if not self._roads:
            self._roads = await self._open()
        failures: list[str] = []
        by_road: dict[int, list[Delivery]] = {}
        for record in records:
            try:
                place = self._place(record)
                by_road.setdefault(place, []).append(
                    from_lambda(record, queue=self._roads[place].pipeline.worker.queue)
                )
            except (KeyError, ValueError, TypeError, AttributeError) as error:
                failures += _named(record)
                log.warning("record_unreadable", worker=self._app.name, error_type=type(error).__name__)
        reports = await asyncio.gather(
            *(_travel(self._roads[place], found, deadline=deadline) for place, found in by_road.items())
        )
        tracing.flush()
        metrics.flush()
        return failures + [message_id for report in reports for message_id in report]

    async def _open(self) -> tuple[_Road, ...]:
        environment = os.environ if self._environment is None else self._environment
        settings = read(RuntimeSettings, environment)
        logging.configure(settings.log_level)
        tracing.configure(environment, service=self._app.name)
        metrics.configure(environment, service=self._app.name)
        async with AsyncExitStack() as stack:
            clients = await stack.enter_async_context(Clients(environment))
            workers = await stack.enter_async_context(self._app.open_workers(environment, clients))
            roads = [await _road(worker, clients, environment) for worker in workers]
            self._stack = stack.pop_all()  # kept open only when everything could be opened
        return tuple(roads)

    def _place(self, record: Mapping[str, Any]) -> int:
        """Which of the app's workers reads this record: told by the name of the queue it came from."""
        name = str(record["eventSourceARN"]).rsplit(":", 1)[-1]
        for place, road in enumerate(self._roads):
            if road.resource_name == name:
                return place
        raise ValueError(f"{self._app.name} does not read the queue {name}")


async def _road(worker: Worker[Any], clients: Clients, environment: Mapping[str, str]) -> _Road:
    queue = await clients.queue(worker.queue)
    ledger = await clients.ledger_for(worker)
    pipeline = Pipeline(
        worker=worker,
        hide=_hide(queue),
        bury=queue.bury,
        ledger=ledger,
        payloads=await clients.payloads(),
        dice=random.random,
    )
    return _Road(pipeline, queue, environment[f"{variable(worker.queue)}_QUEUE_URL"].rstrip("/").rsplit("/", 1)[-1])


def _hide(queue: SqsQueue) -> Callable[[Delivery, float], Any]:
    async def hide(delivery: Delivery, seconds: float) -> None:
        await queue.extend([delivery], seconds=seconds)

    return hide


async def _travel(road: _Road, deliveries: Sequence[Delivery], *, deadline: float) -> list[str]:
    """Ids of those that may not leave: failed, cut at the deadline, or never started."""
    leaving: set[Delivery] = set()
    journeys = [asyncio.ensure_future(each) for each in _journeys(road, deliveries, leaving)]
    ended, late = await asyncio.wait(journeys, timeout=max(0.0, deadline - time.monotonic()))
    for task in late:  # all of them at once: a slot that gets free now must not start another record
        task.cancel()
    if late:
        log.warning("cut_at_deadline", queue=road.pipeline.worker.queue, count=len(deliveries) - len(leaving))
        await asyncio.wait(late, timeout=DEADLINE_MARGIN / 3)
    for error in [task.exception() for task in ended]:
        if error is not None:  # the pipeline turns every handler's error into an outcome: this one is ours
            log.error("road_broken", queue=road.pipeline.worker.queue, exc_info=error)
    return [each.message_id for each in deliveries if each not in leaving]


def _journeys(road: _Road, deliveries: Sequence[Delivery], leaving: set[Delivery]) -> list[Coroutine[Any, Any, None]]:
    """What may run side by side: the whole batch of a batch handler, a group of a FIFO queue, or a message. Each adds
    to `leaving` what it is done with.
    """
    worker = road.pipeline.worker
    if worker.handle_batch is not None:
        return [_together(road, deliveries, leaving)]
    slots = asyncio.Semaphore(worker.concurrency)
    groups: dict[str, list[Delivery]] = {}
    for each in deliveries:
        groups.setdefault((worker.fifo and each.group) or each.message_id, []).append(each)
    return [_in_order(road, group, leaving, slots) for group in groups.values()]


async def _together(road: _Road, deliveries: Sequence[Delivery], leaving: set[Delivery]) -> None:
    answers = await road.pipeline.travel_together(deliveries)
    leaving.update(each for each, leaves in zip(deliveries, answers, strict=True) if leaves)


async def _in_order(road: _Road, group: Sequence[Delivery], leaving: set[Delivery], slots: asyncio.Semaphore) -> None:
    for place, delivery in enumerate(group, start=1):
        async with slots:
            if not await road.pipeline.travel(delivery):
                await _hold_back(road, group[place:])
                return
        leaving.add(delivery)


async def _hold_back(road: _Road, behind: Sequence[Delivery]) -> None:
    """The rest of a failed message's group must not overtake it: back into the queue, at once."""
    [answer] = await asyncio.gather(road.queue.extend(behind, seconds=0), return_exceptions=True)
    if isinstance(answer, BaseException):  # they come back by themselves when their visibility timeout ends
        log.warning("give_back_failed", queue=road.queue.name, error_type=type(answer).__name__)


def _named(record: Any) -> list[str]:
    """The id to report an unreadable record under; without one it cannot be reported, and must not sink the batch."""
    message_id = record.get("messageId") if isinstance(record, Mapping) else None
    return [message_id] if isinstance(message_id, str) and message_id else []
