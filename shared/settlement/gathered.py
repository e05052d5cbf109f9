"""Settlements of one kind gathered into batches, and repeated until the answer names them or their lease is over; deletes
beyond it, where the message comes back.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from shared.message.delivery import Delivery
from shared.outcome import code_of
from shared.road.handling import Deadline, Deadlines
from shared.sqs.batches import BATCH, Refused
from shared.sqs.queue import Queue
from shared.telemetry import metrics, tracing
from shared.telemetry.troubles import Troubles

log = structlog.get_logger()

LINGER = 0.05
"""Seconds for which a settlement waits for nine others."""
FIRST_PAUSE = 0.2
"""Seconds before the second try, before jitter; twice as long before each further one."""
LONGEST_PAUSE = 2.0
"""Seconds between two tries, before jitter."""
SHORTEST_PAUSE = 0.1
"""The same, where a lease is about to end: the last tries must not become a flood."""
LONGEST_TRY = 10.0
"""Seconds that one call may take, and never more than a third of the shortest lease in it: there must be time for another
try, on another connection.
"""
REMEMBERED = 10_000
"""Message ids of finished work whose delete has not succeeded; about 1 MB."""


class Held(Protocol):
    """What is asked of leases."""

    def held(self, deliveries: Sequence[Delivery]) -> list[Delivery]: ...
    def shortest(self, deliveries: Sequence[Delivery]) -> float: ...
    def settle(self, deliveries: Sequence[Delivery]) -> float: ...
    def unsettle(self, deliveries: Sequence[Delivery]) -> None: ...
    def drop(self, *deliveries: Delivery) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of settlement. `name` is for the log (`delete`, `release`); `call` sends a batch and answers what was
    refused; `done` hears which were carried out, `refused` how many were not.
    """

    name: str
    queue: str
    call: Callable[[Sequence[Delivery]], Awaitable[list[Refused]]]
    done: Callable[[Sequence[Delivery]], None] = lambda _deliveries: None
    refused: Callable[[int], None] = lambda _count: None


class Gathered:
    """Sends settlements of one kind, ten in a call.

    An entry that is refused, or that the answer does not name, is sent again with jitter while its lease lasts. A call
    that is never answered is given up in time for another. When a message's end is known its lease is dropped.
    """

    def __init__(self, kind: Kind, leases: Held, *, dice: Callable[[], float], troubles: Troubles) -> None:
        self._kind = kind
        self._troubles = troubles
        self._leases = leases
        self._dice = dice
        self._waiting: list[Delivery] = []
        self._flushing: set[asyncio.Task[set[Delivery]]] = set()
        self._first_at = 0.0
        self._tries = Deadlines(LONGEST_TRY)
        self._timer: asyncio.TimerHandle | None = None
        self._abandoned = False
        self.given_up = 0
        """Messages so far whose lease ended before their settlement was carried out."""

    def add(self, delivery: Delivery) -> None:
        """Ask for a settlement; it is sent with others, soon."""
        if self._abandoned:
            return
        waiting = self._waiting
        waiting.append(delivery)
        if len(waiting) >= BATCH:
            self._flush()
        elif len(waiting) == 1:
            loop = asyncio.get_running_loop()
            self._first_at = loop.time()
            if self._timer is None:
                self._timer = loop.call_at(self._first_at + LINGER, self._look)

    async def at_once(self, deliveries: Sequence[Delivery]) -> set[Delivery]:
        """Settle these now, ten in a call, all calls at once; which of them the answers name as done."""
        if self._abandoned:
            return set()
        chunks = [deliveries[start : start + BATCH] for start in range(0, len(deliveries), BATCH)]
        done = await asyncio.gather(*(self._carry_through(chunk) for chunk in chunks))
        return set().union(*done)

    async def settled(self) -> None:
        """Send what waits and return when every settlement has had its end."""
        self._flush()
        while self._flushing:
            await asyncio.gather(*self._flushing, return_exceptions=True)

    def abandon(self) -> None:
        """Cut what is being sent, and send nothing from now on: the process goes on without this queue."""
        self._abandoned = True
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
        for task in self._flushing:
            task.cancel()

    def _look(self) -> None:
        """Whether the first that waits has waited long enough. The timer outlives the batches that were full before."""
        self._timer = None
        if not self._waiting:
            return
        loop = asyncio.get_running_loop()
        if loop.time() < self._first_at + LINGER:
            self._timer = loop.call_at(self._first_at + LINGER, self._look)
        else:
            self._flush()

    def _flush(self) -> None:
        batch, self._waiting = self._waiting, []
        for start in range(0, len(batch), BATCH):
            task = asyncio.create_task(self._carry_through(batch[start : start + BATCH]))
            self._flushing.add(task)
            task.add_done_callback(self._flushing.discard)

    async def _carry_through(self, batch: Sequence[Delivery]) -> set[Delivery]:
        done, left, pause = set[Delivery](), list(batch), FIRST_PAUSE
        while left:
            held = self._leases.held(left)
            if len(held) < len(left):
                self._kind.refused(len(left) - len(held))
                self._give_up([each for each in left if each not in held], why="lease ended")
            refused = await self._try(held) if held else []
            settled = held
            if refused:
                self._give_up([each.delivery for each in refused if each.lost], why="receipt handle is no longer valid")
                unsettled = {each.delivery for each in refused}
                settled = [each for each in held if each not in unsettled]
            done.update(settled)
            self._leases.drop(*settled)
            self._kind.done(settled)
            left = [each.delivery for each in refused if not each.lost]
            if left:
                await asyncio.sleep(self._jittered(pause, left))
                pause = min(pause * 2, LONGEST_PAUSE)
        return done

    async def _try(self, held: Sequence[Delivery]) -> list[Refused]:
        shortest = self._leases.settle(held)
        try:
            refused = await self._call(held, within=max(SHORTEST_PAUSE, shortest / 3))
        except Exception as error:
            refused = [Refused(each, code_of(error), lost=False) for each in held]
        finally:
            self._leases.unsettle(held)
        if refused:
            self._kind.refused(len(refused))
            codes = sorted({each.code for each in refused})
            if self._troubles.failed(self._kind.name, codes, whole=len(refused) == len(held)):
                log.warning(
                    "settlement_refused", kind=self._kind.name, queue=self._kind.queue, count=len(refused), codes=codes
                )
        else:
            self._troubles.succeeded(self._kind.name)
        return refused

    async def _call(self, held: Sequence[Delivery], *, within: float) -> list[Refused]:
        if within < LONGEST_TRY:
            async with asyncio.timeout(within):
                return await self._kind.call(held)
        with Deadline(self._tries):  # the same, at a quarter of the price
            return await self._kind.call(held)

    def _jittered(self, pause: float, left: Sequence[Delivery]) -> float:
        """Half to one and a half of `pause`, sooner where a lease would end before: there must be time to try again."""
        shortest = self._leases.shortest(left)
        return max(SHORTEST_PAUSE, min(pause, shortest / 2)) * (0.5 + self._dice())

    def _give_up(self, deliveries: Sequence[Delivery], *, why: str) -> None:
        self.given_up += len(deliveries)
        for each in deliveries:
            log.warning(
                "settlement_impossible",
                kind=self._kind.name,
                queue=self._kind.queue,
                message_id=each.message_id,
                why=why,
            )
            self._leases.drop(each)


