"""A Lambda function that answers calls, beside those that read queues: one event loop and one client per sandbox, the same settings and log."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Generic, TypeVar

import structlog

from shared.configuration.stored import read_environment
from shared.settings import RuntimeSettings, read_settings
from shared.telemetry import logging

log = structlog.get_logger()

Client = TypeVar("Client")
Event = Mapping[str, Any]
Open = Callable[[Mapping[str, str]], AbstractAsyncContextManager[Client]]
Route = Callable[[Event, Client], Awaitable[dict[str, Any]]]


def make_function(opens: Open[Client], route: Route[Client]) -> Callable[[object, object], dict[str, Any]]:
    """A Lambda handler for one kind of call: `route` is given the event and what `opens` opened from the environment.

    Nothing is opened and no environment is read before the first invocation.
    """
    sandbox = CallSandbox(opens, route)
    return lambda event, _context: sandbox.invoke(event)


class CallSandbox(Generic[Client]):
    """One Lambda sandbox: a loop and a client that live from the first invocation to the last."""

    def __init__(self, opens: Open[Client], route: Route[Client], environment: Mapping[str, str] | None = None) -> None:
        self._opens = opens
        self._route = route
        self._environment = environment
        self._runner: asyncio.Runner | None = None
        self._client: Client | None = None
        self._stack = AsyncExitStack()

    def invoke(self, event: object) -> dict[str, Any]:
        """The answer. What fails is logged by its kind and raised: whoever called is told no more than that. Raises TypeError where
        the event is no JSON object.
        """
        if not isinstance(event, Mapping):
            raise TypeError("event is no JSON object: this function answers calls of API Gateway")
        if self._runner is None:
            self._runner = asyncio.Runner()
        return self._runner.get_loop().run_until_complete(self._answer(event))

    def close(self) -> None:
        """Close the client and the loop; Lambda itself never does, tests do."""
        if self._runner is not None:
            self._runner.run(self._stack.aclose())
            self._runner.close()

    async def _answer(self, event: Event) -> dict[str, Any]:
        try:
            if self._client is None:
                self._client = await self._open()
            return await self._route(event, self._client)
        except Exception as error:
            name = getattr(self._route, "__name__", "")
            log.error("call_failed", route=name, error_type=type(error).__name__)  # noqa: TRY400  # a traceback may quote a secret
            raise

    async def _open(self) -> Client:
        environment = await read_environment(os.environ if self._environment is None else self._environment)
        logging.configure(read_settings(RuntimeSettings, environment).log_level)
        return await self._stack.enter_async_context(self._opens(environment))
