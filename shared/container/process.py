"""One container: a worker's pollers, its health checks, and the signals that end it."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, nullcontext
from functools import partial

import structlog

from shared.app import App
from shared.clients import Clients
from shared.configuration.stored import read_environment
from shared.consumer import Pace, join, open_stores
from shared.container import controls, health, heartbeat
from shared.container.exit_timer import ExitTimer
from shared.container.poller import Poller
from shared.limits import Budget
from shared.outcome import code_of
from shared.settings import RuntimeSettings, SettingsError, read_settings
from shared.telemetry import logging, metrics, tracing

log = structlog.get_logger()

YOUNG = 5_000
"""Objects that are made and kept before the garbage collector looks at them; Python's own number is 700."""
FLUSH_SECONDS = 0.35
"""Seconds for telling the collector what is left; a dead one does not keep the container from ending."""


@contextmanager
def _leaving_at_once() -> Iterator[None]:
    """Before anything was received there is nothing to drain. The first process of a container gets no signal that it has no
    handler for: it would start, take messages, and be killed with them at the end of the grace period.
    """
    earlier = signal.signal(signal.SIGTERM, lambda _number, _frame: os._exit(0))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, earlier)


@_leaving_at_once()
def main(app: App, environment: Mapping[str, str]) -> int:
    """Run a container's process to its end. Returns its exit code: 0 when it has drained; a warning `drained` counts what SQS did
    not let it settle or give back; 1 when an error ends it. A process that then does not end by itself within DRAIN_SECONDS and
    one more is ended with code 70. SIGTERM while settings are read ends it at once, with 0. Raises SettingsError.
    """
    environment = asyncio.run(read_environment(environment))
    try:
        with app.naming_all_faults(environment):
            timer = ExitTimer(read_settings(RuntimeSettings, environment).drain_seconds + 1.0)
            try:
                asyncio.run(run(app, environment, leaves=timer.start))
            except BaseException:
                timer.returned()
                raise
    except SettingsError:
        raise
    except Exception as error:
        log.exception("worker_failed", worker=app.name, error_type=code_of(first := _first(error)), exc_info=first)
        return 1
    finally:
        logging.let_go()
    return 0


def _first(error: BaseException) -> BaseException:
    """An error of one task, out of the group of all."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def run(
    app: App,
    environment: Mapping[str, str],
    *,
    stop: asyncio.Event | None = None,
    leaves: Callable[[], None] = lambda: None,
) -> None:
    """Consume until SIGTERM or SIGINT, then drain and return. Raises SettingsError before anything is received.

    A second signal changes nothing: the drain has its budget and ends by itself. A program that embeds this passes a `stop`
    event and sets it (from anywhere in the loop, any number of times); then no signal handler is installed. Signal handlers
    and the garbage collector's state are given back. `leaves` is called when a signal comes, also while the loop is blocked, and when an
    error begins to end all this.
    """
    settings = read_settings(RuntimeSettings, environment)
    logging.configure(settings.log_level)
    tracing.configure(environment, service=app.name)
    metrics.configure(environment, service=app.name)
    with _stop_on_signals(leaves) if stop is None else nullcontext(stop) as stopping, _start_up_frozen() as freeze:
        async with (
            _then(leaves),
            Clients(environment) as clients,
            _pollers(app, environment, settings, clients) as pollers,
            _health(pollers, settings, stopping) as port,
            _orders(app, environment, clients, pollers, stopping),
            _heartbeat(app, environment, clients, faults=lambda: _faults(pollers, settings, stopping)),
            _then(leaves),
            asyncio.TaskGroup() as group,
        ):
            freeze()
            log.info("worker_started", worker=app.name, queues=app.queues, health_port=port)
            for poller in pollers:
                group.create_task(poller.run(stopping))
        tracing.flush(seconds=FLUSH_SECONDS)
        metrics.flush(seconds=FLUSH_SECONDS)
        log.info("worker_stopped", worker=app.name)


@asynccontextmanager
async def _then(leaves: Callable[[], None]) -> AsyncIterator[None]:
    """Where an error ends what is inside, `leaves` is called before anything else that might not return."""
    try:
        yield
    except BaseException:
        leaves()
        raise


@contextmanager
def _stop_on_signals(leaves: Callable[[], None]) -> Iterator[asyncio.Event]:
    """An event that SIGTERM and SIGINT set. Python's own handlers and not the loop's: those wait for a blocked loop."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def leave(_number: int, _frame: object) -> None:
        leaves()
        loop.call_soon_threadsafe(stop.set)

    earlier = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


