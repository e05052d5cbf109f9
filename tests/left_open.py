"""What outlives its event loop, client sessions and tasks: reported in the test that made it, not in whichever one runs
when it is collected.
"""

import asyncio
import weakref
from asyncio.base_events import BaseEventLoop
from typing import Any

import aiohttp

_sessions: "weakref.WeakSet[aiohttp.ClientSession]" = weakref.WeakSet()
_tasks: list[str] = []


def watch() -> None:
    """Remember every client session of this process from here on, for as long as it lives, and every task that was not
    ended when its loop closed.
    """
    constructor, close = aiohttp.ClientSession.__init__, BaseEventLoop.close

    def remembering(session: aiohttp.ClientSession, *arguments: Any, **options: Any) -> None:
        constructor(session, *arguments, **options)
        _sessions.add(session)

    def counting(loop: BaseEventLoop) -> None:
        if not loop.is_closed():
            _tasks.extend(repr(task) for task in asyncio.all_tasks(loop))
        close(loop)

    aiohttp.ClientSession.__init__ = remembering  # type: ignore[method-assign,assignment]  # aiohttp has no hook for it
    BaseEventLoop.close = counting  # type: ignore[method-assign,assignment]  # nor has asyncio


def left_open() -> list[str]:
    """Those that nobody can close any more, for their event loop is closed; each is reported once."""
    sessions = [session for session in _sessions if not session.closed and session._loop.is_closed()]
    _sessions.difference_update(sessions)
    found = [*map(repr, sessions), *_tasks]
    _tasks.clear()
    return found
