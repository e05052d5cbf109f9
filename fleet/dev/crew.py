"""The fleet's processes on this machine: started, watched, started again when they die, drained together."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import aiohttp

from fleet.dev import child, private

GLANCE = 0.05
"""Seconds between two looks at a process."""

LONGEST_PAUSE = 10.0
"""Seconds before a process that keeps dying is started again."""


class CrewFailed(Exception):
    """A process ended before it was ready, or was not ready in time; the message quotes the end of its log."""


@dataclass(frozen=True, slots=True)
class Post:
    """One process to keep: `fleet` with `arguments`, exactly this environment, and the URL that says it is ready.

    A `listener` is handed to each process that fills the post, so that its port is nobody else's while none is there.
    """

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    ready_url: str
    listener: socket.socket | None = None


class Crew:
    """Fills every post inside the block, keeps it filled once all were ready, and drains all of them at its end.

    Leaving sends SIGTERM, waits `patience` seconds (longer than a worker's own drain budget), then kills. Cancelled
    while it waits, it kills at once: the second Ctrl-C of somebody in a hurry.
    """

    def __init__(self, posts: Sequence[Post], *, say: Callable[[str], None], patience: float = 15.0) -> None:
        self._posts = posts
        self._say = say
        self._patience = patience
        self._running: dict[str, child.Child] = {}
        self._watches: list[asyncio.Task[None]] = []
        self._renewed = {post.name: asyncio.Event() for post in posts}
        self.restarts: Counter[str] = Counter()

    async def __aenter__(self) -> Self:
        for post in self._posts:
            private.folder(post.log.parent)
            os.close(private.new_file(post.log))
            self._start(post)
        return self

    async def __aexit__(self, *_error: object) -> None:
        for watch in self._watches:
            watch.cancel()
        running = [each for each in self._running.values() if each.process.poll() is None]
        for each in running:
            each.process.terminate()
        try:
            async with asyncio.timeout(self._patience):
                for each in running:
                    await _end(each)
        except TimeoutError:
            late = ", ".join(name for name, each in self._running.items() if each.process.poll() is None)
            self._say(f"{late} did not drain within {self._patience:.0f} s and is killed")
        finally:
            for each in running:
                _kill(each)
                each.process.wait()

    @property
    def pids(self) -> Mapping[str, int]:
        """The process of each post, as of now."""
        return {name: each.pid for name, each in self._running.items()}

    def log(self, name: str) -> Path:
        """The file that a post's processes write their lines to."""
        return next(each.log for each in self._posts if each.name == name)

    async def ready(self, *, seconds: float) -> None:
        """Return when every post has answered that it is ready; from then on each is kept filled. Raises CrewFailed."""
        for why in (await self.started(seconds=seconds)).values():
            raise CrewFailed(why)

    async def started(self, *, seconds: float) -> Mapping[str, str]:
        """Return when every post has answered or ended, or the seconds have passed: why, of each that is not ready. From then on all
        are kept filled, those as well.
        """
        waiting, ended = list(self._posts), dict[str, str]()
        try:
            async with asyncio.timeout(seconds), aiohttp.ClientSession() as client:
                while waiting:
                    ended |= {post.name: why for post in waiting if (why := self._why_ended(post))}
                    waiting = [
                        post
                        for post in waiting
                        if post.name not in ended and not await _answers(client, post.ready_url)
                    ]
                    await asyncio.sleep(GLANCE)
        except TimeoutError:
            ended |= {post.name: f"{post.name} is not ready within {seconds:.0f} s; see {post.log}" for post in waiting}
        self._watches = [asyncio.create_task(self._watch(post)) for post in self._posts]
        return ended

    async def ready_again(self, name: str, *, after: int) -> None:
        """Return when `name` answers from a process started after `after` restarts."""
        (post,) = (each for each in self._posts if each.name == name)
        async with aiohttp.ClientSession() as client:
            while self.restarts[name] <= after or not await _answers(client, post.ready_url):  # noqa: ASYNC110 - as below
                await asyncio.sleep(GLANCE)

    def kill(self, name: str) -> int:
        """End a process as kill -9 does: no drain, no goodbye. Answers its pid."""
        running = self._running[name]
        _kill(running)
        return running.pid

    def renew(self, name: str) -> None:
        """Have a process drain and be started again; at once, where it keeps ending and waits for its next try."""
        self._renewed[name].set()
        if (running := self._running[name].process).poll() is None:
            running.terminate()

    def _start(self, post: Post) -> None:
        command = [sys.executable, "-m", "fleet.cli", *post.arguments]
        self._running[post.name] = child.start(
            command, environment=post.environment, log=post.log, listener=post.listener
        )

    async def _watch(self, post: Post) -> None:
        pause, renewed = 0.0, self._renewed[post.name]
        while True:
            started, before = time.monotonic(), pause
            code = await _end(self._running[post.name])
            lived_long = time.monotonic() - started > LONGEST_PAUSE
            pause = 0.0 if lived_long or not self.restarts[post.name] else min(max(0.5, pause * 2), LONGEST_PAUSE)
            if renewed.is_set():
                self._say(f"{post.name} is started again: its code has changed")
            elif pause < LONGEST_PAUSE or before < LONGEST_PAUSE:  # what keeps ending says so no more
                again = "is started again" if pause < LONGEST_PAUSE else f"is tried every {pause:.0f} s: see {post.log}"
                self._say(f"{post.name} ended ({_exit_text(code)}) and {again}")
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await renewed.wait()
            pause = 0.0 if renewed.is_set() else pause
            renewed.clear()
            self._start(post)
            self.restarts[post.name] += 1

    def _why_ended(self, post: Post) -> str | None:
        running = self._running[post.name]
        if (code := running.process.poll()) is None:
            return None
        return f"{post.name} ended ({_exit_text(code)}) while starting:\n{running.last_words()}"


async def _end(running: child.Child) -> int:
    while (code := running.process.poll()) is None:  # noqa: ASYNC110 - no event of ours tells its end
        await asyncio.sleep(GLANCE)
    return code


async def _answers(client: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with client.get(url, timeout=aiohttp.ClientTimeout(total=2)) as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


def _kill(running: child.Child) -> None:
    with suppress(ProcessLookupError):
        os.killpg(running.pid, signal.SIGKILL)


def _exit_text(code: int) -> str:
    return f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