class _Heap:
    """What the garbage collector was like before the first of the runs that this process has now: the last of them gives that back."""

    runs = frozen = 0
    threshold: tuple[int, ...] = ()


_heap = _Heap()


@contextmanager
def _start_up_frozen() -> Iterator[Callable[[], None]]:
    """Objects made at start-up stay: no later garbage collection walks through them again, which saves 7 % of a message's CPU.
    What a hundred messages in hand are made of lives longer than Python expects, so collections are made seldomer: 3 to 9 %.
    """

    def freeze() -> None:
        gc.collect()
        gc.freeze()
        gc.set_threshold(YOUNG, *_heap.threshold[1:])

    if not _heap.runs:
        _heap.frozen, _heap.threshold = gc.get_freeze_count(), gc.get_threshold()
    _heap.runs += 1
    try:
        yield freeze
    finally:
        _heap.runs -= 1
        if not _heap.runs:
            gc.set_threshold(*_heap.threshold)
            if not _heap.frozen:
                gc.unfreeze()


@asynccontextmanager
async def _pollers(
    app: App, environment: Mapping[str, str], settings: RuntimeSettings, clients: Clients
) -> AsyncIterator[tuple[Poller, ...]]:
    async with app.open_workers(environment, clients) as workers:
        pace, budget = Pace.of(settings), Budget(settings.body_budget_bytes)
        yield tuple(
            [Poller(join(each, await open_stores(each, clients), pace=pace, budget=budget)) for each in workers]
        )


@asynccontextmanager
async def _orders(
    app: App, environment: Mapping[str, str], clients: Clients, pollers: tuple[Poller, ...], stop: asyncio.Event
) -> AsyncIterator[None]:
    """Obey `fleet pause`, `resume` and `limit`, where LEDGER_TABLE_NAME says where orders are kept."""
    if not environment.get("LEDGER_TABLE_NAME"):
        yield
        return
    orders = await controls.opened(clients)
    follow = partial(orders.follow, app.name, _process())
    async with controls.obeyed(app.name, pollers, orders.read, follow=follow, stop=stop):
        yield


@asynccontextmanager
async def _heartbeat(
    app: App, environment: Mapping[str, str], clients: Clients, *, faults: Callable[[], tuple[str, ...]]
) -> AsyncIterator[None]:
    """Tell `fleet workers` each minute that this process lives, where LEDGER_TABLE_NAME says where that is kept."""
    if not environment.get("LEDGER_TABLE_NAME"):
        yield
        return

    def tell() -> heartbeat.Beat:
        done_at = metrics.last_success()
        return heartbeat.told(_process(), environment=environment, done_at=done_at, faults=faults())

    [table] = clients.required("LEDGER_TABLE_NAME")
    beats = heartbeat.Heartbeats(await clients.open("dynamodb"), table=table)
    keeping = asyncio.create_task(heartbeat.keep(app.name, tell, beats.beat))
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])
        await heartbeat.leave(app.name, tell(), beats.beat)


def _process() -> str:
    """By which name orders and heartbeats know this process."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _live(pollers: tuple[Poller, ...], settings: RuntimeSettings) -> health.Report:
    return health.alive(pollers, now=time.monotonic(), after=settings.watchdog_seconds)


def _ready(pollers: tuple[Poller, ...], stop: asyncio.Event) -> health.Report:
    down = sorted({each for poller in pollers for each in poller.missing})
    return health.ready(pollers, draining=stop.is_set(), now=time.monotonic(), down=down)


def _faults(pollers: tuple[Poller, ...], settings: RuntimeSettings, stop: asyncio.Event) -> tuple[str, ...]:
    return (*_live(pollers, settings).faults, *_ready(pollers, stop).faults)


@asynccontextmanager
async def _health(pollers: tuple[Poller, ...], settings: RuntimeSettings, stop: asyncio.Event) -> AsyncIterator[int]:
    async with health.served(
        host=settings.health_host,
        port=settings.health_port,
        live=lambda: _live(pollers, settings),
        readiness=lambda: _ready(pollers, stop),
        counts=metrics.text,
    ) as port:
        yield port
