"""The attempts on one message, counted, run and judged. It is run again in hand while a dependency is down, or a FIFO group waits."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, assert_never

from shared.message.delivery import Delivery
from shared.outcome import Dead, Done, Outcome, Retry, Stalled
from shared.road.failure.apart import first_start_apart
from shared.road.failure.breakers import Met, met_in_run
from shared.road.failure.runs import Runs
from shared.road.failure.verdict import judge, spent, spent_receipts
from shared.road.handling import LIMIT, Failed, Handling, Run
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
        self._needs = ports.needs
        self._finished = ports.finished
        self._runs = Runs(ports.ledger, now=ports.now)
        self._in_hand = IN_HAND if isinstance(worker.order, Fifo) else ()
        self._apart = ports.apart
        self._first_apart = first_start_apart(worker.limits.max_attempts)

    async def outcome(self, delivery: Delivery) -> Outcome:
        """The outcome of one message."""
        number = 1 if delivery.attempt <= 1 else await self._runs.begin(delivery)
        if number > 1 and await self._is_suspect(delivery, number):
            await self._runs.forget(delivery)  # it has not begun yet
            outcome = await self._outcome_alone(delivery)
        else:
            dead = self._spent(delivery, number) if number > 1 else None
            outcome = dead or await self._carry_through(delivery, number)
        if isinstance(outcome, Done):
            return outcome
        await self._recount(delivery, outcome, number)
        return await self._again_in_hand(delivery, outcome, number) if self._in_hand else outcome

    async def _again_in_hand(self, delivery: Delivery, outcome: Outcome, number: int) -> Outcome:
        """The outcome of a FIFO message that failed, after further runs in hand, which count as one with the first."""
        for seconds in self._in_hand:
            failed = isinstance(outcome, Retry) and outcome.counts and outcome.after is None
            if not failed or not await self._needs.pause(seconds):
                break
            outcome = await self._carry_through(delivery, number)
        return outcome

    async def outcomes(self, deliveries: Sequence[Delivery]) -> dict[Delivery, Outcome]:
        """The outcome of each message of a batch. Where all of them met a dependency which is down they are run again, together; a
        message at its last run is run by itself.
        """
        numbers = dict.fromkeys(deliveries, 1)
        if again := [each for each in deliveries if each.attempt > 1]:
            numbers |= zip(again, await asyncio.gather(*map(self._runs.begin, again)), strict=True)
        suspects = [each for each in again if await self._is_suspect(each, numbers[each])]
        await asyncio.gather(*map(self._runs.forget, suspects))  # they have not begun yet
        outcomes: dict[Delivery, Outcome] = {
            each: dead
            for each, number in numbers.items()
            if each not in suspects and (dead := self._spent(each, number)) is not None
        }
        # The last run of a message is its own: one event that makes the handler raise must not bury those beside it.
        last = [
            each
            for each in again
            if numbers[each] == self.worker.limits.max_attempts and each not in {*outcomes, *suspects}
        ]
        apart = {*outcomes, *suspects, *last}
        outcomes |= await self._carry_together([each for each in deliveries if each not in apart], numbers)
        for found in await asyncio.gather(*(self._carry_together([each], numbers) for each in last)):
            outcomes |= found
        for each in suspects:
            outcomes[each] = await self._outcome_alone(each, together=True)
        if undone := [each for each, outcome in outcomes.items() if not isinstance(outcome, Done)]:
            await asyncio.gather(*(self._recount(each, outcomes[each], numbers[each]) for each in undone))
        return outcomes

    async def _carry_together(
        self, deliveries: Sequence[Delivery], numbers: dict[Delivery, int]
    ) -> dict[Delivery, Outcome]:
        """Run, and while a dependency is down for all of them, run again."""
        outcomes: dict[Delivery, Outcome] = {}
        left, tries, probes = list(deliveries), 0, False
        if self._needs.opened and self._needs.down:
            probes = await self._needs.passage()
        while left:
            outcomes |= await self._run_together(left, numbers)
            if probes:
                self._needs.probed()
            left, tries = [each for each in left if isinstance(outcomes[each], Stalled)], tries + 1
            if left and (not _may_wait(left, outcomes) or not await self._needs.wait(tries)):
                break
        for each in left:
            if isinstance(stalled := outcomes[each], Stalled):
                outcomes[each] = stalled.unless_kept or stalled
        return outcomes

    async def forget(self, delivery: Delivery) -> None:
        """The last run of this message shall not count: its end could not be carried out."""
        await self._runs.forget(delivery)

    def _spent(self, delivery: Delivery, number: int) -> Dead | None:
        """The end of a message that is not run any more: the work may be begun once, and was. Where nothing counts its runs it may never
        have been run: then what failed was buried long before its last receipt, and only that receipt decides.
        """
        limits = self.worker.limits
        if self._runs.are_counted:
            return spent(number, self.worker) if number > limits.max_attempts == 1 else None
        is_last = delivery.attempt >= limits.max_receives > limits.max_attempts
        return spent_receipts(delivery.attempt, self.worker) if is_last else None

    async def _is_suspect(self, delivery: Delivery, number: int) -> bool:
        """Whether this message was begun several times, and not seen to end each time: it, or one beside it, ends the process."""
        first = self._first_apart
        return 1 < first <= number and await self._runs.ended(delivery) < number - first + 1

    async def _outcome_alone(self, delivery: Delivery, *, together: bool = False) -> Outcome:
        """The run of a suspect, while nothing else of this process runs: so the one that ends the process is the only one to be
        spent. What waits for a dependency does not run, and holds up nobody.
        """
        number, tries, probes = 0, 0, False
        if not together and self._needs.opened and self._needs.down:
            probes = await self._needs.passage()
        while True:
            async with self._apart.alone(at_most=self.worker.limits.timeout):
                number = number or await self._runs.begin(delivery)
                outcome = await self._run_of_suspect(delivery, number, together=together)
            tries += 1
            if probes:
                self._needs.probed()
            if together or not isinstance(outcome, Stalled):
                return outcome
            try:
                if not await self._needs.wait(tries):
                    return outcome.unless_kept or outcome
            except asyncio.CancelledError as cut:
                await self._recount_cut([delivery], cut)
                raise

    async def _run_of_suspect(self, delivery: Delivery, number: int, *, together: bool) -> Outcome:
        """Only the runs that began here bury it: a process that another message ended meanwhile spends nobody's."""
        if await self._runs.begin_alone(delivery) > self.worker.limits.max_attempts - self._first_apart + 1:
            return spent(number, self.worker)
        try:
            outcome = await self._run_alone(delivery, number, together=together)
        except asyncio.CancelledError as cut:
            if LIMIT not in cut.args:
                await self._runs.forget_alone(delivery)
            raise
        if isinstance(outcome, Done):
            self._finished(delivery)
            # The next suspect may end the process before this one's delete is sent.
            await asyncio.gather(self._runs.forget(delivery), self._runs.forget_alone(delivery))
        elif not isinstance(outcome, Dead):
            await self._runs.forget_alone(delivery)
        return outcome

    async def _run_alone(self, delivery: Delivery, number: int, *, together: bool) -> Outcome:
        if together:
            return (await self._run_together([delivery], {delivery: number}, alone=True))[delivery]
        return await self._carry_through(delivery, number, alone=True)

    async def _carry_through(self, delivery: Delivery, number: int, *, alone: bool = False) -> Outcome:
        """Run, and while a dependency is down, run again. What is `alone` is run once."""
        apart, tries, probes = self._apart, 0, False
        met_in_run.set(met := Met())
        met.message = delivery.message_id
        try:
            if self._needs.opened and self._needs.down and not alone:
                probes = await self._needs.passage()
            while True:
                met.clear()
                while apart.held is not None and not alone:
                    await self._stand_back([delivery])
                apart.beside += 1
                try:
                    end = await self._handling.run(delivery)
                finally:
                    apart.beside -= 1
                    if apart.quiet is not None and not apart.beside:
                        apart.quiet.set()
                    if probes:
                        self._needs.probed()
                if isinstance(end, Done):
                    return end
                outcome, tries = self._judge(delivery, end, number, met), tries + 1
                if alone or not isinstance(outcome, Stalled):
                    return outcome
                if not await self._needs.wait(tries):
                    return outcome.unless_kept or outcome
        except asyncio.CancelledError as cut:
            await self._recount_cut([delivery], cut)
            raise

    async def _run_together(
        self, deliveries: Sequence[Delivery], numbers: dict[Delivery, int], *, alone: bool = False
    ) -> dict[Delivery, Outcome]:
        apart = self._apart
        met_in_run.set(met := Met())
        met.message = deliveries[0].message_id if len(deliveries) == 1 else ""
        try:
            while apart.held is not None and not alone:
                await self._stand_back(deliveries)
            apart.beside += 1
            try:
                ends = await self._handling.run_together(deliveries)
            finally:
                apart.beside -= 1
                if apart.quiet is not None and not apart.beside:
                    apart.quiet.set()
        except asyncio.CancelledError as cut:
            await self._recount_cut(deliveries, cut)
            raise
        outcomes = {each: self._judge(each, ends[each], numbers[each], met) for each in deliveries}
        for each, outcome in outcomes.items():
            if isinstance(
                outcome, Done
            ):  # before anything is waited for: what cuts this task then must not have it run again
                self._finished(each)
        return outcomes

    async def _stand_back(self, deliveries: Sequence[Delivery]) -> None:
        """What the end of the process finds waiting has not begun, and its runs are not counted meanwhile."""
        await asyncio.gather(*map(self._runs.forget, deliveries))
        try:
            await self._apart.passage()
        finally:  # also where it is cut: what ends by that is taken back as every run is
            await asyncio.gather(*map(self._runs.begin, deliveries))

    async def _recount_cut(self, deliveries: Sequence[Delivery], cut: asyncio.CancelledError) -> None:
        """A run that was cut does not count, but for one that took longer than its worker allows."""
        record = self._runs.failed if LIMIT in cut.args else self._runs.forget
        await asyncio.gather(*map(record, deliveries))

    def _judge(self, delivery: Delivery, end: Run, number: int, met: Met) -> Outcome:
        if met:
            self._needs.meets(met)
        match end:
            case Done() | Dead():
                return end
            case Failed(error=error):
                return judge(error, worker=self.worker, run=number, attempt=delivery.attempt, down=met)
            case other:
                assert_never(other)

    async def _recount(self, delivery: Delivery, outcome: Outcome, number: int) -> None:
        match outcome:
            case Stalled() | Retry(counts=False):
                await self._runs.forget(delivery)
            case Retry():
                await self._runs.failed(delivery)
                if 0 < self._first_apart - 1 <= number < self.worker.limits.max_attempts:
                    await self._runs.note_end(delivery)
            case Done() | Dead():
                return
            case other:
                assert_never(other)


def _may_wait(left: Sequence[Delivery], outcomes: dict[Delivery, Outcome]) -> bool:
    """What is done does not wait for what is not: it would run again if this process ended now. But where it is the last
    receipt of what is not, it does.
    """
    stalled = [outcome for each in left if isinstance(outcome := outcomes[each], Stalled)]
    return len(left) == len(outcomes) or any(each.unless_kept for each in stalled)
