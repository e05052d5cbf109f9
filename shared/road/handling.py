"""One run of the work on a message: fetch its body from S3, decode, claim, handle within the timeout; report what went wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any
from weakref import WeakKeyDictionary

from shared.message.delivery import Delivery
from shared.message.pointer import OFF, Payloads, is_pointer, weight
from shared.outcome import Contended, Dead, Done, Later, Reject, Retry, Stalled, Unavailable
from shared.road.failure.verdict import others_trouble, unreadable
from shared.road.once import KeyedWork
from shared.road.ports import Ports
from shared.telemetry.message_log import correlate
from shared.telemetry.troubles import Troubles
from shared.worker import Worker

OBJECTIONS = (BaseException, Done, Retry, Dead, Stalled)
LEFT = "the process leaves"  # a cancellation without a reason is the handler's own
LIMIT = "limit"
"""The reason for which leases cut a run that took longer than its worker allows: the only cut that counts."""
_cuts: WeakKeyDictionary[asyncio.Task[Any], str] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Failed:
    """A run that ended with an error that has not been judged yet."""

    error: BaseException


Run = Done | Dead | Failed
"""How one run ended."""


class Handling:
    """One worker's work. Every run has an end; only cancellation is raised."""

    def __init__(self, worker: Worker[Any], ports: Ports) -> None:
        if worker.once is not None and ports.ledger is None:
            raise ValueError(f"worker {worker.name}: Once.key needs a ledger: set LEDGER_TABLE_NAME")
        self.worker = worker
        self._ports = ports
        self._payloads = ports.payloads
        self._handle: Any = worker.do.handle
        self._once = worker.once
        self._has_correlation = worker.correlation is not None
        self._deadlines = Deadlines(worker.limits.timeout, ports.troubles)

    async def run(self, delivery: Delivery) -> Run:
        """Run the work on one message."""
        if self._payloads is not None and is_pointer(delivery.attributes):
            async with self._ports.budget.read(weight(delivery)):
                return await self._run_fetched(self._payloads, delivery)
        if not self._ports.holds(delivery):  # it ended while its run was counted: somebody else has the message
            return Failed(_lease_ended())
        try:
            event = self.worker.decode(delivery)
            if self._has_correlation:
                correlate(self.worker.correlation_in(event))
        except Exception as error:
            return self._unread(error, delivery)
        try:
            await self._do(delivery, event, receipt=delivery)
        except BaseException as error:
            return await failed(error)
        return Done()

    async def run_together(self, deliveries: Sequence[Delivery]) -> dict[Delivery, Run]:
        """Run the work on each message of a batch, inside one timeout for all; it begins when there is room for its bodies."""
        in_s3 = (each for each in deliveries if self._payloads is not None and is_pointer(each.attributes))
        async with self._ports.budget.read(sum(map(weight, in_s3))):
            return await self._run_together(deliveries)

    async def _run_together(self, deliveries: Sequence[Delivery]) -> dict[Delivery, Run]:
        ended: dict[Delivery, Run] = {}
        events: dict[Delivery, Any] = {}
        ends = asyncio.get_running_loop().time() + self.worker.limits.timeout
        fetched = await self._fetch_bodies(self._payloads, deliveries) if self._payloads is not None else {}
        for delivery in deliveries:
            if not self._ports.holds(delivery):  # it ended while the batch waited for a slot
                ended[delivery] = Failed(_lease_ended())
                continue
            match fetched.get(delivery, delivery):
                case Delivery() as whole:
                    try:
                        events[delivery] = self.worker.decode(whole)
                    except Exception as error:
                        ended[delivery] = self._unread(error, delivery)
                case end:
                    ended[delivery] = end
        return ended | await self._run_events(events, ends=ends)

    async def _do(self, whole: Delivery, event: Any, *, receipt: Delivery) -> None:
        """`whole` is the receipt with its body, also where that was in S3."""
        if self._once is not None:
            await KeyedWork(self.worker, self._ports, whole, event, partial(self._answer_in_time, receipt)).do()
        else:
            with Deadline(self._deadlines):
                _checked(await self._handle(event))

    async def _run_fetched(self, payloads: Payloads, delivery: Delivery) -> Run:
        """The body is in S3. Fetching it is part of the work and of its timeout; failing to fetch it is a failure of the work."""
        whole = None
        try:
            async with asyncio.timeout(self.worker.limits.timeout):
                whole = await payloads.unpack(delivery)
                if not self._ports.holds(delivery):
                    return Failed(_lease_ended())
                try:
                    event = self.worker.decode(whole)
                    if self._has_correlation:
                        correlate(self.worker.correlation_in(event))
                except Exception as error:
                    return self._unread(error, whole)
                await self._do(whole, event, receipt=delivery)
        except BaseException as error:  # outside of the limit, which makes a TimeoutError of its own cancellation
            return await failed(error if whole is not None else _of_fetching(error))
        return Done()

    async def _fetch_bodies(self, payloads: Payloads, deliveries: Sequence[Delivery]) -> dict[Delivery, Delivery | Run]:
        """Fetch the bodies of a batch that lie in S3: each whole, or the failure."""

        async def fetch(delivery: Delivery) -> Delivery | Run:
            try:
                async with asyncio.timeout(self.worker.limits.timeout):
                    return await payloads.unpack(delivery)
            except BaseException as error:
                return await failed(_of_fetching(error))

        pointers = [each for each in deliveries if is_pointer(each.attributes)]
        return dict(zip(pointers, await asyncio.gather(*map(fetch, pointers)), strict=True))

    async def _run_events(self, events: dict[Delivery, Any], *, ends: float) -> dict[Delivery, Run]:
        if not events:
            return {}
        results: object
        run, task, troubles = object(), asyncio.current_task(), self._ports.troubles
        assert task is not None
        cut = asyncio.get_running_loop().call_at(ends, troubles.cut, run, task)
        try:
            async with asyncio.timeout_at(ends):
                results = await self._handle(list(events.values()))
        except BaseException as error:
            results = [(await failed(error)).error] * len(events)
        finally:
            cut.cancel()
            troubles.ended(run)
        pairs = zip(events, _one_each(results, len(events)), strict=True)
        is_cut = _cuts.get(task, LIMIT) != LIMIT
        return {each: Done() if error is None else _answered(error, is_cut=is_cut) for each, error in pairs}

    async def _answer_in_time(self, receipt: Delivery, event: Any) -> object:
        if not self._ports.holds(receipt):  # it ended while its key was claimed, or this process stood still meanwhile
            raise _lease_ended()
        with Deadline(self._deadlines):
            return _checked(await self._handle(event))

    def _unread(self, error: Exception, delivery: Delivery) -> Run:
        if self._payloads is None and is_pointer(delivery.attributes):
            return unreadable(Reject(OFF), worker=self.worker.name)  # it is only a pointer
        if self.worker.decode_errors == "permanent" and others_trouble(error) is None:
            return unreadable(error, worker=self.worker.name)
        return Failed(error)


