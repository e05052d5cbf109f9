"""One invocation of Lambda's door: its records given to their roads, run in turns, and reported where they must stay."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import structlog

from shared.consumer import Consumer
from shared.message.delivery import Delivery, from_lambda
from shared.road.batches import cut
from shared.road.handling import cut_run
from shared.road.turns import Turns
from shared.worker import Fifo, Together

log = structlog.get_logger()

RELEASING = 15.0
"""Seconds of an invocation, at most, for hiding what failed, where SQS is silent: time for a second try after the longest first one.
What is not hidden then comes back with the queue's own timeout.
"""
CANCEL_SECONDS = 0.2
"""Seconds that a handler has to end when it is cut at the deadline."""


@dataclass(slots=True)
class Share:
    """What one consumer gets of an invocation. `ready` is to be handled, in order; `behind` stands behind a record of its
    FIFO group that could not be read, and must not overtake it.
    """

    consumer: Consumer
    ready: dict[str, Delivery] = field(default_factory=dict)
    behind: list[Delivery] = field(default_factory=list)
    is_fifo: bool = field(init=False)
    _stopped: set[str] = field(default_factory=set)
    _all_stopped: bool = False

    def __post_init__(self) -> None:
        self.is_fifo = isinstance(self.consumer.order, Fifo)

    def add(self, record: Mapping[str, Any]) -> None:
        """Raises KeyError, TypeError, ValueError, AttributeError or OverflowError where this is not a record."""
        delivery = from_lambda(record, queue=self.consumer.worker.queue)
        if self.is_fifo and not delivery.group:
            raise ValueError("a record of a FIFO queue without its group")
        if self.is_fifo and (self._all_stopped or delivery.group in self._stopped):
            self.behind.append(delivery)
            return
        known = self.ready.get(delivery.message_id)  # the same message twice is handled once, by its newest receipt
        if known is None or delivery.attempt >= known.attempt:
            self.ready[delivery.message_id] = delivery

    def stop(self, group: str | None) -> None:
        """Something unreadable stands here: in a FIFO queue it stops its group, or all where its group is unknown."""
        if not self.is_fifo:
            return
        if group is None:
            self._all_stopped = True
        else:
            self._stopped.add(group)


@dataclass(frozen=True, slots=True)
class Report:
    """`staying` are the ids for batchItemFailures, each once; `left` is how many messages may leave the queue; `goes_on`: a handler
    did not end when it was cut, and holds what it holds until it does.
    """

    staying: tuple[str, ...]
    left: int
    goes_on: bool = False


async def report(records: Sequence[Any], consumers: Sequence[Consumer], *, deadline: float) -> Report:
    """Take every record to its end, or to `deadline` (on the consumers' clock); what is unfinished then stays."""
    shares = [Share(each) for each in consumers]
    unreadable = _share_out(records, shares)
    busy = [_travel(share, deadline=deadline) for share in shares if share.ready or share.behind]
    answers = [await busy[0]] if len(busy) == 1 else await asyncio.gather(*busy)
    staying = [*unreadable, *(each.message_id for stays, _, _ in answers for each in stays)]
    goes_on = any(share_goes_on for _, _, share_goes_on in answers)
    return Report(tuple(dict.fromkeys(staying)), sum(left for _, left, _ in answers), goes_on)


def _share_out(records: Sequence[Any], shares: Sequence[Share]) -> list[str]:
    """Each record to the consumer of its queue; the ids of those that could not be read. Raises TypeError where no record
    has an id, for then nothing could be reported: no ids at all would tell that all of it is done.
    """
    unreadable: list[str] = []
    nameless = 0
    by_arn: dict[str, Share] = {}
    for record in records:
        try:
            arn = record["eventSourceARN"]
            if (share := by_arn.get(arn)) is None:
                share = by_arn[arn] = _of(_queue(record), shares)
            share.add(record)
        except (KeyError, ValueError, TypeError, AttributeError, OverflowError) as error:
            unreadable += (named := _named(record))
            nameless += not named
            _stop_behind(record, shares)
            log.warning("record_unreadable", error_type=type(error).__name__)
    if nameless and nameless == len(records):
        raise TypeError("no record has a `messageId`: this function reads from an SQS event source mapping")
    return unreadable


def _of(queue: str, shares: Sequence[Share]) -> Share:
    for share in shares:
        if share.consumer.resource_name == queue:
            return share
    raise ValueError("a record of a queue that no worker here reads")


def _stop_behind(record: Any, shares: Sequence[Share]) -> None:
    """Nothing may overtake what could not be read; what it does not say of itself is taken for the worst."""
    try:
        concerned = [share for share in shares if share.consumer.resource_name == _queue(record)]
    except (KeyError, TypeError):
        concerned = list(shares)
    for share in concerned:
        share.stop(_group(record))


def _queue(record: Any) -> str:
    return str(record["eventSourceARN"]).rsplit(":", 1)[-1]


def _group(record: Any) -> str | None:
    system = record.get("attributes") if isinstance(record, Mapping) else None
    group = system.get("MessageGroupId") if isinstance(system, Mapping) else None
    return group if isinstance(group, str) and group else None


def _named(record: Any) -> list[str]:
    """The id to report an unreadable record under; without one it cannot be reported, and must not sink the batch."""
    message_id = record.get("messageId") if isinstance(record, Mapping) else None
    return [message_id] if isinstance(message_id, str) and message_id else []


async def _travel(share: Share, *, deadline: float) -> tuple[list[Delivery], int, bool]:
    """Those that may not leave (failed, behind a failure, cut at the deadline, never started), how many may, and whether something
    goes on.
    """
    consumer, ready, leaving = share.consumer, list(share.ready.values()), set[Delivery]()
    clock, leases = consumer.clocks.lease, consumer.leases
    leases.take(*ready, *share.behind, until=deadline)
    goes_on = False
    if deadline > clock():  # else nothing is begun that could not be ended
        journeys = _journeys(consumer, ready, leaving, until=deadline)
        behind = [leases.give_back(share.behind)] if share.behind else []
        slots = await _begun(chain(journeys, behind))
        goes_on = await _until(deadline - clock(), slots)
        if len(leaving) < len(ready):  # what stays is to be hidden for its backoff
            left = min(RELEASING, max(0.01, deadline - clock()))
            await _until(left, [asyncio.ensure_future(leases.released())])
            if unsure := leases.releasing:
                log.warning("hide_unconfirmed", queue=consumer.worker.queue, count=unsure)
    leases.drop(*ready, *share.behind)
    # What was finished had done its work when it was cut.
    staying = [each for each in ready if each not in leaving and not consumer.deletes.was_finished(each)]
    if staying and clock() >= deadline:
        log.warning("cut_at_deadline", queue=consumer.worker.queue, count=len(staying))
    if goes_on:
        log.warning("work_outlives_invocation", queue=consumer.worker.queue)
    return staying + share.behind, len(ready) - len(staying), goes_on


async def _until(seconds: float, tasks: Sequence[asyncio.Task[None]]) -> bool:
    """Cut what has not ended then; whether some of it goes on all the same."""
    ended, late = set(tasks), {each for each in tasks if not each.done()}
    if late:
        ended, late = await asyncio.wait(tasks, timeout=max(0.0, seconds))
    for task in late:  # all of them at once: a slot that gets free now must not start another record
        cut_run(task, "the invocation ends")
    if late:
        await asyncio.wait(late, timeout=CANCEL_SECONDS)
    for error in [task.exception() for task in ended if not task.cancelled()]:
        if error is not None:
            log.error("road_broken", exc_info=error)
    return not all(task.done() for task in late)


async def _begun(journeys: Iterator[Coroutine[Any, Any, None]]) -> list[asyncio.Task[None]]:
    """The first goes alone until it waits for something. Where no handler waits it takes every record, without a task for each."""
    first = asyncio.ensure_future(next(journeys))
    await asyncio.sleep(0)
    return [first, *map(asyncio.ensure_future, journeys)]


def _journeys(
    consumer: Consumer, ready: Sequence[Delivery], leaving: set[Delivery], *, until: float
) -> Iterator[Coroutine[Any, Any, None]]:
    """As many as the worker may have at once, while any record waits; each takes what is next until nothing is, and adds to
    `leaving`.
    """
    worker = consumer.worker
    if isinstance(worker.do, Together):
        batches = deque(cut(ready, worker.do))
        for _ in range(min(worker.limits.concurrency, len(batches))):
            if batches:
                yield _batch_slot(consumer, batches, leaving, until=until)
        return
    turns = Turns(consumer.order)
    for each in ready:
        turns.arrive(each)
    for _ in range(min(worker.limits.concurrency, len(ready))):
        if turns.waiting:
            yield _slot(consumer, turns, leaving, until=until)


async def _slot(consumer: Consumer, turns: Turns, leaving: set[Delivery], *, until: float) -> None:
    """Where no group may start another message the slot ends: whoever ends one of that group takes its next."""
    # A handler that swallowed its cut ends here, and no record is begun that another invocation would find running.
    while consumer.clocks.lease() < until and (delivery := turns.next()) is not None:
        try:
            leaves = await consumer.pipeline.travel(delivery)
        except Exception:  # the pipeline turns every handler's error into an outcome: this one is ours
            log.exception("road_broken", queue=consumer.worker.queue)
            leaves = False
        if leaves:
            leaving.add(delivery)
        if behind := turns.end(delivery, stays=not leaves):
            await consumer.leases.give_back(behind)


async def _batch_slot(
    consumer: Consumer, batches: deque[list[Delivery]], leaving: set[Delivery], *, until: float
) -> None:
    while batches and consumer.clocks.lease() < until:
        batch = batches.popleft()
        try:
            answers = await consumer.pipeline.travel_together(batch)
        except Exception:  # as above; the other batches go on
            log.exception("road_broken", queue=consumer.worker.queue)
            continue
        leaving.update(each for each, leaves in zip(batch, answers, strict=True) if leaves)
