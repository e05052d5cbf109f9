"""Whether what a worker depends on, beside its queue, is available. Circuit breakers: one for each dependency of a process.

A message that meets a dependency which is down is not at fault. It waits in hand, with its lease kept, until the dependency
answers again, and nothing of that counts as one of its runs. While a breaker is open nothing new is taken in, and one message at
a time is the probe.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field

import structlog

from shared.outcome import FORBIDDEN, LONGEST_WITHOUT_KEYS, are_keys, describe_outage
from shared.telemetry import metrics

log = structlog.get_logger()

OPENS_AT = 5
"""Failed calls in a row, of all kinds or of one kind, none between them that succeeded, at which a breaker opens. A permission must have
been refused to two messages: what is refused to one alone, such as one object in S3, is its own trouble.
"""
FIRST_PROBE = 1.0
"""Seconds from the opening to the first probe; twice as long before each further one."""
LONGEST_PROBE = 30.0
"""Seconds between two probes at most: work goes on within this time when the dependency is back."""
UNANSWERED = 1.0
"""Seconds after which a call that its handler's time limit cuts is one that was not answered: usual answers take milliseconds."""
MOST_TRIES = 5
"""Runs in hand of one message while no breaker is open: what fails alone is hidden then, and takes up no slot."""
OF_ONE_OBJECT = frozenset({"s3"})
"""What refuses one thing and not another: an object whose key nobody may use."""
PROBE_OF_OBJECTS = 5.0
"""Seconds at most between two probes there; each is another message's, for what is refused is hidden."""
SHORTEST_HIDING, LONGEST_HIDING = 20.0, 900.0
"""Seconds for which a message is hidden that cannot wait in hand, by the age of the outage: hours cost few receipts."""
OFTEN, LONGEST_LATE = 50, 14_400.0
"""From so many receipts on a message is hidden longer with each, though the outage looks young to a process that began after it; up to
so many seconds: a hundred receipts last for three days.
"""
LONGEST_ALONE = 3_600.0
"""Seconds for which one is hidden that alone is refused: a hundred receipts last for days."""


class Met(dict[str, str]):
    """The dependencies that failed in one run of a handler, each with the code of its failure, on the message with this id; ""
    where it was run with others.
    """

    message: str = ""


met_in_run: ContextVar[Met | None] = ContextVar("met_in_run", default=None)
"""What the current run of a handler met; whoever begins one sets an empty one."""


@dataclass(slots=True)
class _Streak:
    """Failures in a row, and where they come from. `after`: how many calls of other kinds had been answered when it began; `beside`:
    whether some were answered between its failures; `at`: the clock of the last.
    """

    after: int = 0
    beside: bool = False
    at: float = 0.0
    code: str = ""
    failures: int = 0
    sources: set[object] = field(default_factory=set)

    def add(self, source: object, *, code: str, at: float) -> None:
        self.failures, self.code, self.at = self.failures + 1, code, at
        if len(self.sources) < 2:  # more of them say nothing more, and an outage lasts for hours
            self.sources.add(source)

    @property
    def is_long(self) -> bool:
        return self.failures >= OPENS_AT and len(self.sources) > 1


@dataclass(slots=True)
class _Breaker:
    of_objects: bool
    streak: _Streak = field(default_factory=_Streak)
    kinds: dict[str, _Streak] = field(default_factory=dict)
    """Of each kind of call that fails."""
    answered: int = 0
    """Calls that were answered while others failed."""
    probes: int = 0
    probe_at: float = 0.0
    is_tried: bool = True
    """Whether a call of it came to an end since the last probe began."""

    @property
    def may_be_one(self) -> bool:
        """Whether what is refused may be some things alone, and not all of us."""
        return self.of_objects and _is_permission(self.streak.code)

    def fail(self, call: str, source: object, *, code: str, at: float) -> bool:
        """Whether that is one failure too many."""
        self.is_tried = True
        kind = self.kinds.setdefault(call, _Streak(after=self.answered))
        kind.beside = self.answered > kind.after
        for streak in (self.streak, kind):
            streak.add(source, code=code, at=at)
        return self.streak.is_long or kind.is_long

    def succeed(self, call: str, *, since: float) -> bool:
        """Whether nothing is left that fails while this is answered, and was tried after `since`."""
        self.answered, self.is_tried = self.answered + 1, True
        self.kinds.pop(call, None)
        self.kinds = {name: kind for name, kind in self.kinds.items() if kind.at > since}
        if any(kind.code in FORBIDDEN or (kind.is_long and kind.beside) for kind in self.kinds.values()):
            return False
        self.streak = _Streak()
        return True