def cut_run(task: asyncio.Task[Any], reason: str) -> None:
    """Cancel what runs on a message, for a reason that is not the message's: whatever its handler makes of that is no failure of it."""
    _cuts[task] = reason
    task.cancel(reason)


async def failed(error: BaseException) -> Failed:
    """The end of a run that raised. Raises asyncio.CancelledError where we are being cut (a lost lease, the end of a drain): whoever
    cuts says why, and what a handler raises in its place, as in its cleanup, says nothing of the message, unless it is a Reject or
    Later. So does a CancelledError without the reason, which `gather`, a task in between and a second timer make of it. Where nobody
    cuts, a handler's own CancelledError, and its cancellation of its own task, are its failure.
    """
    task = asyncio.current_task()
    if task is not None and task in _cuts and not isinstance(error, Reject | Later):
        raise asyncio.CancelledError(_cuts[task]) from error
    if task is None or not task.cancelling():
        return Failed(error)
    if not isinstance(error, asyncio.CancelledError):
        try:
            await asyncio.sleep(0)  # where it has not arrived yet, it does here and not in the midst of what follows
        except asyncio.CancelledError as late:
            if late.args:
                raise
    elif error.args:
        raise error
    while task.uncancel():
        pass
    return Failed(error)


def _answered(error: BaseException, *, is_cut: bool) -> Failed:
    """What a batch handler answered of one event; while it is cut, that says as little of the message as what it raises."""
    return Failed(
        Contended("its run was cut", after=0.0) if is_cut and not isinstance(error, Reject | Later) else error
    )


