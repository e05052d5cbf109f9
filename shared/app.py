"""A deployable worker: what the roster names, and both doors run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from shared.clients import Clients
from shared.worker import Worker

OpenWorkers = Callable[[Mapping[str, str], Clients], AbstractAsyncContextManager[tuple[Worker[Any], ...]]]
"""Given the environment and the clients, opens what the workers need, yields them, and closes it again."""


@dataclass(frozen=True, slots=True)
class App:
    """A deployable worker: its name on the command line, the logical queues it reads, and how it is put together."""

    name: str
    queues: tuple[str, ...]
    open_workers: OpenWorkers
