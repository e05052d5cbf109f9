"""Virtual time in which one process can stand still while the others go on, and in which everything is in a fixed order."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import Context, ContextVar, copy_context
from heapq import heappop, heappush
from typing import Any, Protocol

from tests.virtual_time import Stuck, VirtualTimeLoop

EPOCH = 1_800_000_000.0
"""Epoch seconds at which the loop's clock would have been 0."""


class HangsUp(Protocol):
    """A request that is open."""

    def hang_up(self) -> None: ...


class Process:
    """One simulated process: its tasks run only while it does not stand still. `skew` is what its wall clock is off by,
    in seconds; its monotonic clock goes on while it is frozen, as Linux's does.
    """

    def __init__(self, name: str, loop: "SimulatedLoop") -> None:
        self.name = name
        self.skew = 0.0
        self.still_since: float | None = None
        self.is_still = False
        self.stood_still: list[tuple[float, float]] = []
        self.exchanges: dict[HangsUp, None] = {}
        self.stopped_at: float | None = None
        self._loop = loop
        self._answers: list[asyncio.Handle] = []
        self._timers: list[asyncio.Handle] = []

    def monotonic(self) -> float:
        return self._loop.passed

    def wall(self) -> float:
        """Epoch seconds, as this process believes them to be."""
        return EPOCH + self._loop.time() + self.skew

    def freeze(self) -> None:
        """As SIGSTOP does; also kill -9 begins with it, and then nothing follows."""
        self.still_since = self._loop.time()
        self.is_still = True

    def thaw(self, *, timers_first: bool) -> None:
        """As SIGCONT does: timers that came due meanwhile may be seen before or after the answers that lie there."""
        assert self.still_since is not None
        self.stood_still.append((self.still_since, self._loop.time()))
        self.still_since = None
        self.is_still = False
        late = self._timers + self._answers if timers_first else self._answers + self._timers
        self._timers, self._answers = [], []
        self._loop.run_soon(late)

    def stood_still_within(self, begin: float, end: float) -> bool:
        now = [] if self.still_since is None else [(self.still_since, end)]
        return any(start < end and begin < over for start, over in self.stood_still + now)

    def keep_answer(self, handle: asyncio.Handle) -> None:
        self._answers.append(handle)

    def keep_timer(self, handle: asyncio.Handle) -> None:
        self._timers.append(handle)


PROCESS: ContextVar[Process | None] = ContextVar("PROCESS", default=None)
"""The process whose code runs; None for the world outside."""


class _Handle(asyncio.TimerHandle):
    """A callback that is due, now or at a time. Those of the loop's own classes cost twice as much, and a run is made of little else."""

    __slots__ = ("process",)

    def __init__(  # as the loop's own, without what only its debugging and its own heap of timers ask for
        self, callback: Callable[..., object], arguments: tuple[Any, ...], loop: "SimulatedLoop", context: Context
    ) -> None:
        self._callback = callback
        self._args = arguments
        self._loop = loop
        self._context = context
        self._cancelled = self._scheduled = False
        self._repr = self._source_traceback = None
        self._when = 0.0
        self.process: Process | None = None
        """Of a timer: whose it is. It does not come due while its process stands still."""

    def cancel(self) -> None:
        self._cancelled = True
        self._callback, self._args = _nothing, ()  # what they hold may go


def _nothing() -> None:
    """Of a handle that was cancelled."""


class _NumberedTask(asyncio.Task[Any]):
    """Sets of tasks are walked in the order of their hashes: those must not be addresses in memory."""

    numbers = itertools.count()

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.number = next(self.numbers)
        super().__init__(*arguments, **options)

    def __hash__(self) -> int:
        return self.number


class _AtOnce(ThreadPoolExecutor):
    """Threads would run in real time: what is given to one is done at once."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(function(*arguments, **options))
        except BaseException as error:  # noqa: BLE001 - as a thread hands over whatever was raised
            done.set_exception(error)
        return done


class SimulatedLoop(VirtualTimeLoop):
    """A virtual loop that knows whose code each callback is. It has no sockets and no threads, so it never asks the kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.set_default_executor(_AtOnce(max_workers=1))
        self.set_task_factory(_task)
        self.outside = Context()
        self.is_over = False
        self._due: list[tuple[float, int, _Handle]] = []
        self._order = itertools.count()

    def _run_once(self) -> None:
        """All turns of the loop, until it is told to stop: call what is due; if nothing is, go on to the next timer."""
        ready, due = self._ready, self._due  # type: ignore[attr-defined]  # asyncio's own line of handles
        while not self._stopping:  # type: ignore[attr-defined]  # set by stop()
            if ready:
                handle = ready.popleft()
            elif due:
                when, _, handle = heappop(due)
                if when > self.passed and not handle._cancelled:
                    self.passed = when
            else:
                raise Stuck
            if handle._cancelled:
                continue
            if (process := handle.process) is not None and process.is_still:
                process.keep_timer(handle)
                continue
            try:
                handle._context.run(handle._callback, *handle._args)
            except Exception as error:  # noqa: BLE001 - as asyncio does: the loop goes on
                self.call_exception_handler({"message": "in a callback", "exception": error, "handle": handle})

    def call_soon(  # type: ignore[override]  # without typeshed's variadic generics
        self, callback: Callable[..., object], *arguments: Any, context: Context | None = None
    ) -> asyncio.Handle:
        if context is None:
            context = copy_context()
        handle = _Handle(callback, arguments, self, context)
        process = context.get(PROCESS)
        if process is not None and process.is_still:
            process.keep_answer(handle)
        else:
            self._ready.append(handle)  # type: ignore[attr-defined]  # as above
        return handle

    def call_soon_threadsafe(  # type: ignore[override]  # as above
        self, callback: Callable[..., object], *arguments: Any, context: Context | None = None
    ) -> asyncio.Handle:
        return self.call_soon(callback, *arguments, context=context)

    def call_at(  # type: ignore[override]  # as above
        self, when: float, callback: Callable[..., object], *arguments: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        if context is None:
            context = copy_context()
        timer = _Handle(callback, arguments, self, context)
        timer.process = context.get(PROCESS)
        return self._at(when, timer)

    def _at(self, when: float, timer: _Handle) -> _Handle:
        timer._when = when
        heappush(self._due, (when, next(self._order), timer))
        return timer

    def call_later(  # type: ignore[override]  # as above
        self, delay: float, callback: Callable[..., object], *arguments: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.passed + delay, callback, *arguments, context=context)

    async def shutdown_default_executor(self, *_timeout: Any) -> None:
        """Nothing is left in it: it does its work at once."""

    def call_exception_handler(self, context: Mapping[str, Any]) -> None:
        if not self.is_over:  # what was killed long ago may end as it likes
            super().call_exception_handler(context)

    def run_soon(self, handles: list[asyncio.Handle]) -> None:
        """Run these next, without those that have been cancelled."""
        self._ready.extend(handles)  # type: ignore[attr-defined]  # asyncio's own line of handles

    def later_outside(self, seconds: float, callback: Callable[..., object], *arguments: Any) -> asyncio.TimerHandle:
        """Call back in the world outside, whoever asks: it goes on while a process stands still."""
        return self._at(self.passed + seconds, _Handle(callback, arguments, self, self.outside))

    def begin(self, process: Process, main: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start a process."""
        context = Context()
        context.run(PROCESS.set, process)
        return self.create_task(main, context=context)


def _task(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
    return _NumberedTask(coro, loop=loop, **options)
