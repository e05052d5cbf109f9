"""What one worker's messages depend on: the breakers that they wait for."""

from __future__ import annotations

from shared.road.failure.breakers import Breakers, Met


class Needs:
    """The breakers that one worker's messages wait for: of the dependencies that its runs have met, and of no others."""

    def __init__(self, breakers: Breakers) -> None:
        self._breakers = breakers
        self.opened = breakers.open
        """All that are open, whoever needs them: where there are none, nothing need be asked."""
        self._needed: set[str] = set()

    @property
    def down(self) -> list[str]:
        """Those of them that are open."""
        return [name for name in self.opened if name in self._needed]

    @property
    def reports(self) -> list[str]:
        """Of each of these: its name, and whether it refuses us or is down, with the code of its last failure."""
        return [self._breakers.describe(name) for name in self.down]

    def meets(self, met: Met) -> None:
        """A run of this worker met failures of these."""
        self._needed |= met.keys()

    def leave(self) -> None:
        """From now on nothing waits in hand."""
        self._breakers.leave()

    async def pause(self, seconds: float) -> bool:
        """As Breakers.pause."""
        return await self._breakers.pause(seconds)

    async def change(self, *, within: float) -> None:
        """As Breakers.change."""
        await self._breakers.change(within=within)

    async def wait(self, tries: int) -> bool:
        """As Breakers.wait."""
        return await self._breakers.wait(tries, self._needed)

    async def passage(self) -> bool:
        """As Breakers.passage."""
        return await self._breakers.passage(self._needed)

    def probed(self) -> None:
        """As Breakers.probed."""
        self._breakers.probed(self._needed)

    def hiding(self, *, attempt: int) -> float:
        """As Breakers.hiding."""
        return self._breakers.hiding(self._needed, attempt=attempt)
