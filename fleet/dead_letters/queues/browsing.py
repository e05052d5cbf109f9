"""A look through the whole dead-letter queue: every letter received once, told apart by id, and given back."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Generic, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from fleet.dead_letters.model.letter import DeadLetter
from fleet.dead_letters.queues.dead_letter_queue import Box

Kept = TypeVar("Kept")

RECEIVERS = 8
"""Receive calls in flight together."""
SHORTEST, LONGEST = 30, 600
"""Seconds for which a letter is hidden while the queue is read; what a kill -9 leaves hidden shows up again by then."""
ASKED_BACK, PAUSE = 4, 0.1
"""Times that a letter is asked to be visible again, and seconds before the second time; twice as long before each that follows."""
STALE = 3
"""Answers in a row with known letters only, after which the queue has been seen."""


@dataclass(slots=True)
class Sweep(Generic[Kept]):
    """What was found. `held` are receipts without payload, still hidden unless they were given back; `refused`, how many SQS did
    not give back when asked, and which stay hidden to the end of their lease, and `refusal` why, where it said. `faults`: why a message could not be read, by id.
    """

    found: dict[str, Kept] = field(default_factory=dict)
    held: dict[str, DeadLetter] = field(default_factory=dict)
    complete: bool = True
    expected: int = 0
    seen: int = 0
    refused: int = 0
    refusal: str = ""
    faults: dict[str, str] = field(default_factory=dict)


def bound(letters: int) -> int:
    """Seconds a letter is hidden, for a queue of so many: the whole must be read before the first shows up again."""
    return max(SHORTEST, min(LONGEST, letters // 200))


async def sweep(
    box: Box,
    keep: Callable[[DeadLetter], Kept | None],
    *,
    visibility: int,
    last_look: int = 1,
    wanted: Collection[str] | None = None,
    enough: int | None = None,
    hidden_before: Collection[str] = (),
) -> Sweep[Kept]:
    """Receive until the queue answers empty, twice, or all of `wanted` are found, or `enough` of them.

    `keep` is asked once for each letter and answers what to remember of it, or None. `last_look` in seconds is the
    wait of the second look: a long poll asks every server of SQS, a short one only some. Whatever ends it, the caller
    gives back what is `held`. Incomplete where somebody else holds letters at this moment, or where one of `wanted` may be there
    and could not be read; `hidden_before` are ids that the caller itself still holds.
    """
    visible, hidden = await box.count()
    result: Sweep[Kept] = Sweep(expected=visible + hidden)
    missing = set(wanted) if wanted is not None else None
    most = enough if enough is not None else math.inf
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(RECEIVERS, visible // 100 + 1)):
                group.create_task(
                    _receive(
                        result,
                        partial(box.receive, visibility=visibility),
                        keep,
                        last_look,
                        missing=missing,
                        enough=most,
                    )
                )
    except BaseException as error:
        await asyncio.shield(give_back(box, result))
        if isinstance(error, BaseExceptionGroup):
            raise error.exceptions[0] from None
        raise
    result.seen = len(result.held)
    if missing is None or missing:
        result.complete = len(result.held.keys() | set(hidden_before)) >= visible + hidden
    if missing and (result.faults or not missing.isdisjoint(hidden_before)):
        result.complete = False
    return result


async def give_back(box: Box, result: Sweep[Kept], *, but: Collection[str] = ()) -> None:
    """Make visible what is held. What SQS does not say it gave back is asked again, then counted as `refused`; where it does not
    answer at all, at once, for each question may take as long.
    """
    letters = [letter for name, letter in result.held.items() if name not in but]
    for letter in letters:
        del result.held[letter.id]
    for tried in range(1, ASKED_BACK + 1):
        if not letters:
            return
        try:
            refused = await box.show(letters)
        except ClientError as error:
            refused, result.refusal = {letter.id for letter in letters}, str(error)
        except BotoCoreError as error:
            result.refusal = str(error)
            break
        letters = [letter for letter in letters if letter.id in refused]
        if letters and tried < ASKED_BACK:
            await asyncio.sleep(PAUSE * 2 ** (tried - 1))
    result.refused += len(letters)


async def browse(
    box: Box, keep: Callable[[DeadLetter], Kept | None], *, visibility: int, last_look: int = 1
) -> Sweep[Kept]:
    """Look through everything and change nothing: all letters are given back, also when this is cut short."""
    result = await sweep(box, keep, visibility=visibility, last_look=last_look)
    await asyncio.shield(give_back(box, result))
    return result


async def _receive(
    result: Sweep[Kept],
    receive: Callable[..., Awaitable[list[DeadLetter]]],
    keep: Callable[[DeadLetter], Kept | None],
    last_look: int,
    *,
    missing: set[str] | None,
    enough: float,
) -> None:
    looks = stale = 0
    while looks < 2 and stale < STALE and (missing is None or missing) and len(result.found) < enough:
        letters = await _to_its_end(receive(wait=last_look if looks else 0), result)
        looks = 0 if letters else looks + 1
        fresh = [letter for letter in letters if letter.id not in result.held]
        _hold(letters, result)
        result.faults |= {letter.id: letter.fault for letter in fresh if letter.fault}
        for letter in fresh:
            if letter.fault:
                continue
            if (kept := keep(letter)) is not None:
                result.found[letter.id] = kept
            if missing is not None:
                missing.discard(letter.id)
        stale = 0 if fresh or not letters else stale + 1


async def _to_its_end(call: Awaitable[list[DeadLetter]], result: Sweep[Kept]) -> list[DeadLetter]:
    """Also when we are cut: an answer that nobody reads would keep its letters hidden."""
    task = asyncio.ensure_future(call)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        _hold(await task, result)
        raise


def _hold(letters: Sequence[DeadLetter], result: Sweep[Kept]) -> None:
    for letter in letters:
        result.held[letter.id] = replace(letter, body="", attributes={})
