"""The running fleet that is tried, and how a try waits for an effect."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import aiohttp

from fleet.dev.stand_ins.remembered import received

Seen = TypeVar("Seen")

PAUSE: Final = 0.2
"""Seconds between two looks."""


class NoEffect(Exception):
    """It did not come; the text says what, and where to look."""


@dataclass(frozen=True, slots=True)
class Tried:
    """`environment`: what `fleet dev` wrote into `file`, beside which its logs are; `within`: seconds for each effect."""

    environment: Mapping[str, str]
    file: Path
    http: aiohttp.ClientSession
    within: float

    @property
    def logs(self) -> Path:
        return self.file.parent / "logs"

    @property
    def url(self) -> str:
        """Of the stand-ins."""
        return f"http://{self.environment['STAND_INS_HOST']}:{self.environment['STAND_INS_PORT']}"

    async def until(
        self, look: Callable[[], Awaitable[Seen | None]], *, what: str, worker: str, due: float = 0.0
    ) -> Seen:
        """What `look` answers once that is not None, which is due in so many seconds. Raises NoEffect."""
        try:
            async with asyncio.timeout(due + self.within):
                while (seen := await look()) is None:  # noqa: ASYNC110 - a row tells nobody that it has changed
                    await asyncio.sleep(PAUSE)
                return seen
        except TimeoutError:
            raise NoEffect(
                f"{what} did not come within {due + self.within:g} s: look at {self.logs}/{worker}.log"
            ) from None

    async def received(self, stand_in: str) -> list[Mapping[str, Any]]:
        """What this stand-in got, the oldest first."""
        return await received(self.http, f"{self.url}{stand_in}")

    async def check(self) -> None:
        """Raises NoEffect where nobody answers."""
        try:
            async with self.http.get(f"{self.url}/readyz") as answer:
                if answer.status == 200:
                    return
        except aiohttp.ClientError:
            pass
        raise NoEffect(f"no development fleet answers at {self.url}: start `fleet dev` and leave it running")
