"""One keyed worker on a road in virtual time, over a ledger that is slow, hangs or fails where a test says so."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from shared.backoff import Backoff
from shared.consumer import lay_road
from shared.message.dead_letter import Letter
from shared.message.delivery import Delivery
from shared.message.identity import ATTRIBUTE
from shared.road.ledger import Claim
from shared.road.pipeline import Pipeline
from shared.road.ports import Ports
from shared.worker import Worker
from tests.fakes import delivery
from tests.fakes_ledger import FakeLedger
from tests.made import make_worker
from tests.virtual_time import clock

Fault = Callable[[], Awaitable[None]]


async def refused() -> None:
    raise ConnectionError


async def hangs() -> None:
    await asyncio.Event().wait()


FAULTS: dict[str, Fault] = {"refused": refused, "hangs": hangs}


async def at_once(_event: dict[str, str]) -> None:
    """Succeeds."""


async def in_three_seconds(event: dict[str, str]) -> str:
    await asyncio.sleep(3)
    return f"receipt of {event['say']}"


class FaultyLedger(FakeLedger):
    """The next calls of a name meet the faults put into `before` (nothing is written) or `after` (the answer is lost);
    each call takes `seconds`.
    """

    def __init__(self, *, seconds: float = 0.0) -> None:
        super().__init__()
        self.seconds = seconds
        self.before: dict[str, list[Fault]] = {}
        self.after: dict[str, list[Fault]] = {}
        self.calls: list[str] = []

    async def claim(self, key: str, **more: Any) -> Claim:
        await self._meets("claim", self.before)
        answer = await super().claim(key, **more)
        await self._meets("claim", self.after)
        return answer

    async def complete(self, key: str, **more: Any) -> bool:
        await self._meets("complete", self.before)
        answer = await super().complete(key, **more)
        await self._meets("complete", self.after)
        return answer

    async def release(self, key: str, **more: Any) -> None:
        await self._meets("release", self.before)
        await super().release(key, **more)
        await self._meets("release", self.after)

    async def note(self, key: str, **more: Any) -> None:
        await self._meets("note", self.before)
        await super().note(key, **more)

    async def _meets(self, name: str, faults: dict[str, list[Fault]]) -> None:
        if faults is self.before:
            self.calls.append(name)
        await asyncio.sleep(self.seconds / 2)
        if faults.get(name):
            await faults[name].pop(0)()


@dataclass
class Stand:
    """`ran` lists what the handler was called with. Bodies are {"key": ..., "say": ...}. `lease` says whether leases last."""

    handle: Callable[[dict[str, str]], Awaitable[object]]
    ledger: FaultyLedger = field(default_factory=FaultyLedger)
    hidden: list[float] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)
    ran_at: list[float] = field(default_factory=list)
    lease: bool = True

    def road(self, *, timeout: float = 10.0, ahead: float = 0.0, **options: Any) -> Pipeline:
        """`ahead`: by how many seconds its process's clock is fast."""
        worker: Worker[dict[str, str]] = make_worker(
            name="sample",
            queue="uploads",
            decode=lambda given: dict(json.loads(given.body)),
            handle=self._handle,
            timeout=timeout,
            backoff=Backoff(base=8.0),
            **{"key": lambda event: event["key"], **options},
        )
        return lay_road(
            worker,
            Ports(
                hide=self._hide,
                bury=self._bury,
                ledger=self.ledger,
                holds=lambda _delivery: self.lease,
                dice=lambda: 0.5,
                now=lambda: clock() + ahead,
            ),
        )

    @property
    def reasons(self) -> list[tuple[str, str]]:
        """Type and text of what was buried."""
        envelopes = [json.loads(each.attributes[ATTRIBUTE].text or "") for each in self.letters]
        return [(each["error_type"], each["message"]) for each in envelopes]

    async def _handle(self, event: dict[str, str]) -> object:
        self.ran.append(event.get("say", ""))
        self.ran_at.append(clock())
        return await self.handle(event)

    def _hide(self, _delivery: Delivery, seconds: float) -> None:
        self.hidden.append(seconds)

    async def _bury(self, letter: Letter) -> None:
        self.letters.append(letter)


def message(key: str = "k", say: str = "a", *, attempt: int = 1, **more: object) -> Delivery:
    return delivery(json.dumps({"key": key, "say": say, **more}), attempt=attempt)
