"""An event loop whose clock jumps to the next timer: hours of leases and polls pass in milliseconds, and none by luck."""

import asyncio
import selectors
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

Result = TypeVar("Result")


class Stuck(Exception):
    """Nothing is ready and no timer is set: in real time this would wait for ever."""


class _Jumping(selectors.DefaultSelector):
    """Answers at once, and moves the clock by as long as it was asked to wait."""

    loop: "VirtualTimeLoop"

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise Stuck
            self.loop.passed += timeout
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """For code without real I/O: its `time()` starts at 1,000 seconds and passes only while everybody waits."""

    BEGAN = 1_000.0

    def __init__(self) -> None:
        selector = _Jumping()
        selector.loop = self
        self.passed = self.BEGAN
        super().__init__(selector)

    def time(self) -> float:
        return self.passed

    def call_exception_handler(self, context: Mapping[str, Any]) -> None:
        raise AssertionError(f"unhandled in the loop: {context}")


def clock() -> float:
    """The clock of the running loop, to be handed to what asks for time.monotonic."""
    return asyncio.get_running_loop().time()


def virtual(test: Coroutine[Any, Any, Result]) -> Result:
    """Run a test's coroutine in virtual time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(test)