def _lease_ended() -> Contended:
    """Somebody else has the message, or will have it at once."""
    return Contended("its lease has ended", after=0.0)


def _of_fetching(error: BaseException) -> BaseException:
    """A body that did not come in time is S3's trouble, however short the time was: nothing of the message has been read."""
    if not isinstance(error, TimeoutError):
        return error
    silent = Unavailable("its body in S3 did not come in time", code="ReadTimeoutError")
    silent.__cause__ = error
    return silent


def _checked(answer: object) -> object:
    """What a handler returned. Raises TypeError for an objection or outcome: it must not pass for work that is done."""
    if isinstance(answer, OBJECTIONS):
        raise TypeError("a handler raises its objections, it does not return them")
    return answer


def _one_each(results: object, count: int) -> list[BaseException | None]:
    """What a batch handler answered, event by event; an answer of another type fails those that it was given for."""
    if not isinstance(results, Sequence) or len(results) != count:
        return [TypeError("handle_batch must return one result for each event")] * count
    wrong = TypeError("a result of handle_batch is None or an exception")
    return [each if each is None or isinstance(each, BaseException) else wrong for each in results]


class Deadlines:
    """Cuts blocks that take longer than `seconds`: `with Deadline(deadlines):` does what `async with asyncio.timeout(seconds)`
    does, without a timer for each message. One instance for one loop. `troubles` hear of blocks that were cut.
    """

    def __init__(self, seconds: float, troubles: Troubles | None = None) -> None:
        self.seconds = seconds
        self.troubles = troubles
        self.running: dict[Deadline, None] = {}
        """In the order of their ends."""
        self.timer: asyncio.TimerHandle | None = None

    def look(self) -> None:
        """Cut what has reached its end, and look again at the next one's."""
        self.timer = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        for deadline in [*self.running]:
            if deadline.ends > now:
                self.timer = loop.call_at(deadline.ends, self.look)
                return
            del self.running[deadline]
            deadline.cut()


class Deadline:
    """One block's limit, from the moment the current task enters it: raises TimeoutError in its place where it was cut, and
    leaves others' cancellations alone.
    """

    __slots__ = ("_all", "_cancels", "_cut", "_task", "ends")

    def __init__(self, deadlines: Deadlines) -> None:
        self._all = deadlines
        self._cut = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._cancels = task.cancelling()
        loop, deadlines = asyncio.get_running_loop(), self._all
        self.ends = loop.time() + deadlines.seconds
        deadlines.running[self] = None
        if deadlines.timer is None:
            deadlines.timer = loop.call_at(self.ends, deadlines.look)

    def cut(self) -> None:
        self._cut = True
        self._task.cancel()
        if self._all.troubles is not None:
            self._all.troubles.cut(self, self._task)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._all.running.pop(self, None)
        if self._cut and self._all.troubles is not None:
            self._all.troubles.ended(self)
        # As asyncio.timeout does: a cancellation that was not ours stays one, also when ours came beside it.
        if self._cut and self._task.uncancel() <= self._cancels and kind is asyncio.CancelledError:
            raise TimeoutError from error