class Breakers:
    """The breakers of one process. Clients report the result of each call; the road asks whether to go on. `open` are the dependencies that
    are down, and the clock when each was found to be.

    `waits`: whether a message may wait in hand, as in a container; Lambda's invocation must end.
    """

    def __init__(
        self,
        *,
        waits: bool = True,
        clock: Callable[[], float] = time.monotonic,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._waits = waits
        self._clock = clock
        self._dice = dice
        self._breakers: dict[str, _Breaker] = {}
        self.open: dict[str, float] = {}
        self._changed = asyncio.Event()

    def failed(self, dependency: str, *, code: str, call: str = "") -> None:
        """A call failed for a reason that is not the request's: no answer, a server error, no permission. `call`: of which kind."""
        if (met := met_in_run.get()) is not None:
            met[dependency] = code
        breaker = self._breakers.setdefault(dependency, _Breaker(of_objects=dependency in OF_ONE_OBJECT))
        source = met.message if met is not None and met.message and _is_permission(code) else object()
        is_long = breaker.fail(call, source, code=code, at=self._clock())
        if is_long and dependency not in self.open:
            self.open[dependency], breaker.probes = self._clock(), 0
            self._schedule(breaker)
            metrics.breaker(dependency=dependency, is_open=True)
            log.error("dependency_down", dependency=dependency, error_type=code, told=describe_outage(code))

    def cut(self, dependency: str, *, after: float, call: str = "") -> None:
        """A call was cancelled that had waited for so many seconds: a handler's time limit may be shorter than a client's tries."""
        if after >= UNANSWERED:
            self.failed(dependency, code="ReadTimeoutError", call=call)

    def succeeded(self, dependency: str, *, call: str = "") -> None:
        """A call of this kind was answered. It says nothing of another kind which is not permitted, or which fails again and again
        beside it (writes to one table, say), for as long as that is tried.
        """
        breaker = self._breakers.get(dependency)
        if breaker is None or not breaker.kinds:
            return
        if not breaker.succeed(call, since=self._clock() - 2 * LONGEST_PROBE):
            return
        if dependency in self.open:
            self._close(dependency, why="answered")

    def describe(self, dependency: str) -> str:
        """Of one that is down: its name, and what its last failure says of it."""
        return f"{dependency}: {describe_outage(self._breakers[dependency].streak.code)}"

    def leave(self) -> None:
        """From now on nothing waits in hand: the process is about to end."""
        self._waits = False
        self._wake()

    async def wait(self, tries: int, needed: Iterable[str]) -> bool:
        """Wait, after the `tries`-th run in this process that met a dependency which is down, until another run is worth it. False
        where the message must not wait here and is to be hidden.
        """
        down = [name for name in self.open if name in needed]
        if not down:
            if not self._waits or tries >= MOST_TRIES:
                return False
            await self._sleep(min(LONGEST_PROBE, FIRST_PROBE * 2.0 ** (tries - 1)) * (0.5 + self._dice()))
        elif any(self._breakers[name].may_be_one for name in down):
            return False
        await self.passage(needed)
        return self._waits

    async def pause(self, seconds: float) -> bool:
        """Wait that many seconds in this process. False where nothing may wait here."""
        if self._waits:
            await self._sleep(seconds)
        return self._waits

    async def change(self, *, within: float) -> None:
        """Wait until a breaker closes or the process leaves, that many seconds at most."""
        await self._sleep(within)

    async def passage(self, needed: Iterable[str]) -> bool:
        """Return at once if all that is `needed` answers or nothing may wait; else when it does, or it is the caller's turn to probe. True for a probe."""
        while self._waits and (down := [self._breakers[name] for name in self.open if name in needed]):
            now = self._clock()
            due = [each for each in down if each.probe_at <= now]
            for each in due:
                self._schedule(each)
                each.is_tried = False
            if due:
                return True
            await self._sleep(min(each.probe_at for each in down) - now)
        return False

    def probed(self, needed: Iterable[str]) -> None:
        """A probe has ended. Of what it did not ask it says nothing: the next message is the probe then, at once; and what nobody has asked for
        a minute keeps nobody waiting, for those that did ask may be gone, and no other may ask it for hours.
        """
        for name in [name for name in self.open if name in needed]:
            breaker = self._breakers[name]
            if breaker.is_tried:
                continue
            breaker.probe_at, breaker.probes = self._clock(), max(0, breaker.probes - 1)
            if self._clock() - breaker.streak.at > 2 * LONGEST_PROBE:
                breaker.kinds, breaker.streak = {}, _Streak()
                self._close(name, why="not asked for a minute")
            self._wake()

    def hiding(self, needed: Iterable[str], *, attempt: int) -> float:
        """Seconds to hide what met a dependency which is down and cannot wait here: by the outage's age; where it may be alone, by its receipts."""
        now = self._clock()
        if down := [name for name in self.open if name in needed]:
            longest = max(SHORTEST_HIDING, max(now - self.open[name] for name in down) / 4)
            if any(self._breakers[name].may_be_one for name in down):
                longest = max(longest, SHORTEST_HIDING * 2.0 ** min(attempt - 1, 10))  # others have turns as probes
            longest = min(LONGEST_HIDING, longest)
            if attempt > OFTEN:
                longest = min(LONGEST_LATE, LONGEST_HIDING * 2.0 ** min((attempt - OFTEN) / 10, 10.0))
        else:
            longest = min(LONGEST_ALONE, SHORTEST_HIDING * 2.0 ** min(attempt - 1, 10))
        return longest * (0.5 + self._dice() / 2)

    def _schedule(self, breaker: _Breaker) -> None:
        most = LONGEST_WITHOUT_KEYS if are_keys(breaker.streak.code) else LONGEST_PROBE
        most = PROBE_OF_OBJECTS if breaker.may_be_one else most
        pause = min(most, FIRST_PROBE * 2.0 ** min(breaker.probes, 10))
        breaker.probes += 1
        breaker.probe_at = self._clock() + pause * (0.75 + self._dice() / 4)

    def _close(self, dependency: str, *, why: str) -> None:
        seconds = round(self._clock() - self.open.pop(dependency), 1)
        metrics.breaker(dependency=dependency, is_open=False)
        log.warning("dependency_back", dependency=dependency, why=why, after_s=seconds)
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(max(0.01, seconds)):
                await self._changed.wait()
        except TimeoutError:
            return


def _is_permission(code: str) -> bool:
    return (code in FORBIDDEN or code.upper().startswith("KMS")) and not are_keys(code)  # keys, whatever is asked
