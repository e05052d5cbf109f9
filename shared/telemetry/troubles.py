"""Which calls that settle a queue's messages fail now, and which handlers outlive their time limit: for one warning in each period
of failures, and for the health checks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from types import FrameType
from typing import Any

import structlog

log = structlog.get_logger()

LASTS = 3
"""Calls of one kind in a row of which nothing was carried out, at which that is more than a hiccup."""
QUIET, QUIET_BURIALS = 60.0, 3_600.0
"""Seconds without another failure after which a kind of call counts as mended, though nobody has shown it: no call of it may come for
days. What cannot be buried is hidden for up to an hour.
"""
OVERDUE = 10.0
"""Seconds after its cut at which a handler is said not to end."""


@dataclass(slots=True)
class _Period:
    codes: tuple[str, ...]
    failed_at: float
    in_vain: int = 0


class Troubles:
    """Of one queue. Kinds of calls are named by what they do: `delete`, `release`, `extend`, `bury`."""

    def __init__(self, queue: str) -> None:
        self._queue = queue
        self._periods: dict[str, _Period] = {}
        self._cut: dict[object, float] = {}

    def failed(self, kind: str, codes: Iterable[str], *, whole: bool = True) -> bool:
        """Something of a call was refused, `whole`: all of it. True where that is news: the first time, or another code."""
        found, now = tuple(sorted({*codes})), asyncio.get_running_loop().time()
        period = self._lasting.get(kind)
        is_news = period is None or not {*found} <= {*period.codes}
        if period is None:
            period = self._periods[kind] = _Period(found, now)
        elif is_news:
            period.codes = tuple(sorted({*period.codes, *found}))
        period.failed_at = now
        period.in_vain = period.in_vain + 1 if whole else 0
        return is_news

    def succeeded(self, kind: str) -> None:
        """All of a call was carried out."""
        if self._periods.pop(kind, None) is not None:
            log.info("settlement_back", kind=kind, queue=self._queue)

    def lasts(self, kind: str) -> bool:
        """Whether calls of this kind fail now: one has, and none has succeeded since."""
        return kind in self._lasting

    def cut(self, run: object, task: asyncio.Task[object]) -> None:
        """A run of a handler was cut at its time limit; where it does not end, one line says so."""
        loop = asyncio.get_running_loop()
        self._cut[run] = loop.time()
        loop.call_later(OVERDUE, self._look, run, task)

    def ended(self, run: object) -> None:
        """A run that was cut has ended all the same."""
        self._cut.pop(run, None)

    def _look(self, run: object, task: asyncio.Task[object]) -> None:
        if run in self._cut:
            log.error("handler_overdue", queue=self._queue, after_s=OVERDUE, place=place_of(task))

    @property
    def overdue(self) -> int:
        """Handlers that were cut a while ago and still hold their slot."""
        if not self._cut:
            return 0
        since = asyncio.get_running_loop().time() - OVERDUE
        return sum(at <= since for at in self._cut.values())

    @property
    def _lasting(self) -> dict[str, _Period]:
        now = asyncio.get_running_loop().time()
        quiet = {"bury": QUIET_BURIALS}
        return {
            kind: period for kind, period in self._periods.items() if now - period.failed_at < quiet.get(kind, QUIET)
        }

    @property
    def reports(self) -> list[str]:
        """Of each kind of which nothing is carried out: the queue, the kind, and the codes; how many handlers do not end."""
        failing = [
            f"{self._queue}: no {kind} succeeds ({', '.join(period.codes)})"
            for kind, period in self._lasting.items()
            if period.in_vain >= LASTS
        ]
        return [
            *failing,
            *([f"{self._queue}: {self.overdue} handlers outlive their time limit"] if self.overdue else []),
        ]


def place_of(task: asyncio.Task[Any]) -> str:
    """Where its innermost coroutine waits, as module:function:line; asyncio's own, which says nothing of whose wait it is, left out."""
    waits: object = task.get_coro()
    place = ""
    while waits is not None:
        frame = getattr(waits, "cr_frame", None)
        if frame is not None and not (place and _is_asyncios(frame)):
            place = f"{frame.f_globals.get('__name__')}:{frame.f_code.co_name}:{frame.f_lineno}"
        waits = getattr(waits, "cr_await", None)
    return place


def _is_asyncios(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).startswith("asyncio.")
