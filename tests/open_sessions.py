"""Client sessions that were left open: reported in the test that made them, not in whichever one runs when they are collected."""

import weakref
from typing import Any

import aiohttp

_made: "weakref.WeakSet[aiohttp.ClientSession]" = weakref.WeakSet()


def watch() -> None:
    """Remember every client session of this process from here on, for as long as it lives."""
    constructor = aiohttp.ClientSession.__init__

    def remembering(session: aiohttp.ClientSession, *arguments: Any, **options: Any) -> None:
        constructor(session, *arguments, **options)
        _made.add(session)

    aiohttp.ClientSession.__init__ = remembering  # type: ignore[method-assign,assignment]  # aiohttp has no hook for it


def left_open() -> list[aiohttp.ClientSession]:
    """Those that nobody can close any more, for their event loop is closed; each is reported once."""
    found = [session for session in _made if not session.closed and session._loop.is_closed()]
    _made.difference_update(found)
    return found
