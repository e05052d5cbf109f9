"""Leases kept alive: every message in hand, running or waiting, stays hidden from others until it is settled."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from shared.backoff import LONGEST_VISIBILITY_TIMEOUT
from shared.message.delivery import Delivery
from shared.outcome import code_of
from shared.road.handling import LIMIT, cut_run
from shared.settlement.gathered import Gathered, Kind
from shared.sqs.batches import BATCH, Refused
from shared.sqs.queue import Queue
from shared.telemetry import metrics
from shared.telemetry.troubles import Troubles

log = structlog.get_logger()

MARGIN = 30.0
"""Seconds kept clear of SQS's twelve hours from the receive."""
EDGE = 0.05
"""Seconds by which a lease is taken to end early: its handler is cut before another can start on the message."""
SHORTEST_NAP = 0.02
"""Seconds between two tries of an extension, at least."""
TICK = 0.001
"""Seconds between two looks at the leases, at least."""


@dataclass(slots=True, eq=False)
class _Lease:
    delivery: Delivery
    ends: float
    lost: bool = False
    releases_at: float | None = None
    extending: bool = False
    settling: bool = False
    worker: asyncio.Task[object] | None = None


class Leases:
    """The leases of one queue's messages in this process.

    Extensions are equal and short (`visibility` seconds), asked for when a third of the lease is left, ten in a call.
    Calls do not wait for each other, and one that is not answered is given up in time for another. A lease that SQS says
    is gone, or that ran out because no extension came through, is lost: its handler is cancelled and `holds` turns
    False, which forbids the delete. No lease is extended beyond `longest` seconds from its receipt: what takes longer is
    lost in the same way. A message is released (`hide`, `give_back`) as deletes are carried through: again and again,
    until SQS says that it did it or the lease is over.
    """

    def __init__(
        self,
        queue: Queue,
        *,
        visibility: float,
        clock: Callable[[], float],
        longest: float = LONGEST_VISIBILITY_TIMEOUT,
        dice: Callable[[], float] = random.random,
        troubles: Troubles | None = None,
    ) -> None:
        self._queue = queue
        self._visibility = visibility
        self._longest = min(longest, LONGEST_VISIBILITY_TIMEOUT - MARGIN)
        self._clock = clock
        self._leases: dict[Delivery, _Lease] = {}
        self._extensions: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._troubles = troubles or Troubles(queue.name)
        kind = Kind(name="release", queue=queue.name, call=self._release)
        self._releases = Gathered(kind, self, dice=dice, troubles=self._troubles)

    def take(self, *deliveries: Delivery, until: float | None = None) -> None:
        """Begin to keep the leases of messages that were just received; they end at `until`, where a door knows that."""
        for each in deliveries:
            ends = until if until is not None else each.received_at + self._visibility - EDGE
            self._leases[each] = _Lease(each, ends)
        self._changed.set()

    def assign(self, delivery: Delivery, task: asyncio.Task[object]) -> None:
        """Name the task to cancel when this lease is lost."""
        if (lease := self._leases.get(delivery)) is not None:
            lease.worker = task

    def holds(self, delivery: Delivery) -> bool:
        """True while this process may delete the message."""
        lease = self._leases.get(delivery)
        return lease is not None and not lease.lost and lease.ends > self._clock()

    def held(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Those of them that this process may delete."""
        now = self._clock()
        return [lease.delivery for lease in self._known(deliveries) if not lease.lost and lease.ends > now]

    def shortest(self, deliveries: Sequence[Delivery]) -> float:
        """Seconds until the first of these leases ends; 0 where one is lost."""
        leases = self._known(deliveries)
        return self._left_of(leases) if len(leases) == len(deliveries) else 0.0

    @property
    def kept(self) -> int:
        """How many messages are in hand."""
        return len(self._leases)

    @property
    def releasing(self) -> int:
        """Messages that are to be seen again, and of which SQS has not said so yet."""
        return sum(lease.releases_at is not None for lease in self._leases.values())

    @property
    def given_up(self) -> int:
        """Messages so far whose lease ended before their release was carried out."""
        return self._releases.given_up

    def drop(self, *deliveries: Delivery) -> None:
        """Stop keeping these leases: the messages are settled, or given back."""
        for each in deliveries:
            self._leases.pop(each, None)

    def settle(self, deliveries: Sequence[Delivery]) -> float:
        """A settlement of these is on its way: what SQS says to an extension beside it proves nothing. Returns the seconds
        until the first of these leases ends; 0 where one is lost.
        """
        leases = self._known(deliveries)
        for lease in leases:
            lease.settling = True
        return self._left_of(leases) if len(leases) == len(deliveries) else 0.0

    def unsettle(self, deliveries: Sequence[Delivery]) -> None:
        """That settlement has had its answer, or none."""
        for lease in self._known(deliveries):
            lease.settling = False
        self._changed.set()

    def hide(self, delivery: Delivery, seconds: float) -> None:
        """Let the message be seen again `seconds` from now. SQS hears of it soon, together with others, and again if need be."""
        if (lease := self._leases.get(delivery)) is not None:
            lease.releases_at = self._clock() + seconds
            self._releases.add(delivery)

    async def give_back(self, deliveries: Sequence[Delivery]) -> None:
        """Let the messages be seen again at once; returns when SQS has said so of each, or its lease is over: then it
        comes back by itself. What is on its way back already, as hidden for a while, stays hidden for so long.
        """
        ours = [lease for lease in self._known(deliveries) if lease.releases_at is None]
        for lease in ours:
            lease.releases_at = self._clock()
        if ours:
            await self._releases.at_once([lease.delivery for lease in ours])

    async def released(self) -> None:
        """Send what waits to be hidden, and return when every release has had its end."""
        await self._releases.settled()

    def abandon(self) -> None:
        """Cut the releases that are being sent."""
        self._releases.abandon()

    async def keep(self) -> None:
        """Extend leases until cancelled. Survives failing calls: what failed is tried again while time is left."""
        try:
            while True:
                await self._until_one_is_near()
                self._extend([lease for lease in self._leases.values() if self._is_near(lease)])
                self._forbid_what_ran_out()
        finally:
            for extension in self._extensions:
                extension.cancel()

    def _left_of(self, leases: Sequence[_Lease]) -> float:
        first = min([0.0 if lease.lost else lease.ends for lease in leases])
        return max(0.0, first - self._clock())

    def _known(self, deliveries: Sequence[Delivery]) -> list[_Lease]:
        found = map(self._leases.get, deliveries)
        return [lease for lease in found if lease is not None]

    async def _release(self, deliveries: Sequence[Delivery]) -> list[Refused]:
        now = self._clock()
        moments = {lease.delivery: lease.releases_at or 0.0 for lease in self._known(deliveries)}
        return await self._queue.release({each: max(0.0, moments.get(each, 0.0) - now) for each in deliveries})

    async def _until_one_is_near(self) -> None:
        self._changed.clear()
        naps = [self._nap(lease) for lease in self._leases.values() if not lease.lost]
        try:
            async with asyncio.timeout(max(TICK, min(naps)) if naps else None):
                await self._changed.wait()
            # gather a burst of arrivals into few calls, and miss no lease's end
            await asyncio.sleep(min(self._visibility / 100, max(TICK, min(self._left()))))
        except TimeoutError:
            pass

    def _left(self) -> list[float]:
        return [lease.ends - self._clock() for lease in self._leases.values() if not lease.lost] or [0.0]

    def _nap(self, lease: _Lease) -> float:
        """Until this lease is near its end; a failed extension is tried again soon, and an end is seen when it comes."""
        left = lease.ends - self._clock()
        if not self._is_free(lease):
            return left
        return min(left, max(left - self._early, min(left / 3, self._visibility / 10), SHORTEST_NAP))

    @property
    def _early(self) -> float:
        return self._visibility / 3

    def _is_free(self, lease: _Lease) -> bool:
        """Whether an extension may be asked for: none is open, nothing settles it, and its time is not used up."""
        return not (
            lease.extending
            or lease.settling
            or lease.releases_at is not None
            or self._held_after(lease) > self._longest
        )

    def _is_near(self, lease: _Lease) -> bool:
        return not lease.lost and self._is_free(lease) and lease.ends - self._clock() <= self._early

    def _held_after(self, lease: _Lease) -> float:
        """Seconds since its receipt, after one more extension."""
        return self._clock() - lease.delivery.received_at + self._visibility

    def _extend(self, near: Sequence[_Lease]) -> None:
        for start in range(0, len(near), BATCH):
            chunk = near[start : start + BATCH]
            for lease in chunk:
                lease.extending = True
            extension = asyncio.create_task(self._extend_together(chunk))
            self._extensions.add(extension)
            extension.add_done_callback(self._extensions.discard)

    async def _extend_together(self, chunk: Sequence[_Lease]) -> None:
        asked_at = self._clock()
        shortest = min(lease.ends for lease in chunk) - asked_at
        try:
            # A call that is not answered leaves time for a second one, which goes over another connection.
            async with asyncio.timeout(max(0.1, shortest / 3)):
                refused = await self._queue.extend([lease.delivery for lease in chunk], seconds=self._visibility)
        except Exception as error:
            self._tell_refused([code_of(error)], whole=True)
            return
        finally:
            for lease in chunk:
                lease.extending = False
            self._changed.set()
        if not refused:
            self._troubles.succeeded("extend")
        elif passing := [each.code for each in refused if not each.lost]:
            self._tell_refused(passing, whole=len(passing) == len(chunk))
        codes = {each.delivery: each for each in refused}
        for lease in chunk:
            if (found := codes.get(lease.delivery)) is None:
                lease.ends = asked_at + self._visibility - EDGE
            elif found.lost and lease.delivery in self._leases and not lease.settling and lease.releases_at is None:
                self._lose(lease, reason="refused", why=found.code)

    def _tell_refused(self, codes: Sequence[str], *, whole: bool) -> None:
        if self._troubles.failed("extend", codes, whole=whole):
            log.warning("lease_extension_failed", queue=self._queue.name, error_type=", ".join(sorted({*codes})))

    def _forbid_what_ran_out(self) -> None:
        for lease in list(self._leases.values()):
            if not lease.lost and lease.ends <= self._clock():
                limited = self._held_after(lease) > self._longest
                own = self._longest < LONGEST_VISIBILITY_TIMEOUT - MARGIN
                self._lose(lease, reason=(LIMIT if own else "twelve hours") if limited else "silent", why="ran out")

    def _lose(self, lease: _Lease, *, reason: str, why: str) -> None:
        lease.lost = True
        metrics.lease_lost(queue=self._queue.name, reason=reason)
        log.warning("lease_lost", queue=self._queue.name, message_id=lease.delivery.message_id, reason=reason, why=why)
        if lease.worker is not None:
            cut_run(lease.worker, reason)
