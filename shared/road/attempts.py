"""The attempts on one message, counted, run and judged. It is run again in hand while a dependency is down, or a FIFO group waits."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Any, assert_never

from shared.message.delivery import Delivery
from shared.outcome import Dead, Done, Outcome, Retry, Stalled
from shared.road.failure.breakers import met_in_run
from shared.road.failure.runs import Runs
from shared.road.failure.verdict import judge, spent
from shared.road.handling import Failed, Handling, Run
from shared.road.ports import Ports
from shared.worker import Fifo, Worker

IN_HAND = (1.0, 3.0)
"""Seconds before the second and third run of a FIFO message that failed: a short fault then costs the messages behind it, which
would have to go back into the queue, no receipt.
"""


class Attempts:
    """Of one worker's messages. Every message gets an outcome; only cancellation is raised.

    What counts, judges and waits (`failure/`) is entered where there is something to count, judge or wait for: a message
    that succeeds at its first receipt goes past all of it.
    """

    def __init__(self, worker: Worker[Any], ports: Ports) -> None:
        self.worker = worker
        self._handling = Handling(worker, ports)
        self._breakers = ports.breakers
        self._finished = ports.finished
        self._runs = Runs(ports.ledger, now=ports.now)
        self._in_hand = IN_HAND if isinstance(worker.order, Fifo) else ()

    async def outcome(self, delivery: Delivery) -> Outcome:
        """The outcome of one message."""
        again = 0
        while True:
            is_first = delivery.attempt <= 1 and not again
            number = 1 if is_first else await self._runs.begin(delivery, again=again)
            outcome = self._spent(number) if number > 1 else None
            outcome = outcome or await self._carry_through(delivery, number)
            if isinstance(outcome, Done):
                return outcome
            if not self._runs_again(outcome, again) or not await self._breakers.pause(self._in_hand[again]):
                await self._recount(delivery, outcome, again=again)
                return outcome
            again += 1

    async def outcomes(self, deliveries: Sequence[Delivery]) -> dict[Delivery, Outcome]:
        """The outcome of each message of a batch. Those that met a dependency which is down are run again, together."""
        numbers = dict.fromkeys(deliveries, 1)
        if again := [each for each in deliveries if each.attempt > 1]:
            numbers |= zip(again, await asyncio.gather(*map(self._runs.begin, again)), strict=True)
        outcomes: dict[Delivery, Outcome] = {
            each: dead for each, number in numbers.items() if (dead := self._spent(number)) is not None
        }
        left, tries = [each for each in deliveries if each not in outcomes], 0
        if self._breakers.open:
            await self._breakers.passage()
        while left:
            outcomes |= await self._run_together(left, numbers)
            left, tries = [each for each in left if isinstance(outcomes[each], Stalled)], tries + 1
            if left and not await self._breakers.wait(tries):
                break
        for each in left:
            if isinstance(stalled := outcomes[each], Stalled):
                outcomes[each] = stalled.unless_kept or stalled
        for each, outcome in outcomes.items():
            if isinstance(outcome, Done):
                self._finished(each)  # before anything is waited for: a lease that is lost now cuts this task
        if undone := [each for each, outcome in outcomes.items() if not isinstance(outcome, Done)]:
            await asyncio.gather(*(self._recount(each, outcomes[each]) for each in undone))
        return outcomes

    def _spent(self, number: int) -> Dead | None:
        return spent(number, self.worker) if number > self.worker.limits.max_attempts else None

    def _runs_again(self, outcome: Outcome, again: int) -> bool:
        failed = isinstance(outcome, Retry) and outcome.counts and outcome.after is None
        return failed and again < len(self._in_hand)

    async def _carry_through(self, delivery: Delivery, number: int) -> Outcome:
        """Run, and while a dependency is down, run again."""
        tries = 0
        try:
            if self._breakers.open:
                await self._breakers.passage()
            while True:
                met_in_run.set(met := set[str]())
                end = await self._handling.run(delivery)
                if isinstance(end, Done):
                    return end
                outcome, tries = self._judge(delivery, end, number, met), tries + 1
                if not isinstance(outcome, Stalled):
                    return outcome
                if not await self._breakers.wait(tries):
                    return outcome.unless_kept or outcome
        except asyncio.CancelledError:
            await self._runs.forget(delivery)
            raise

    async def _run_together(
        self, deliveries: Sequence[Delivery], numbers: dict[Delivery, int]
    ) -> dict[Delivery, Outcome]:
        try:
            met_in_run.set(met := set[str]())
            ends = await self._handling.run_together(deliveries)
        except asyncio.CancelledError:
            await asyncio.gather(*map(self._runs.forget, deliveries))
            raise
        return {each: self._judge(each, ends[each], numbers[each], met) for each in deliveries}

    def _judge(self, delivery: Delivery, end: Run, number: int, met: Collection[str]) -> Outcome:
        match end:
            case Done() | Dead():
                return end
            case Failed(error=error):
                return judge(error, worker=self.worker, run=number, attempt=delivery.attempt, down=met)
            case other:
                assert_never(other)

    async def _recount(self, delivery: Delivery, outcome: Outcome, *, again: int = 0) -> None:
        match outcome:
            case Stalled() | Retry(counts=False):
                await self._runs.forget(delivery)
            case Retry() if not again:
                await self._runs.failed(delivery)
            case Retry() | Done() | Dead():
                return
            case other:
                assert_never(other)
