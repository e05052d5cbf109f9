"""What comes of a message: its body fetched if it lies in S3, read, claimed, handled, and whatever went wrong judged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic

from shared.message.delivery import Delivery
from shared.message.pointer import OFF, Payloads, is_claimed
from shared.outcome import Dead, Done, Outcome, Reject, Retry, returned
from shared.road.deadlines import Deadlines
from shared.road.ledger import Ledger
from shared.road.once import Once
from shared.road.verdict import judge, unreadable
from shared.worker import Event, Worker


class Handling(Generic[Event]):
    """One worker's work: every message has an outcome, and nothing is raised but the cancellation of the whole."""

    def __init__(
        self,
        worker: Worker[Event],
        ledger: Ledger | None,
        payloads: Payloads | None,
        *,
        dice: Callable[[], float],
        now: Callable[[], float],
    ) -> None:
        if worker.key is not None and ledger is None:
            raise ValueError(f"worker {worker.name}: an event with a key needs a ledger")
        self._worker = worker
        self._ledger = ledger
        self._payloads = payloads
        self._dice = dice
        self._now = now
        self._deadlines = Deadlines(worker.timeout)

    async def outcome(self, delivery: Delivery) -> Outcome:
        """Of one message."""
        if self._payloads is not None and is_claimed(delivery.attributes):
            return await self._outcome_of_fetched(self._payloads, delivery)
        try:
            event = self._worker.decode(delivery)
        except Exception as error:
            return self._unread(error, delivery)
        return await self._outcome_of_event(delivery, event)

    async def outcomes(self, deliveries: Sequence[Delivery]) -> dict[Delivery, Outcome]:
        """Of each message of a batch, inside one timeout for all."""
        outcomes: dict[Delivery, Outcome] = {}
        events: dict[Delivery, Event] = {}
        ends = asyncio.get_running_loop().time() + self._worker.timeout
        fetched = await self._fetched(self._payloads, deliveries) if self._payloads is not None else {}
        for delivery in deliveries:
            match fetched.get(delivery, delivery):
                case Delivery() as whole:
                    try:
                        events[delivery] = self._worker.decode(whole)
                    except Exception as error:
                        outcomes[delivery] = self._unread(error, delivery)
                case failed:
                    outcomes[delivery] = failed
        return outcomes | await self._outcomes_of_events(events, ends=ends)

    async def _outcome_of_event(self, delivery: Delivery, event: Event) -> Outcome:
        try:
            await self._handled(delivery, event)
        except BaseException as error:
            return self._judged(error, delivery)
        return Done()

    async def _outcome_of_fetched(self, payloads: Payloads, delivery: Delivery) -> Outcome:
        """The body is in S3: to have it is part of the work, inside its timeout; not to have it is judged as its failure."""
        try:
            async with asyncio.timeout(self._worker.timeout):
                whole = await payloads.unpack(delivery)
                try:
                    event = self._worker.decode(whole)
                except Exception as error:
                    return self._unread(error, whole)
                return await self._outcome_of_event(whole, event)
        except BaseException as error:
            return self._judged(error, delivery)

    async def _fetched(self, payloads: Payloads, deliveries: Sequence[Delivery]) -> dict[Delivery, Delivery | Outcome]:
        """What lies in S3 of a batch: each whole, or judged."""

        async def fetch(delivery: Delivery) -> Delivery | Outcome:
            try:
                async with asyncio.timeout(self._worker.timeout):
                    return await payloads.unpack(delivery)
            except BaseException as error:
                return self._judged(error, delivery)

        claimed = [each for each in deliveries if is_claimed(each.attributes)]
        return dict(zip(claimed, await asyncio.gather(*map(fetch, claimed)), strict=True))

    async def _outcomes_of_events(self, events: dict[Delivery, Event], *, ends: float) -> dict[Delivery, Outcome]:
        if not events:
            return {}
        assert self._worker.handle_batch is not None
        results: object
        try:
            async with asyncio.timeout_at(ends):
                results = await self._worker.handle_batch(list(events.values()))
        except BaseException as error:
            results = [error] * len(events)
        pairs = zip(events, _one_each(results, len(events)), strict=True)
        return {each: Done() if error is None else self._judged(error, each) for each, error in pairs}

    async def _handled(self, delivery: Delivery, event: Event) -> None:
        if self._worker.key is not None and self._ledger is not None:
            await Once(self._worker, self._ledger, delivery, event, dice=self._dice, now=self._now).done()
            return
        assert self._worker.handle is not None
        with self._deadlines.one():
            returned(await self._worker.handle(event))

    def _unread(self, error: Exception, delivery: Delivery) -> Retry | Dead:
        if self._payloads is None and is_claimed(delivery.attributes):
            return unreadable(Reject(OFF), worker=self._worker.name)  # it is only a pointer
        if self._worker.decode_errors == "permanent":
            return unreadable(error, worker=self._worker.name)
        return self._judged(error, delivery)

    def _judged(self, error: BaseException, delivery: Delivery) -> Retry | Dead:
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
            raise error  # we are being cut: lease lost or drain over; a handler's own CancelledError is its failure
        return judge(error, worker=self._worker.name, attempt=delivery.attempt, max_attempts=self._worker.max_attempts)


def _one_each(results: object, count: int) -> list[BaseException | None]:
    """What a batch handler answered, event by event; an answer of another type fails those that it was given for."""
    if not isinstance(results, Sequence) or len(results) != count:
        return [TypeError("handle_batch must return one result for each event")] * count
    wrong = TypeError("a result of handle_batch is None or an exception")
    return [each if each is None or isinstance(each, BaseException) else wrong for each in results]
