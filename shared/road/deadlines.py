"""One time limit for many tasks, watched by one timer: the limits are equal, so whoever began first ends first."""

from __future__ import annotations

import asyncio
from types import TracebackType


class Deadlines:
    """Cuts blocks that take longer than `seconds`: `with deadlines.one():` does what `async with asyncio.timeout(seconds)`
    does, without a timer for each message. One instance for one loop.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._running: dict[Deadline, None] = {}  # in the order of their ends
        self._timer: asyncio.TimerHandle | None = None

    def one(self) -> Deadline:
        """A limit for the current task, from the moment it is entered."""
        return Deadline(self)

    def begin(self, deadline: Deadline) -> None:
        loop = asyncio.get_running_loop()
        deadline.ends = loop.time() + self._seconds
        self._running[deadline] = None
        if self._timer is None:
            self._timer = loop.call_at(deadline.ends, self._look)

    def end(self, deadline: Deadline) -> None:
        self._running.pop(deadline, None)

    def _look(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        for deadline in [*self._running]:
            if deadline.ends > now:
                self._timer = loop.call_at(deadline.ends, self._look)
                return
            del self._running[deadline]
            deadline.cut()


class Deadline:
    """One block's limit: raises TimeoutError in its place where it was cut, and leaves others' cancellations alone."""

    __slots__ = ("_all", "_cancels", "_cut", "_task", "ends")

    def __init__(self, deadlines: Deadlines) -> None:
        self._all = deadlines
        self._cut = False
        self.ends = 0.0

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._cancels = task.cancelling()
        self._all.begin(self)

    def cut(self) -> None:
        self._cut = True
        self._task.cancel()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._all.end(self)
        # As asyncio.timeout does: a cancellation that was not ours stays one, also when ours came beside it.
        if self._cut and self._task.uncancel() <= self._cancels and kind is asyncio.CancelledError:
            raise TimeoutError from error
