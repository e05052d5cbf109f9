"""Lambda's door: one event loop and one set of clients per sandbox, and a partial batch report."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from shared.app import App
from shared.clients import Clients
from shared.clock import lease_time
from shared.configuration.stored import read_environment
from shared.consumer import Consumer, Stores, join, open_stores
from shared.lambda_door.invocation import report
from shared.limits import Budget
from shared.road.failure.apart import Apart
from shared.road.failure.breakers import Breakers
from shared.settings import RuntimeSettings, read_settings
from shared.telemetry import logging, metrics, tracing
from shared.worker import Worker

DEADLINE_MARGIN = 0.75
"""Seconds before Lambda's timeout at which work is cut, to report it: a timeout would redeliver the whole batch."""
REPORTED_BEFORE = 0.5
"""Seconds before Lambda's timeout by which the report is made."""


class EveryRecordFailed(Exception):
    """None of an invocation's messages may leave the queue, and LAMBDA_RAISE_WHEN_ALL_FAILED asks for an error then.

    The whole batch stays in the queue, as it would by its report: standard and FIFO alike. What was hidden for its
    backoff stays hidden for that long.
    """

    def __init__(self, worker: str, count: int) -> None:
        super().__init__(f"every record of this invocation failed: {count} of {worker}; all stay in the queue")


class Context(Protocol):
    """What is used of Lambda's context object."""

    def get_remaining_time_in_millis(self) -> int: ...


Handler = Callable[[Mapping[str, Any], Context], dict[str, list[dict[str, str]]]]


def make_lambda_handler(app: App, environment: Mapping[str, str] | None = None) -> Handler:
    """A Lambda handler for this app. Nothing is opened and no environment is read before the first invocation."""
    sandbox = Sandbox(app, environment)

    def lambda_handler(event: Mapping[str, Any], context: Context) -> dict[str, list[dict[str, str]]]:
        request_id = getattr(context, "aws_request_id", None)  # Lambda's own has it, a caller's by hand may not
        token = logging.ABOUT.set({"request_id": request_id} if request_id else {})
        try:
            return sandbox.invoke(event, remaining=context.get_remaining_time_in_millis() / 1000)
        finally:
            logging.ABOUT.reset(token)

    return lambda_handler


class Sandbox:
    """One Lambda sandbox: a loop, clients and workers that live from the first invocation to the last."""

    def __init__(self, app: App, environment: Mapping[str, str] | None = None) -> None:
        self._app = app
        self._environment = environment
        self._runner: asyncio.Runner | None = None
        self._consumers: tuple[Consumer, ...] = ()
        self._join: Callable[[], tuple[Consumer, ...]] = tuple
        self._raises = False
        self._stack = AsyncExitStack()

    def invoke(self, event: object, *, remaining: float) -> dict[str, list[dict[str, str]]]:
        """The ids of the records that must stay in the queue. Raises TypeError where the event is not from SQS, TimeoutError
        where clients and workers could not be opened in time, and EveryRecordFailed where that is asked for.
        """
        records = event.get("Records") if isinstance(event, Mapping) else None  # by hand it may be any JSON, also null
        if not isinstance(records, list):
            raise TypeError("event has no list `Records`: this function reads from an SQS event source mapping")
        if self._runner is None:
            self._runner = asyncio.Runner()
        reporting = self._report(records, deadline=lease_time() + remaining - DEADLINE_MARGIN)
        # Not Runner.run: that installs a signal handler for each invocation, which Lambda never signals.
        failures = self._runner.get_loop().run_until_complete(reporting)
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failures]}

    def close(self) -> None:
        """Close the clients and the loop; Lambda itself never does, tests do."""
        if self._runner is not None:
            self._runner.run(self._stack.aclose())
            self._runner.close()

    async def _report(self, records: Sequence[Any], *, deadline: float) -> tuple[str, ...]:
        if not self._consumers:
            self._consumers = await self._open_in_time(deadline)
        found = await report(records, self._consumers, deadline=deadline)
        if found.goes_on:  # it keeps its place in the budget, and its turn, among those of its own invocation
            self._consumers = self._join()
        spare = deadline + DEADLINE_MARGIN - REPORTED_BEFORE - lease_time()
        for flush in (tracing.flush, metrics.flush):  # a collector that does not answer must not cost the report
            flush(seconds=min(0.2, max(0.0, spare / 2)))
        if self._raises and records and not found.left:
            raise EveryRecordFailed(self._app.name, len(records))
        return found.staying

    async def _open_in_time(self, deadline: float) -> tuple[Consumer, ...]:
        """Raises TimeoutError: all messages stay then, and the next invocation tries again in the same sandbox."""
        try:
            async with asyncio.timeout(max(0.0, deadline - lease_time())):
                environment = await read_environment(os.environ if self._environment is None else self._environment)
                with self._app.naming_all_faults(environment):
                    return await self._open(environment)
        except TimeoutError as error:
            raise TimeoutError(f"{self._app.name} could not be opened in the time of this invocation") from error

    async def _open(self, environment: Mapping[str, str]) -> tuple[Consumer, ...]:
        settings = read_settings(RuntimeSettings, environment)
        logging.configure(settings.log_level)
        tracing.configure(environment, service=self._app.name)
        metrics.configure(environment, service=self._app.name)
        async with AsyncExitStack() as stack:
            clients = await stack.enter_async_context(Clients(environment, breakers=Breakers(waits=False)))
            workers = await stack.enter_async_context(self._app.open_workers(environment, clients))
            opened = [(each, await open_stores(each, clients)) for each in workers]
            self._join = partial(joined, opened, room=settings.body_budget_bytes)
            self._raises = settings.lambda_raise_when_all_failed
            self._stack = stack.pop_all()  # kept open only when everything could be opened
        return self._join()


def joined(workers: Sequence[tuple[Worker[Any], Stores]], *, room: int) -> tuple[Consumer, ...]:
    """All of them share what is renewed with them: a budget, and the turns of messages that run by themselves."""
    budget, apart = Budget(room), Apart()
    return tuple(join(worker, replace(stores, apart=apart), budget=budget) for worker, stores in workers)
