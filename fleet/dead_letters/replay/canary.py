"""What became of the letters of a step: done, back in the dead-letter queue, or nobody can say."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fleet.dead_letters.replay.journal import Verdict

LOOK_EVERY = 1.0


@dataclass(frozen=True, slots=True)
class Sight:
    """One look after a step. `done`: plan ids whose worker wrote down that it finished; `returned`: ids that are back;
    `quiet`: nothing is left in any destination, neither visible nor in flight nor delayed.
    """

    done: frozenset[str] = frozenset()
    returned: frozenset[str] = frozenset()
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """A step's verdict, and which of its letters came back."""

    verdict: Verdict
    returned: frozenset[str] = frozenset()


Look = Callable[[frozenset[str]], Awaitable[Sight]]


async def watch(
    ids: frozenset[str],
    look: Look,
    *,
    seconds: float,
    settle: float,
    cancelled: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Seen:
    """Bad as soon as one is back. Good when all are done, or when the destinations stayed empty for `settle` seconds
    and none came back. None of it within `seconds`: no verdict.
    """
    deadline, quiet_since = clock() + seconds, None
    while True:
        sight = await look(ids)
        now = clock()
        if back := sight.returned & ids:
            return Seen("bad", back)
        if ids <= sight.done:
            return Seen("good")
        quiet_since = (quiet_since if quiet_since is not None else now) if sight.quiet else None
        if quiet_since is not None and now - quiet_since >= settle:
            return Seen("good")
        if now >= deadline or cancelled():
            return Seen("none")
        await sleep(min(LOOK_EVERY, max(deadline - now, 0.05), max(settle / 2, 0.05)))
