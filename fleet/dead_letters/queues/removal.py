"""Letters taken out of a dead-letter queue for good: by id, and only after somebody else has them, if anybody should."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from botocore.exceptions import BotoCoreError, ClientError

from fleet.dead_letters.model.letter import DeadLetter
from fleet.dead_letters.queues.browsing import bound, give_back, sweep
from fleet.dead_letters.queues.dead_letter_queue import Box
from fleet.dead_letters.uncut import to_its_end
from shared.outcome import is_outage
from shared.sqs.batches import BATCH

AT_ONCE = 500
DELETES = 2
"""What an answer refuses, or does not name, is asked for once more: a letter that is gone already counts as deleted then."""
LEASE_MARGIN = 5.0
"""Seconds before the letters in hand show up again, after which none of them is touched: somebody else may receive them."""
First = Callable[[Sequence[DeadLetter]], Awaitable[None]]


@dataclass(slots=True)
class Taken:
    """Ids by what happened: taken; gone or changed before we came; still there; `uncertain`: the answer to their deletion was
    lost, also when it was asked for again, and `why` says how.
    """

    done: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    uncertain: list[str] = field(default_factory=list)
    why: str = ""

    def counts(self) -> dict[str, int]:
        ids = {"taken": self.done, "gone": self.gone, "remaining": self.left, "uncertain": self.uncertain}
        return {name: len(found) for name, found in ids.items()}


async def take(
    box: Box,
    digests: Mapping[str, str],
    *,
    first: First | None = None,
    last_look: int = 1,
    taken: Taken | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Taken:
    """Delete the letters with these ids and body digests, after `first` has returned for them, ten at a time. Those of a FIFO
    queue go in their order. Ends where SQS no longer answers; a cut lets the ten in hand come to their end.
    """
    result = taken if taken is not None else Taken()
    names = [*digests]
    for start in range(0, len(names), AT_ONCE):
        some = {name: digests[name] for name in names[start : start + AT_ONCE]}
        if result.uncertain:
            result.left += some
        else:
            await _take(box, some, first, last_look, result, clock=clock)
    return result


async def _take(
    box: Box,
    digests: Mapping[str, str],
    first: First | None,
    last_look: int,
    result: Taken,
    *,
    clock: Callable[[], float],
) -> None:
    visible, hidden = await box.count()
    until = clock() + bound(visible + hidden) - LEASE_MARGIN
    met = await sweep(
        box,
        lambda letter: letter if digests.get(letter.id) == letter.digest else None,
        visibility=bound(visible + hidden),
        last_look=last_look,
        wanted=digests.keys(),
    )
    before = len(result.done)
    try:
        await give_back(box, met, but=met.found)
        letters = sorted(met.found.values(), key=lambda each: (len(each.sequence), each.sequence))
        for start in range(0, len(letters), BATCH):
            batch = letters[start : start + BATCH]
            if result.uncertain or clock() > until:
                result.left += [each.id for each in batch]
            else:
                await to_its_end(_take_batch(box, batch, first, result))
        missing = [name for name in digests if name not in met.found]
        (result.gone if met.complete else result.left).extend(missing)
    finally:
        but = {*result.done[before:], *result.uncertain}
        await asyncio.shield(give_back(box, met, but=but))


async def _take_batch(box: Box, batch: Sequence[DeadLetter], first: First | None, result: Taken) -> None:
    if first is not None:
        await first(batch)
    left = {each.id for each in batch}
    try:
        for _ in range(DELETES):
            left = await box.delete([each for each in batch if each.id in left]) if left else left
    except (ClientError, BotoCoreError) as error:
        if not is_outage(error):
            raise
        result.uncertain += sorted(left)
        result.why = str(error)
    else:
        result.left += sorted(left)
    result.done += [each.id for each in batch if each.id not in left]
