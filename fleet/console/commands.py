"""`fleet ...` as processes of their own: whatever the console does, the command line does it, refuses it and writes it down."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import orjson

LONGEST = 900.0
"""Seconds after which a command that somebody waits for is ended; a replay is waited for by nobody."""
NOTHING = 3
"""The code of a command that knows nothing of what it was asked for."""
PARTLY = 4
CODES = {
    0: "done",
    1: "it failed",
    2: "wrong usage",
    3: "nothing matched",
    4: "partly done",
    5: "refused by a rule of safety",
}


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended: its exit code, its JSON lines, and its words on stderr."""

    code: int
    documents: Sequence[Mapping[str, Any]] = ()
    words: Sequence[str] = ()

    @property
    def meaning(self) -> str:
        return CODES.get(self.code, f"ended with {self.code}")


class NoArgument(ValueError):
    """What no program can be given as an argument; says why."""


class Commands(Protocol):
    """What the console asks of the command line; arguments are those behind `fleet`."""

    async def ask(self, *arguments: str, stdin: str = "") -> Said:
        """Run to the end."""
        ...

    async def start(self, *arguments: str, words: Path) -> asyncio.Future[int]:
        """Begin what outlives the console; its output goes to `words`. Answers at once, with what has the exit code in the end."""
        ...


@dataclass
class Processes:
    """The command line of this installation, in this process's environment."""

    environment: Mapping[str, str]

    async def ask(self, *arguments: str, stdin: str = "") -> Said:
        process = await asyncio.create_subprocess_exec(
            *_interpreter(arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=dict(self.environment),
        )
        try:
            async with asyncio.timeout(LONGEST):
                out, err = await process.communicate(stdin.encode(errors="replace"))
        except TimeoutError:
            return Said(1, words=[f"it was ended after {LONGEST:.0f} s"])
        finally:
            if process.returncode is None:
                process.terminate()  # it gives back what it holds
                await process.wait()
        return Said(process.returncode or 0, _documents(out), err.decode(errors="replace").splitlines())

    async def start(self, *arguments: str, words: Path) -> asyncio.Future[int]:
        with _fresh(words) as file:
            process = await asyncio.create_subprocess_exec(
                *_interpreter(arguments),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env=dict(self.environment),
                start_new_session=True,  # Ctrl-C ends the console, and not what it began
            )
        return asyncio.create_task(process.wait())


def _interpreter(arguments: Sequence[str]) -> list[str]:
    """Raises NoArgument."""
    if any("\0" in each for each in arguments):
        raise NoArgument("what was given holds a NUL character, which no id, name or reason has")
    return [sys.executable, "-m", "fleet.cli", *arguments]


def _fresh(path: Path) -> BinaryIO:
    """A new file that only its owner can read; what lay there is replaced, so that no link leads elsewhere."""
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _documents(out: bytes) -> list[Mapping[str, Any]]:
    """The lines that are JSON objects, or the whole that is one; other lines are for people, and the console shows none of them."""
    try:
        whole = orjson.loads(out)
    except ValueError:
        whole = None
    if isinstance(whole, dict):
        return [whole]
    found: list[Mapping[str, Any]] = []
    for line in out.splitlines():
        try:
            opened = orjson.loads(line)
        except ValueError:
            continue
        if isinstance(opened, dict):
            found.append(opened)
    return found
