"""/livez and /readyz of a container: whether it still polls, and whether it is ready for work; /metrics: what it counted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from aiohttp import web

from shared.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Awaitable

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


WAITING = 8
"""Connections that wait to be accepted. Without a free descriptor asyncio tries and complains as often as this, squared, each second."""


class Polls(Protocol):
    """What the health checks read from a poller; times are on the monotonic clock."""

    @property
    def queue_name(self) -> str: ...
    @property
    def active_at(self) -> float: ...
    @property
    def polled_at(self) -> float: ...
    @property
    def failure(self) -> str: ...
    @property
    def has_polled(self) -> bool: ...
    @property
    def is_stuck(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Report:
    """`faults` names each queue or dependency in trouble, and why; empty means healthy."""

    faults: tuple[str, ...]


def alive(pollers: Sequence[Polls], *, now: float, after: float) -> Report:
    """A queue is stuck if no poll of it has ended, in whatever way, for more than `after` seconds, or if no handler of it ends when it
    is cut: only a restart helps. Polls that end with an error do not count as stuck: a restart would not mend them.
    """
    stuck = [each for each in pollers if now - each.active_at > after]
    silent = [f"{each.queue_name}: no poll has ended for {now - each.active_at:.0f} s" for each in stuck]
    held = [f"{each.queue_name}: every handler outlives its time limit" for each in pollers if each.is_stuck]
    return Report((*silent, *held))


def ready(pollers: Sequence[Polls], *, draining: bool, now: float, down: Sequence[str] = ()) -> Report:
    """Ready from the first answered poll of every queue, while polls are answered and no dependency is `down` (what is told of
    each), until the drain begins.
    """
    if draining:
        return Report(("draining",))
    unpolled = [
        f"{each.queue_name}: not polled yet" + (f", polls fail ({each.failure})" if each.failure else "")
        for each in pollers
        if not each.has_polled
    ]
    failing = [
        f"{each.queue_name}: polls fail ({each.failure}), the last answer is {now - each.polled_at:.0f} s old"
        for each in pollers
        if each.has_polled and each.failure
    ]
    return Report((*unpolled, *failing, *down))


@asynccontextmanager
async def served(
    *, host: str, port: int, live: Callable[[], Report], readiness: Callable[[], Report], counts: Callable[[], str]
) -> AsyncIterator[int]:
    """Serve the three while the context is open; yields the port (a free one if `port` is 0). `counts` is Prometheus' text. Raises
    SettingsError.
    """

    async def told(_request: web.Request) -> web.Response:
        return web.Response(text=counts(), headers={"Content-Type": PROMETHEUS})

    web_app = web.Application()
    web_app.add_routes([web.get("/livez", _answer(live)), web.get("/readyz", _answer(readiness))])
    web_app.add_routes([web.get("/metrics", told)])
    runner = web.AppRunner(web_app, access_log=None)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port, backlog=WAITING).start()
        except OSError as error:
            why = f"cannot listen there ({error.strerror or type(error).__name__})"
            raise SettingsError(f"set or mend these environment variables: HEALTH_HOST, HEALTH_PORT: {why}") from error
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def _answer(ask: Callable[[], Report]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_request: web.Request) -> web.Response:
        report = ask()
        body = {"ok": not report.faults, "faults": list(report.faults)}
        return web.json_response(body, status=503 if report.faults else 200)

    return answer
