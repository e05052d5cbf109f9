"""The consumers of a soak: processes that are killed, asked to leave, and started again."""

import asyncio
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.app import App
from tests.soak.consumer import consume
from tests.waiting import until

DRAIN = 3.0
"""Seconds of a consumer's drain budget."""
PATIENCE = DRAIN + 10.0
"""Seconds after which a consumer that was asked to leave is hung, and killed."""


@dataclass(slots=True)
class Tally:
    """What happened to the consumers. `killed` names those whose work may have been cut between two lines."""

    killed: set[str] = field(default_factory=set)
    asked_to_leave: int = 0
    longest_drain: float = 0.0
    hung: list[str] = field(default_factory=list)
    failed: dict[str, int | None] = field(default_factory=dict)

    @property
    def restarts(self) -> int:
        return len(self.killed) + self.asked_to_leave


class Fleet:
    """Consumers by number; each life of a consumer has a name and a log of its own."""

    def __init__(self, app: App, environment: dict[str, str], *, size: int, logs: Path) -> None:
        self._app = app
        self._environment = environment
        self._logs = logs
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["tests.soak.consumer"])
        self._lives = [0] * size
        self._running: list[tuple[str, Any]] = []
        self._turns = [asyncio.Lock() for _ in range(size)]
        self.tally = Tally()

    async def start(self) -> None:
        self._running = [await asyncio.to_thread(self._started, number) for number in range(len(self._lives))]

    async def restart(self, number: int, *, kill: bool) -> tuple[float, float]:
        """End one consumer, one way or the other, and start it again. Returns when it was told to end, and when it had ended, in
        seconds since the epoch.
        """
        async with self._turns[number]:
            asked = await self._end(number, kill=kill)
            ended = time.time()
            # In this thread: a start of multiprocessing asks every other process for its end too, and of two threads that ask at
            # once the second finds the pipe empty, and makes 255 of what was 0.
            self._running[number] = self._started(number)
        return asked, ended

    async def leave(self) -> None:
        """All consumers drain and end."""
        await asyncio.gather(*(self._end(number, kill=False) for number in range(len(self._running))))

    def kill(self) -> None:
        """Whatever still runs ends now."""
        for _, process in self._running:
            if process.is_alive():
                process.kill()
            process.join()

    def _started(self, number: int) -> tuple[str, Any]:
        self._lives[number] += 1
        name = f"{number}.{self._lives[number]}"
        environment = {**self._environment, "CONSUMER": name, "AWS_SDK_UA_APP_ID": name}
        process = self._context.Process(
            target=consume, args=(self._app, environment, str(self._logs / f"{name}.jsonl")), name=name
        )
        process.start()
        return name, process

    async def _end(self, number: int, *, kill: bool) -> float:
        name, process = self._running[number]
        if kill:
            self.tally.killed.add(name)
            told = time.time()
            await self._sent(process, signal.SIGKILL, seconds=10.0)
            return told
        self.tally.asked_to_leave += 1
        await self._ready(name)  # before it listens for signals, SIGTERM is just death
        asked, told = time.monotonic(), time.time()
        if not await self._sent(process, signal.SIGTERM, seconds=PATIENCE):
            self.tally.hung.append(name)
            self.tally.killed.add(name)
            await self._sent(process, signal.SIGKILL, seconds=10.0)
        elif process.exitcode != 0:
            self.tally.failed[name] = process.exitcode
        self.tally.longest_drain = max(self.tally.longest_drain, time.monotonic() - asked)
        return told

    async def _ready(self, name: str) -> None:
        log = self._logs / f"{name}.jsonl"
        await _until(lambda: log.exists() and "worker_started" in log.read_text(), seconds=20.0)

    async def _sent(self, process: Any, number: signal.Signals, *, seconds: float) -> bool:
        if process.exitcode is None:
            os.kill(process.pid, number)
        return await _until(lambda: process.exitcode is not None, seconds=seconds)


async def _until(condition: Callable[[], bool], *, seconds: float) -> bool:
    try:
        return await until(condition, seconds=seconds)
    except AssertionError:
        return False
