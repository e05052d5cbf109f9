"""A deployable worker: what the roster names, and both doors run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from shared.clients import Clients
from shared.settings import (
    ClaimCheckSettings,
    RuntimeSettings,
    Settings,
    SettingsError,
    faults_of,
    meaning,
    queue_variables,
    unset,
)
from shared.worker import Worker

OpenWorkers = Callable[[Mapping[str, str], Clients], AbstractAsyncContextManager[tuple[Worker[Any], ...]]]
"""Given the environment and the clients, opens what the workers need, yields them, and closes it again."""


@dataclass(frozen=True, slots=True)
class App:
    """A deployable worker: its name on the command line, the logical queues it reads, and how it is put together.

    `settings`: what it reads from the environment beside the runtime's own, so that all that is missing is told at once.
    """

    name: str
    queues: tuple[str, ...]
    open_workers: OpenWorkers
    settings: tuple[type[Settings], ...] = ()

    def faults(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Every variable that is missing or wrong, with what is wrong with it."""
        found: dict[str, str] = {}
        for name in (name for queue in self.queues for name in queue_variables(queue)):
            if not environment.get(name):
                found[name] = unset(name, meaning(name))
        models: tuple[type[Settings], ...] = (*self.settings, RuntimeSettings, ClaimCheckSettings)
        for model in models:
            found |= faults_of(model, environment)
        return found

    @contextmanager
    def naming_all_faults(self, environment: Mapping[str, str]) -> Iterator[None]:
        """Where the block raises SettingsError it names every fault there is, and not the first place that came upon one."""
        try:
            yield
        except SettingsError as error:
            if not error.faults:
                raise
            raise SettingsError.of({**error.faults, **self.faults(environment)}) from error
