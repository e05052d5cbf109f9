"""Virtual time in which one process can stand still while the others go on, and in which everything is in a fixed order."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import Context, ContextVar, copy_context
from typing import Any

from tests.virtual_time import Stuck, VirtualTimeLoop

EPOCH = 1_800_000_000.0
"""Epoch seconds at which the loop's clock would have been 0."""


class Process:
    """One simulated process: its tasks run only while it does not stand still. `skew` is what its wall clock is off by,
    in seconds; its monotonic clock goes on while it is frozen, as Linux's does.
    """

    def __init__(self, name: str, loop: "SimulatedLoop") -> None:
        self.name = name
        self.skew = 0.0
        self.still_since: float | None = None
        self.stood_still: list[tuple[float, float]] = []
        self.hang_ups: dict[Callable[[], None], None] = {}
        self.stopped_at: float | None = None
        self._loop = loop
        self._answers: list[asyncio.Handle] = []
        self._timers: list[asyncio.Handle] = []

    @property
    def is_still(self) -> bool:
        return self.still_since is not None

    def monotonic(self) -> float:
        return self._loop.time()

    def wall(self) -> float:
        """Epoch seconds, as this process believes them to be."""
        return EPOCH + self._loop.time() + self.skew

    def freeze(self) -> None:
        """As SIGSTOP does; also kill -9 begins with it, and then nothing follows."""
        self.still_since = self._loop.time()

    def thaw(self, *, timers_first: bool) -> None:
        """As SIGCONT does: timers that came due meanwhile may be seen before or after the answers that lie there."""
        assert self.still_since is not None
        self.stood_still.append((self.still_since, self._loop.time()))
        self.still_since = None
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


class _Timer:
    """What a process's timer calls: nothing while the process stands still."""

    __slots__ = ("callback", "handle", "process")

    def __init__(self, process: Process, callback: Callable[..., object]) -> None:
        self.process = process
        self.callback = callback
        self.handle: asyncio.TimerHandle | None = None

    def __call__(self, *arguments: Any) -> None:
        assert self.handle is not None
        if self.process.is_still:
            self.process.keep_timer(self.handle)
            return
        self.handle = None
        self.callback(*arguments)


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
    """A virtual loop that knows whose code each callback is."""

    def __init__(self) -> None:
        super().__init__()
        self._selector.select = self._jump  # type: ignore[attr-defined]  # nothing here has a socket: asking the kernel costs a tenth
        self.set_default_executor(_AtOnce(max_workers=1))
        self.set_task_factory(_task)
        self.outside = Context()
        self.is_over = False

    def _jump(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise Stuck
        self.passed += timeout
        return []

    def _write_to_self(self) -> None:
        """Nobody waits in a system call who had to be woken."""

    def call_soon(  # type: ignore[override]  # without typeshed's variadic generics
        self, callback: Callable[..., object], *arguments: Any, context: Context | None = None
    ) -> asyncio.Handle:
        process = PROCESS.get() if context is None else context.get(PROCESS)
        if process is not None and process.is_still:
            handle = asyncio.Handle(callback, arguments, self, context or copy_context())
            process.keep_answer(handle)
            return handle
        return super().call_soon(callback, *arguments, context=context)

    def call_at(  # type: ignore[override]  # as above
        self, when: float, callback: Callable[..., object], *arguments: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        process = PROCESS.get() if context is None else context.get(PROCESS)
        if process is None:
            return super().call_at(when, callback, *arguments, context=context)
        timer = _Timer(process, callback)
        timer.handle = super().call_at(when, timer, *arguments, context=context)
        return timer.handle

    def call_exception_handler(self, context: Mapping[str, Any]) -> None:
        if not self.is_over:  # what was killed long ago may end as it likes
            super().call_exception_handler(context)

    def run_soon(self, handles: list[asyncio.Handle]) -> None:
        """Run these next, without those that have been cancelled."""
        self._ready.extend(handles)  # type: ignore[attr-defined]  # asyncio's own line of handles

    def later_outside(self, seconds: float, callback: Callable[..., object], *arguments: Any) -> asyncio.TimerHandle:
        """Call back in the world outside, whoever asks: it goes on while a process stands still."""
        return self.call_at(self.time() + seconds, callback, *arguments, context=self.outside)

    def begin(self, process: Process, main: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start a process."""
        context = Context()
        context.run(PROCESS.set, process)
        return self.create_task(main, context=context)


def _task(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
    return _NumberedTask(coro, loop=loop, **options)
