"""A run's sections, one after the other: how long each takes, what is still to come, and what failed without ending the others."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Say = Callable[[str], None]
Found = dict[str, Any]


@dataclass(frozen=True)
class Section:
    """`seconds`: reckoned for a quiet machine of two cores, from what the section sends, waits and computes. `part` of the raw file."""

    name: str
    part: str
    seconds: float
    take: Callable[[], Found]


@dataclass
class Taken:
    """Seconds of each section that was taken, and why the others were not."""

    seconds: dict[str, float]
    failed: dict[str, str]

    @property
    def status(self) -> int:
        """Of the process."""
        return int(bool(self.failed))


def taken(
    sections: Sequence[Section],
    *,
    keep: Callable[[Section, Found], None],
    say: Say,
    clock: Callable[[], float] = time.monotonic,
) -> Taken:
    """Each section is kept as soon as it is found; one that fails is said at once and again at the end."""
    result, begun = Taken({}, {}), clock()
    for place, section in enumerate(sections):
        left = sum(each.seconds for each in sections[place:]) * _pace(sections[:place], clock() - begun)
        say(f"[{place + 1}/{len(sections)}] {section.name}: about {minutes(left)} min for this and all that follows")
        started = clock()
        try:
            keep(section, section.take())
        except Exception as fault:  # noqa: BLE001  # whatever it is, the other sections are worth their minutes
            result.failed[section.name] = f"{type(fault).__name__}: {fault}"
            say(f"{section.name}: FAILED, {result.failed[section.name]}")
            continue
        result.seconds[section.name] = clock() - started
        say(f"{section.name}: {result.seconds[section.name]:.0f} s, reckoned {section.seconds:.0f} s")
    say(f"{len(result.seconds)} of {len(sections)} sections in {minutes(clock() - begun)} min")
    for name, why in result.failed.items():
        say(f"FAILED: {name}: {why}")
    return result


def _pace(done: Sequence[Section], took: float) -> float:
    """What the sections so far took, of what was reckoned."""
    reckoned = sum(each.seconds for each in done)
    return took / reckoned if reckoned else 1.0


def minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f}"
