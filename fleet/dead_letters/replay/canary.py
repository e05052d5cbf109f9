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
    """A step's verdict, which of its letters came back, and which are known to be done."""

    verdict: Verdict
    returned: frozenset[str] = frozenset()
    done: frozenset[str] = frozenset()


Look = Callable[[frozenset[str]], Awaitable[Sight]]


async def watch(
    ids: frozenset[str],
    look: Look,
    *,
    seconds: float,
    settle: float,
    to_the_end: bool = False,
    cancelled: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Seen:
    """Bad as soon as one is back; `to_the_end`: as soon as all are done or back, so that every one that came back is counted.
    Good when all are done, or when the destinations stayed empty for `settle` seconds and none came back. None of it within
    `seconds`: no verdict.
    """
    deadline, quiet_since = clock() + seconds, None
    back: frozenset[str] = frozenset()
    while True:
        sight = await look(ids)
        now, back = clock(), back | (sight.returned & ids)
        if back and not to_the_end:
            return Seen("bad", back, sight.done)
        quiet_since = (quiet_since if quiet_since is not None else now) if sight.quiet else None
        if ids <= sight.done | back or (quiet_since is not None and now - quiet_since >= settle):
            return Seen("bad" if back else "good", back, sight.done)
        if now >= deadline or cancelled():
            return Seen("bad" if back else "none", back, sight.done)
        await sleep(min(LOOK_EVERY, max(deadline - now, 0.05), max(settle / 2, 0.05)))
