"""A worker joined with its queue: the one place where that is done, for both doors and for every test."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from shared.clients import Clients
from shared.clock import lease_time
from shared.limits import Budget
from shared.message.pointer import Payloads
from shared.road.attempts import Attempts
from shared.road.endings import Endings
from shared.road.failure.apart import Apart
from shared.road.failure.breakers import Breakers
from shared.road.failure.needs import Needs
from shared.road.ledger import Ledger
from shared.road.pipeline import Pipeline
from shared.road.ports import Ports
from shared.settings import RuntimeSettings
from shared.settlement.gathered import Deletes
from shared.settlement.leases import Leases
from shared.sqs.queue import Queue
from shared.telemetry.troubles import Troubles
from shared.worker import FairShares, Fifo, Worker


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How one queue is polled and left. All times in seconds. A poll that has no answer `answer` seconds after its `wait`
    is given up: a dead connection may stay silent for ever. `concurrency` None leaves the worker its own.
    `fails_fast`: a first poll that fails ends the process, which otherwise waits for its queue.
    """

    wait: int = 20
    answer: float = 10.0
    visibility: int = 60
    drain: float = 25.0
    concurrency: int | None = None
    fails_fast: bool = False

    @classmethod
    def of(cls, settings: RuntimeSettings) -> Pace:
        """What the environment asks for."""
        return cls(
            wait=settings.poll_wait_seconds,
            visibility=settings.visibility_seconds,
            drain=settings.drain_seconds,
            concurrency=settings.concurrency,
            fails_fast=settings.startup == "fail",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """In seconds: `monotonic` for waiting, `lease` for leases, `wall` for the ledger; `dice` is uniform in [0, 1)."""

    monotonic: Callable[[], float] = time.monotonic
    lease: Callable[[], float] = lease_time
    wall: Callable[[], float] = time.time
    dice: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True)
class Stores:
    """What AWS is to one worker: its queue, the ledger of its keys, and the bodies in S3 (None: it has none), and
    whether what its process depends on is there. `apart` is the process's, as `breakers` are.

    `resource_name` is the queue's own name, with which the ARN of a Lambda event source ends.
    """

    queue: Queue
    ledger: Ledger | None = None
    payloads: Payloads | None = None
    breakers: Breakers = field(default_factory=Breakers)
    resource_name: str = ""
    apart: Apart = field(default_factory=Apart)


@dataclass(frozen=True, slots=True)
class Consumer:
    """A worker that can consume its queue, through either door."""

    worker: Worker[Any]
    order: Fifo | FairShares | None
    queue: Queue
    resource_name: str
    pipeline: Pipeline
    leases: Leases
    deletes: Deletes
    needs: Needs
    troubles: Troubles
    budget: Budget
    pace: Pace
    clocks: Clocks


async def open_stores(worker: Worker[Any], clients: Clients) -> Stores:
    """Open what AWS is to this worker. Raises SettingsError."""
    queue = await clients.queue_for(worker)
    ledger, payloads = await clients.ledger_for(worker), await clients.payloads()
    return Stores(queue, ledger, payloads, clients.breakers, queue.resource_name, clients.apart)


def lay_road(worker: Worker[Any], ports: Ports) -> Pipeline:
    """One worker's road, before it is joined with a queue. Raises ValueError where the worker needs a ledger."""
    return Pipeline(Attempts(worker, ports), Endings(worker, ports))


def join(
    worker: Worker[Any],
    stores: Stores,
    *,
    pace: Pace = Pace(),
    clocks: Clocks = Clocks(),
    budget: Budget | None = None,
) -> Consumer:
    """Pure wiring: opens nothing and starts nothing. All consumers of one process share one `budget`."""
    budget = budget or Budget()
    if pace.concurrency is not None:
        worker = replace(worker, limits=replace(worker.limits, concurrency=pace.concurrency))
    queue, needs, troubles = stores.queue, Needs(stores.breakers), Troubles(stores.queue.name)
    leases = Leases(
        queue,
        visibility=pace.visibility,
        longest=worker.limits.longest_lease,
        clock=clocks.lease,
        dice=clocks.dice,
        troubles=troubles,
    )
    deletes = Deletes(queue, leases, dice=clocks.dice, troubles=troubles)
    ports = Ports(
        hide=leases.hide,
        bury=queue.bury,
        ledger=stores.ledger,
        apart=stores.apart,
        payloads=stores.payloads,
        needs=needs,
        budget=budget,
        holds=leases.holds,
        finished=deletes.remember,
        troubles=troubles,
        dice=clocks.dice,
        now=clocks.wall,
    )
    return Consumer(
        worker=worker,
        order=worker.order,
        queue=queue,
        resource_name=stores.resource_name,
        pipeline=lay_road(worker, ports),
        leases=leases,
        deletes=deletes,
        needs=needs,
        troubles=troubles,
        budget=budget,
        pace=pace,
        clocks=clocks,
    )
