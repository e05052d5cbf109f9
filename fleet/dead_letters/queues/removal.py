"""Letters taken out of a dead-letter queue for good: by id, and only after somebody else has them, if anybody should."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from fleet.dead_letters.model.letter import DeadLetter
from fleet.dead_letters.queues.browsing import bound, give_back, sweep
from fleet.dead_letters.queues.dead_letter_queue import Box
from shared.sqs.batches import BATCH

AT_ONCE = 500
First = Callable[[Sequence[DeadLetter]], Awaitable[None]]


@dataclass(slots=True)
class Taken:
    """Ids by what happened: taken; gone or changed before we came; still there."""

    done: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        return {"taken": len(self.done), "gone": len(self.gone), "remaining": len(self.left)}


async def take(
    box: Box, digests: Mapping[str, str], *, first: First | None = None, last_look: int = 1, taken: Taken | None = None
) -> Taken:
    """Delete the letters with these ids and body digests, after `first` has returned for them, ten at a time."""
    result = taken if taken is not None else Taken()
    names = [*digests]
    for start in range(0, len(names), AT_ONCE):
        await _take(box, {name: digests[name] for name in names[start : start + AT_ONCE]}, first, last_look, result)
    return result


async def _take(box: Box, digests: Mapping[str, str], first: First | None, last_look: int, result: Taken) -> None:
    visible, hidden = await box.count()
    met = await sweep(
        box,
        lambda letter: letter if digests.get(letter.id) == letter.digest else None,
        visibility=bound(visible + hidden),
        last_look=last_look,
        wanted=digests.keys(),
    )
    done: set[str] = set()
    try:
        await give_back(box, met, but=met.found)
        letters = [*met.found.values()]
        for start in range(0, len(letters), BATCH):
            batch = letters[start : start + BATCH]
            if first is not None:
                await first(batch)
            refused = await box.delete(batch)
            done |= {each.id for each in batch} - refused
            result.done += [each.id for each in batch if each.id not in refused]
            result.left += sorted(refused)
        missing = [name for name in digests if name not in met.found]
        (result.gone if met.complete else result.left).extend(missing)
    finally:
        await asyncio.shield(give_back(box, met, but=done))