class Deletes:
    """Deletes the finished messages of one queue.

    The id of finished work is remembered until a delete succeeded: a message that comes back although its work is done
    is deleted unread.
    """

    def __init__(
        self, queue: Queue, leases: Held, *, dice: Callable[[], float], troubles: Troubles | None = None
    ) -> None:
        self._queue = queue
        self._finished: OrderedDict[str, None] = OrderedDict()
        kind = Kind(
            name="delete",
            queue=queue.name,
            call=self._delete,
            done=self._forget,
            refused=lambda count: metrics.delete_failed(queue=queue.name, count=count),
        )
        self._gathered = Gathered(kind, leases, dice=dice, troubles=troubles or Troubles(queue.name))

    def add(self, delivery: Delivery) -> None:
        """Ask for a delete; it is sent with others, soon."""
        self.remember(delivery)
        self._gathered.add(delivery)

    async def at_once(self, delivery: Delivery) -> bool:
        """Delete one message and return when that has had its end: the order of a FIFO group waits for it. False where the
        message has not left, because its lease ended before.
        """
        self.remember(delivery)
        return delivery in await self._gathered.at_once([delivery])

    def was_finished(self, delivery: Delivery) -> bool:
        """True for a message whose work was done here before, and only its delete has not succeeded yet."""
        return delivery.message_id in self._finished

    async def settled(self) -> None:
        """Send what waits and return when every delete has had its end."""
        await self._gathered.settled()

    @property
    def given_up(self) -> int:
        """As Gathered.given_up."""
        return self._gathered.given_up

    def abandon(self) -> None:
        """Cut what is being sent."""
        self._gathered.abandon()

    async def _delete(self, deliveries: Sequence[Delivery]) -> list[Refused]:
        with tracing.settling(self._queue.name, how="delete", deliveries=deliveries):
            return await self._queue.delete(deliveries)

    def remember(self, delivery: Delivery) -> None:
        """The work of this message is done: if it comes back, it is only deleted."""
        self._finished[delivery.message_id] = None
        while len(self._finished) > REMEMBERED:
            self._finished.popitem(last=False)

    def _forget(self, deliveries: Sequence[Delivery]) -> None:
        for each in deliveries:
            self._finished.pop(each.message_id, None)
