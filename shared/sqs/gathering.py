"""What many ask for at the same time, gathered into few calls, each with its own answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

LINGER = 0.01
"""Seconds for which something waits for others, at most, and only while an earlier call is open."""

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


@dataclass(slots=True)
class _Waiting(Generic[Asked, Answer]):
    asked: Asked
    answered: asyncio.Future[Answer]


class Gathering(Generic[Asked, Answer]):
    """Makes one kind of call for many.

    What comes while no call is open is sent at once. What comes meanwhile is gathered: `entries` and `size` (bytes) at
    most in a call, for 10 ms. `call` answers for each in order, with an exception for what is to raise; where it raises,
    all raise that, or are asked for one by one where `may_be_one` says that one of them may be the cause.
    """

    def __init__(
        self,
        call: Callable[[Sequence[Asked]], Awaitable[Sequence[Answer | Exception]]],
        *,
        entries: int,
        size: int,
        may_be_one: Callable[[Exception], bool],
    ) -> None:
        self._call = call
        self._entries = entries
        self._size = size
        self._may_be_one = may_be_one
        self._waiting: list[_Waiting[Asked, Answer]] = []
        self._left = (entries, size)
        self._open: set[asyncio.Task[Any] | None] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def ask(self, asked: Asked, *, size: int, entries: int = 1) -> Answer:
        """The answer to this part of a call, which is so many entries and bytes of it."""
        waiting: _Waiting[Asked, Answer] = _Waiting(asked, asyncio.get_running_loop().create_future())
        if entries > self._left[0] or size > self._left[1]:
            self._send()
        self._waiting.append(waiting)
        self._left = (self._left[0] - entries, self._left[1] - size)
        if self._left[0] <= 0 or not self._open:
            self._send()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LINGER, self._send)
        return await waiting.answered

    def _send(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch = [each for each in self._waiting if not each.answered.done()]  # whoever asked may have been cancelled
        self._waiting, self._left = [], (self._entries, self._size)
        if batch:
            task = asyncio.create_task(self._carry_out(batch))
            self._open.add(task)
            task.add_done_callback(self._open.discard)

    async def _carry_out(self, batch: Sequence[_Waiting[Asked, Answer]]) -> None:
        try:
            answers = await self._call([each.asked for each in batch])
        except Exception as error:  # noqa: BLE001  # it is raised to whoever waits
            if len(batch) > 1 and self._may_be_one(error):
                await asyncio.gather(*(self._carry_out([each]) for each in batch))
                return
            answers = [error] * len(batch)
        except BaseException:
            for each in batch:
                each.answered.cancel()
            raise
        self._open.discard(asyncio.current_task())  # before they hear it: what they ask for next waits for nobody
        for each, answer in zip(batch, answers, strict=True):
            if each.answered.done():
                continue  # whoever asked was cancelled
            if isinstance(answer, Exception):
                each.answered.set_exception(answer)
            else:
                each.answered.set_result(answer)
