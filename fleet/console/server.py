"""The console on its address: routes, what a fault looks like, and one process that serves until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any, cast

from aiohttp import web
from botocore.exceptions import BotoCoreError, ClientError

from fleet.console import acts, guard, looks, pages
from fleet.console.commands import NoArgument
from fleet.console.guard import Handler
from fleet.console.plans import NoPlan
from fleet.console.running import depths, stories, workers
from fleet.console.state import CONSOLE, Console
from fleet.dead_letters.model.plan.plan import PlanRefused
from fleet.dead_letters.queues.catalog import NoSuchQueue, NotDeadLetters, OddAttributes, OtherPlace
from fleet.dead_letters.queues.own_policy import OwnPolicy
from fleet.dead_letters.replay.journal import JournalUnreadable

HOST = "127.0.0.1"
MISSING, FORBIDDEN = (
    (NoPlan, NoSuchQueue),
    (JournalUnreadable, NotDeadLetters, OddAttributes, OtherPlace, OwnPolicy, PlanRefused),
)
STATIC = {"console.css": "text/css", "console.js": "text/javascript", "icon.svg": "image/svg+xml"}

ROUTES = (
    web.get("/", looks.overview),
    web.post("/read", acts.read_all),
    web.get("/queues/{queue}", looks.queue),
    web.post("/queues/{queue}/read", acts.read),
    web.get("/queues/{queue}/letters", looks.letters),
    web.get("/queues/{queue}/letters/{letter}", looks.letter),
    web.post("/queues/{queue}/letters/{letter}/reveal", acts.reveal),
    web.post("/queues/{queue}/letters/{letter}/edit", acts.check_edit),
    web.post("/queues/{queue}/letters/{letter}/edit/send", acts.edit),
    web.get("/queues/{queue}/plan", looks.plan_form),
    web.post("/queues/{queue}/plan", acts.make_plan),
    web.get("/plans", looks.plans),
    web.get("/plans/{plan}", looks.plan),
    web.get("/plans/{plan}/file", looks.plan_file),
    web.get("/plans/{plan}/confirm", looks.confirm),
    web.post("/plans/{plan}/check", acts.check),
    web.post("/plans/{plan}/{act:replay|resume}", acts.carry_out),
    web.post("/plans/{plan}/cancel", acts.cancel),
    web.get("/audit", looks.audit),
    web.get("/workers", workers.look),
    web.post("/workers/{worker}", workers.order),
    web.get("/find", stories.find),
    web.get("/sessions/{id}", stories.session),
    web.get("/reminders/{tenant}/{id}", stories.reminder),
    web.get("/webhooks/{tenant}/{endpoint}", stories.endpoint),
    web.get("/webhooks/{tenant}/{endpoint}/{id}", stories.delivery),
    web.post("/webhooks/{tenant}/{endpoint}/{id}/resend", stories.resend),
    web.get("/archive/{id}", stories.archived),
    web.post("/archive/{id}", stories.prove),
)


def application(console: Console) -> web.Application:
    """All pages behind one door."""
    made = web.Application(middlewares=[faults, console.door.guarded], client_max_size=guard.LONGEST_BODY)
    made[CONSOLE] = console
    made.on_response_prepare.append(guard.sealed)
    made.add_routes(ROUTES)
    made.add_routes([web.get(f"/static/{name}", _static(name, kind)) for name, kind in STATIC.items()])
    return made


@asynccontextmanager
async def served(make: Callable[[str], Console], port: int) -> AsyncIterator[Console]:
    """Listen on 127.0.0.1; `make` gets the address. Port 0 takes a free one. Raises OSError where the port is taken."""
    with socket.create_server((HOST, port)) as listening:
        console = make(f"{HOST}:{listening.getsockname()[1]}")
        runner = web.AppRunner(application(console), access_log=None, handle_signals=False)
        await runner.setup()
        counting = asyncio.create_task(depths.keep(console.depths, console.inventories))
        serving = await asyncio.get_running_loop().create_server(
            lambda: _connection(runner, console.door.lobby), sock=listening
        )
        try:
            yield console
        finally:
            serving.close()
            counting.cancel("the console ends")
            await asyncio.wait([counting])
            await console.inventories.close()
            await runner.cleanup()


async def serve(make: Callable[[str], Console], port: int, tell: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; `tell` gets the address to open, once."""
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with served(make, port) as console:
        tell(console.door.url)
        await ended.wait()


class _Connection(web.RequestHandler):
    """One that waits in the lobby, and seals also what is answered before the application is asked, to what is not HTTP, and after it
    failed.
    """

    __slots__ = ("_came", "_lobby")

    def __init__(self, server: web.Server, lobby: guard.Lobby) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), access_log=None)  # type: ignore[arg-type]  # None is none
        self._lobby = lobby

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._came = cast("asyncio.Transport", transport)
        self._lobby.come(self._came)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._lobby.leave(self._came)
        super().connection_lost(exc)

    def handle_error(self, request: web.BaseRequest, *about: Any, **more: Any) -> web.StreamResponse:
        answer = super().handle_error(request, *about, **more)
        guard.seal(request, answer)
        return answer


def _connection(runner: web.AppRunner, lobby: guard.Lobby) -> _Connection:
    server = runner.server
    assert server is not None, "the runner was set up"
    return _Connection(server, lobby)


@web.middleware
async def faults(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn what may be expected into a page with its words; who was not let in gets no page of this console."""
    try:
        return await handler(request)
    except web.HTTPRedirection:
        raise
    except web.HTTPException as error:
        if not request.get(guard.LET_IN):
            return _bare(error)
        return _fault(request, error.status, error.text or error.reason)
    except (NoArgument, *MISSING, *FORBIDDEN, ClientError, BotoCoreError, OSError) as error:
        return _fault(request, *_said(error))


def _said(error: Exception) -> tuple[int, str]:
    """The status and the words of a fault."""
    match error:
        case NoArgument():
            return 400, str(error)
        case ClientError():
            return 502, f"AWS refused: {error}"
        case BotoCoreError():
            return 502, f"AWS cannot be asked: {error}"
        case OSError():
            return 500, f"{error.filename or 'the disk'}: {error.strerror or error}"
        case _:
            return (404 if isinstance(error, MISSING) else 409), str(error)


def _fault(request: web.Request, status: int, words: str) -> web.Response:
    return pages.page(request, "fault.html", status=status, status_code=status, words=words)


def _bare(error: web.HTTPException) -> web.Response:
    if error.status != web.HTTPUnauthorized.status_code:
        return web.Response(text=error.text, status=error.status)
    words = (
        '<!doctype html><html lang="en"><title>Not open</title><main><h1>Not open</h1><p>The console opens by the address that it '
        'printed when it was started, once. Where that was done in this browser, and a link led here: <a href="">open this page</a>.'
        "</p></main></html>"
    )
    return web.Response(text=words, status=error.status, content_type="text/html")


def _static(name: str, kind: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=(files("fleet.console") / "static" / name).read_bytes(), content_type=kind)

    return answer
