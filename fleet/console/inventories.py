"""What was read of dead-letter queues, with the time when: a page that is opened never receives a message."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from fleet.dead_letters.looking import counted, fed, is_whole, look_through, summed_up, told
from fleet.dead_letters.model import groups as grouping
from fleet.dead_letters.model import redaction, view
from fleet.dead_letters.model.filters import Filters, matches
from fleet.dead_letters.model.groups import Group
from fleet.dead_letters.model.letter import DeadLetter
from fleet.dead_letters.model.view import View
from fleet.dead_letters.queues.catalog import (
    NoSuchQueue,
    NotDeadLetters,
    OddAttributes,
    OtherPlace,
    QueueInfo,
    side_by_side,
)
from fleet.dead_letters.queues.own_policy import OwnPolicy
from fleet.dead_letters.replay.inventory import Desk

ROOM = 64 << 20
"""Bytes of bodies that are kept of one look; of the letters beyond, all but attributes and body is shown."""
FRESH = 5.0
"""Seconds for which the counts of all queues are good."""
FAULTS = (NoSuchQueue, NotDeadLetters, OddAttributes, OtherPlace, OwnPolicy, ClientError, BotoCoreError, OSError)
"""What keeps a queue from being read, and is said in its own words."""


@dataclass(frozen=True, slots=True)
class Look:
    """One queue, read at `at` (epoch seconds). `views` come closest to expiry first; `letters` are whole, by id, where there was room."""

    info: QueueInfo
    views: tuple[View, ...]
    letters: Mapping[str, DeadLetter]
    groups: tuple[Group, ...]
    words: tuple[str, ...]
    whole: bool
    at: float

    def view(self, letter_id: str, *, now: float) -> View | None:
        """The letter of this id, with its payload where that was kept; its countdown is that of `now`."""
        found = next((each for each in self.views if each.id == letter_id), None)
        return found and replace(found, letter=self.letters.get(letter_id), now=now)

    def matching(self, filters: Filters) -> list[View]:
        return [each for each in self.views if matches(each, filters)]

    def grouped(self, filters: Filters, *, now: float) -> list[dict[str, Any]]:
        """As `fleet dlq groups --json` lists them, with the countdowns of `now`."""
        found = self.groups if filters.everything else grouping.grouped(self.matching(filters))
        return [redaction.listed(grouping.document(replace(each, now=now))) for each in found]

    def summary(self, *, now: float) -> dict[str, Any]:
        oldest = [replace(each, now=now) for each in self.views[:1]]
        return {**summed_up(oldest), "groups": len(self.groups)}


def listed(views: list[View], *, now: float) -> list[dict[str, Any]]:
    """As `fleet dlq list --json` lists them, with the countdowns of `now`."""
    return [redaction.listed(view.document(replace(each, now=now))) for each in views]


@dataclass(frozen=True, slots=True)
class Overview:
    """All queues as SQS counted them at `at`; `sources` are those that the letters came from."""

    dead: tuple[QueueInfo, ...]
    sources: tuple[QueueInfo, ...]
    words: tuple[str, ...]
    at: float


@dataclass
class Inventories:
    """Looks by queue name; `tools` opens what a command has. `faults`: why the newest reading of a queue failed."""

    tools: Callable[[], Desk]
    looks: dict[str, Look] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    _reading: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _overview: Overview | None = None
    _counting: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def overview(self) -> Overview:
        """Counts of this moment, or of some before. Raises ClientError, BotoCoreError."""
        async with self._counting:
            tools = await asyncio.to_thread(self.tools)
            if self._overview is None or tools.now() - self._overview.at > FRESH:
                self._overview = await asyncio.to_thread(_counted, tools)
            return self._overview

    async def depths(self) -> list[tuple[str, int]]:
        """Visible messages of each queue of the last overview, counted anew. Raises ClientError, BotoCoreError."""
        found = await self.overview() if self._overview is None else self._overview
        tools = await asyncio.to_thread(self.tools)
        names = [each.name for each in (*found.dead, *found.sources)]
        counted = await asyncio.to_thread(lambda: [*side_by_side(tools.catalog.queue, names)])
        return [(each.name, each.visible) for each in counted]

    def is_reading(self, queue: str) -> bool:
        return queue in self._reading

    async def read(self, queue: str, *, wait: float) -> None:
        """Begin to read a queue, unless somebody does; answers when that is done, or after `wait` seconds."""
        if queue not in self._reading:
            self.faults.pop(queue, None)
            task = self._reading[queue] = asyncio.create_task(self._read(queue))
            task.add_done_callback(lambda _: self._reading.pop(queue, None))
        await asyncio.wait([self._reading[queue]], timeout=wait)

    async def close(self) -> None:
        """Let go of what is being read: every letter is given back."""
        for task in [*self._reading.values()]:
            task.cancel("the console ends")
            await asyncio.wait([task])

    async def _read(self, queue: str) -> None:
        try:
            self.looks[queue] = await self._look(queue)
        except FAULTS as error:
            self.faults[queue] = str(error)

    async def _look(self, queue: str) -> Look:
        tools = await asyncio.to_thread(self.tools)
        info = await asyncio.to_thread(tools.catalog.dead_letter_queue, queue)
        tools.spent.check(info)
        origin = await asyncio.to_thread(tools.catalog.origin, info)
        kept, used = dict[str, DeadLetter](), 0

        def meet(letter: DeadLetter) -> None:
            nonlocal used
            used += len(letter.body)
            if used <= ROOM:
                kept[letter.id] = letter

        found = await look_through(tools, info, origin, Filters(), meet=meet)
        now = tools.now()
        words, groups = tuple(told(info, found, now=now)), tuple(grouping.grouped(found.views))
        return Look(info, found.views, kept, groups, words, is_whole(found), now)


def line(info: QueueInfo, look: Look | None, *, now: float) -> dict[str, Any]:
    """As `fleet dlq ls --json` has it; without a look, as `--quick` does."""
    return counted(info) | (look.summary(now=now) if look is not None else {})


def _counted(tools: Desk) -> Overview:
    dead, words = fed(tools.catalog)
    arns = sorted({arn for info in dead for arn in tools.catalog.origin(info).sources})

    def source(arn: str) -> QueueInfo | None:
        try:
            return tools.catalog.queue(arn)
        except (NoSuchQueue, ClientError):  # deleted meanwhile, or not this person's to see
            return None

    sources = tuple(each for each in side_by_side(source, arns) if each is not None)
    return Overview(tuple(dead), sources, tuple(words), tools.now())
