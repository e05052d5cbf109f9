"""One container: a worker's pollers, its health, and the signals that end it."""

from __future__ import annotations

import asyncio
import gc
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import structlog

from shared.app import App
from shared.clients import Clients
from shared.consumer import Pace, join, open_stores
from shared.container import controls, health
from shared.container.poller import Poller
from shared.settings import RuntimeSettings, read_settings
from shared.telemetry import logging, metrics, tracing

log = structlog.get_logger()

LAST_WORD = 2.0
"""Seconds for telling the collector what is left; a dead one does not keep the container from ending."""


async def run(app: App, environment: Mapping[str, str]) -> None:
    """Consume until SIGTERM or SIGINT, then drain and return. Raises SettingsError before anything is received.

    A second signal changes nothing: the drain has its budget and ends by itself.
    """
    settings = read_settings(RuntimeSettings, environment)
    logging.configure(settings.log_level)
    tracing.configure(environment, service=app.name)
    metrics.configure(environment, service=app.name)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with (
        Clients(environment) as clients,
        _pollers(app, environment, settings, clients) as pollers,
        _health(pollers, settings, stop) as port,
        _orders(app, environment, clients, pollers),
        asyncio.TaskGroup() as group,
    ):
        gc.collect()
        gc.freeze()  # what start-up has made stays: no later collection walks through it again, 7 % of a message's CPU
        log.info("worker_started", worker=app.name, queues=app.queues, health_port=port)
        for poller in pollers:
            group.create_task(poller.run(stop))
    tracing.flush(seconds=LAST_WORD)
    metrics.flush(seconds=LAST_WORD)
    log.info("worker_stopped", worker=app.name)


@asynccontextmanager
async def _pollers(
    app: App, environment: Mapping[str, str], settings: RuntimeSettings, clients: Clients
) -> AsyncIterator[tuple[Poller, ...]]:
    async with app.open_workers(environment, clients) as workers:
        pace = Pace.of(settings)
        yield tuple([Poller(join(each, await open_stores(each, clients), pace=pace)) for each in workers])


@asynccontextmanager
async def _orders(
    app: App, environment: Mapping[str, str], clients: Clients, pollers: tuple[Poller, ...]
) -> AsyncIterator[None]:
    """Obey `fleet pause`, `resume` and `limit`, where LEDGER_TABLE_NAME says where orders are kept."""
    if not environment.get("LEDGER_TABLE_NAME"):
        yield
        return
    orders = await controls.opened(clients)
    obeying = asyncio.create_task(controls.obey(app.name, pollers, orders.read))
    try:
        yield
    finally:
        obeying.cancel()


@asynccontextmanager
async def _health(pollers: tuple[Poller, ...], settings: RuntimeSettings, stop: asyncio.Event) -> AsyncIterator[int]:
    async with health.served(
        host=settings.health_host,
        port=settings.health_port,
        live=lambda: health.alive(pollers, now=time.monotonic(), after=settings.watchdog_seconds),
        readiness=lambda: health.ready(pollers, draining=stop.is_set()),
    ) as port:
        yield port
