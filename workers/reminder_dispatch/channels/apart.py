"""Calls of a channel whose failures are the channel's own business."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import ParamSpec, TypeVar

from opentelemetry import context

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def apart(call: Callable[Arguments, Awaitable[Result]]) -> Callable[Arguments, Awaitable[Result]]:
    """The same call in a context of its own, with the same trace.

    What fails in a message's own context is taken for something that the whole worker needs: while it is down, nothing is taken in. But a
    worker whose mail is refused still has pushes to send; its breaker for mail is `Gates`.
    """

    async def called(*args: Arguments.args, **named: Arguments.kwargs) -> Result:
        trace = context.get_current()

        async def run() -> Result:
            context.attach(trace)
            return await call(*args, **named)

        return await asyncio.create_task(run(), context=Context())

    return called
