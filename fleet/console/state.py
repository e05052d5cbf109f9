"""What every page of one console shares."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from fleet.console.commands import Commands, Said
from fleet.console.forms import Forms
from fleet.console.guard import Door
from fleet.console.inventories import Inventories
from fleet.console.plans import Kept, Plans
from fleet.console.running.depths import Depths
from fleet.dead_letters.settings import ReplaySettings

if TYPE_CHECKING:
    from jinja2 import Environment

LOOKS_AT_ONCE, MOST_LOOKS = 4, 40
"""Commands that run at once for pages that only look: a browser full of tabs takes its turns, and no order waits for them."""
READ_ONLY = "this console only looks: start it anew with --allow-writes to act"


@dataclass(frozen=True, slots=True)
class Check:
    """A dry run: what it said of the plan file with this digest, at `at` (epoch seconds)."""

    said: Said
    digest: str
    act: str
    at: float


@dataclass
class Console:
    """`place` says where its queues are: stage, region, endpoint. `now` is the wall clock in epoch seconds. By the plan's name: what dry runs (`checks`) and planning (`planned`) said, and the exit
    code to come of what was begun here (`begun`).
    """

    door: Door
    settings: ReplaySettings
    inventories: Inventories
    plans: Plans
    commands: Commands
    templates: Environment
    now: Callable[[], float]
    depths: Depths
    place: str = ""
    allow_writes: bool = False
    forms: Forms = field(default_factory=Forms)
    checks: dict[str, Check] = field(default_factory=dict)
    planned: dict[str, Said] = field(default_factory=dict)
    begun: dict[str, asyncio.Future[int]] = field(default_factory=dict)
    looking: dict[tuple[str, ...], asyncio.Task[Said]] = field(default_factory=dict)
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(LOOKS_AT_ONCE))

    def is_starting(self, kept: Kept) -> bool:
        """Whether a command was begun here that has not taken up the plan yet: nothing else may be begun."""
        begun = self.begun.get(kept.name)
        return begun is not None and not begun.done() and not kept.status["running"]


CONSOLE = web.AppKey("console", Console)


def of(request: web.Request) -> Console:
    return request.app[CONSOLE]


async def look(request: web.Request, *arguments: str) -> Said:
    """What a command says that changes nothing, when its turn has come. A page that is opened again meanwhile waits for the same command:
    its first one goes on when its tab is closed. Raises HTTPServiceUnavailable where too many wait.
    """
    console = of(request)
    if (asking := console.looking.get(arguments)) is None:
        if len(console.looking) >= MOST_LOOKS:
            raise web.HTTPServiceUnavailable(
                text=f"{MOST_LOOKS} pages wait for their commands: open this one again in a moment"
            )
        asking = console.looking[arguments] = asyncio.create_task(_asked(console, arguments))
        asking.add_done_callback(lambda _: console.looking.pop(arguments))
    return await asyncio.shield(asking)


async def _asked(console: Console, arguments: tuple[str, ...]) -> Said:
    async with console.turns:
        return await console.commands.ask(*arguments)


def document(said: Said) -> dict[str, Any]:
    """The first JSON line of a command; empty where it printed none."""
    return dict(said.documents[0]) if said.documents else {}
