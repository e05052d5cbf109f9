"""What the demo expects and what it has seen: every effect has a name, a moment it was caused and one it came."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

Key = tuple[str, ...]
"""What identifies one effect, such as ("browser", session id); its first word is the group it is shown in."""


@dataclass(frozen=True, slots=True)
class Effect:
    """Something that must come. `name` is what the user reads when it does not; `hop` is the latency it counts for."""

    key: Key
    name: str
    hop: str | None = None

    @property
    def group(self) -> str:
        return self.key[0]


class Board:
    """Times are epoch seconds of this machine's clock, as every process of the fleet reads it."""

    def __init__(self, *, now: Callable[[], float]) -> None:
        self._now = now
        self._effects: dict[Key, Effect] = {}
        self._caused: dict[Key, float] = {}
        self._seen: dict[Key, float] = {}
        self._changed = asyncio.Event()

    def expect(self, *effects: Effect) -> None:
        """Name what must come; before it is caused, so that nothing comes unnoticed."""
        for effect in effects:
            self._effects[effect.key] = effect

    def caused(self, *keys: Key) -> None:
        """The cause of these effects is happening now."""
        for key in keys:
            self._caused[key] = self._now()

    def saw(self, key: Key, at: float | None = None) -> None:
        """An effect was seen, now or `at`; only the first sighting counts."""
        if key not in self._seen:
            self._seen[key] = self._now() if at is None else at
            self._changed.set()

    def has_seen(self, key: Key) -> bool:
        return key in self._seen

    def missing(self) -> list[Effect]:
        """What has not come yet."""
        return [effect for key, effect in self._effects.items() if key not in self._seen]

    def progress(self) -> dict[str, tuple[int, int]]:
        """Of each group, how many effects have come and how many are expected."""
        groups = dict.fromkeys(effect.group for effect in self._effects.values())
        keys = {group: [key for key in self._effects if key[0] == group] for group in groups}
        return {group: (sum(key in self._seen for key in found), len(found)) for group, found in keys.items()}

    def latencies(self) -> dict[str, list[float]]:
        """Seconds from cause to first sighting, by hop; clocks of one machine differ by less than zero allows."""
        found: dict[str, list[float]] = {}
        for key, effect in self._effects.items():
            if effect.hop is not None and key in self._seen and key in self._caused:
                found.setdefault(effect.hop, []).append(max(0.0, self._seen[key] - self._caused[key]))
        return found

    async def complete(self, *, but: Effect | None = None) -> None:
        """Return when nothing is missing, save perhaps this one effect."""
        while [effect for effect in self.missing() if effect != but]:
            self._changed.clear()
            await self._changed.wait()
