"""Known mistakes, planted one by one: each must be found by the runs of its profile."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from shared.container.gather import Gather
from shared.container.intake import Intake
from shared.container.poller import Poller
from shared.limits import Slots
from shared.outcome import Dead, Done, Retry, Stalled
from shared.road.attempts import Attempts
from shared.road.endings import Endings
from shared.road.failure.apart import Apart
from shared.road.failure.runs import Runs
from shared.road.handling import Handling
from shared.road.ledger import Claimed, DynamoDbLedger
from shared.road.pipeline import Pipeline
from shared.road.turns import Turns
from shared.settlement.gathered import Deletes
from shared.settlement.leases import Leases
from shared.sqs.payloads import S3Payloads
from shared.sqs.queue import SqsQueue
from shared.worker import Fifo

Make = Callable[[Callable[..., Any]], Callable[..., Any]]
"""From the right function to the wrong one."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """`owner.name` is replaced by what `make` makes of it, while runs of `profile` look for it, with this kind of
    worker, or with any."""

    profile: str
    owner: type
    name: str
    make: Make
    worker: str = ""

    @contextmanager
    def planted(self) -> Iterator[None]:
        right = self.owner.__dict__[self.name]
        function: Any = right.fget if isinstance(right, property) else right
        wrong = self.make(function)
        setattr(self.owner, self.name, property(wrong) if isinstance(right, property) else wrong)
        try:
            yield
        finally:
            setattr(self.owner, self.name, right)


def instead(answer: Any) -> Make:
    """Does nothing, and answers this."""
    return lambda _: lambda *_arguments, **_options: answer


def instead_async(answer: Any) -> Make:
    def make(_right: Callable[..., Any]) -> Callable[..., Any]:
        async def wrong(*_arguments: Any, **_options: Any) -> Any:
            return answer

        return wrong

    return make


def then(answer: Any) -> Make:
    """Does what is right, whatever comes of it, and answers this."""

    def make(right: Callable[..., Any]) -> Callable[..., Any]:
        async def wrong(*arguments: Any, **options: Any) -> Any:
            try:
                await right(*arguments, **options)
            except Exception:  # noqa: BLE001 - that is the mistake
                return answer
            return answer

        return wrong

    return make


def with_arguments(change: Callable[..., Any]) -> Make:
    """Is called with other arguments: `change` answers the positional ones."""
    return lambda right: lambda self, *arguments, **options: right(self, *change(*arguments), **options)


def _dated_late(right: Callable[..., Any]) -> Callable[..., Any]:
    async def wrong(self: Any, **options: Any) -> Any:
        return [replace(each, received_at=self._clock()) for each in await right(self, **options)]

    return wrong


def _ends_at_the_first_error(right: Callable[..., Any]) -> Callable[..., Any]:
    async def wrong(self: Leases) -> None:
        await self._until_one_is_near()
        self._extend([lease for lease in self._leases.values() if self._is_near(lease)])
        await asyncio.Event().wait()

    return wrong


def _for_ever(_right: Callable[..., Any]) -> Callable[..., Any]:
    async def wrong(_self: Any) -> None:
        await asyncio.Event().wait()

    return wrong


def _never_cut(right: Callable[..., Any]) -> Callable[..., Any]:
    async def wrong(self: Any, *, deadline: float) -> None:
        await right(self, deadline=deadline + 600.0)

    return wrong


def _ends_late(right: Callable[..., Any]) -> Callable[..., Any]:
    async def wrong(self: Any, stop: asyncio.Event) -> None:
        await right(self, stop)
        await asyncio.sleep(60.0)

    return wrong


def _drops(_right: Callable[..., Any]) -> Callable[..., Any]:
    async def wrong(self: Leases, deliveries: Any) -> None:
        for each in deliveries:
            self.drop(each)

    return wrong


def _drops_one(_right: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, delivery, _seconds: self.drop(delivery)


def _one_too_many(right: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(self: Any, *arguments: Any) -> None:
        right(self, *arguments)
        self._concurrency += 1

    return wrong


def _newest_first(right: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(self: Turns) -> Any:
        for queue in self.waiting.values():
            queue.reverse()
        return right(self)

    return wrong


def _without_limit(right: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(self: Turns) -> Any:
        self._at_once = 99
        return right(self)

    return wrong


def _reversed(right: Callable[..., Any]) -> Callable[..., Any]:
    async def wrong(self: Any, deliveries: Any) -> Any:
        return [*reversed(await right(self, deliveries))]

    return wrong


def _raises(_right: Callable[..., Any]) -> Callable[..., Any]:
    async def wrong(_self: Any, error: Exception, **_options: Any) -> None:
        raise error

    return wrong


def _soon(right: Callable[..., Any]) -> Callable[..., Any]:
    async def wrong(self: Deletes, delivery: Any) -> bool:
        asyncio.get_running_loop().call_later(2.0, self.add, delivery)
        return True

    return wrong


def _left_to_sqs(right: Callable[..., Any]) -> Callable[..., Any]:
    async def wrong(self: Attempts, delivery: Any) -> Any:
        outcome = await right(self, delivery)
        return Retry("wrong", run=delivery.attempt) if isinstance(outcome, Dead) and delivery.attempt > 1 else outcome

    return wrong


def _blamed(right: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(self: Attempts, delivery: Any, end: Any, number: int, down: Any) -> Any:
        outcome = right(self, delivery, end, number, down)
        if not isinstance(outcome, Stalled):
            return outcome
        return Dead("Wrong", "", "0" * 16) if number >= self.worker.limits.max_attempts else Retry("wrong", run=number)

    return wrong


def _beside_others(_right: Callable[..., Any]) -> Callable[..., Any]:
    @asynccontextmanager
    async def wrong(_self: Apart, **_options: Any) -> AsyncIterator[None]:
        yield

    return wrong


async def _as_it_is(_self: Any, delivery: Any) -> Any:
    return delivery


MISTAKES: dict[str, Mistake] = {
    "a lost lease still counts as held": Mistake("frozen", Leases, "holds", instead(True)),
    "leases are never extended": Mistake("calm", Leases, "keep", _for_ever),
    "extensions end after the first": Mistake("calm", Leases, "keep", _ends_at_the_first_error),
    "refused extensions count as done": Mistake("storm", SqsQueue, "extend", then([])),
    "a lease is dated from the answer": Mistake("frozen", SqsQueue, "receive", _dated_late),
    "a lost lease does not cut its handler": Mistake("queue-out", Leases, "assign", instead(None)),
    "refused deletes count as done": Mistake("refusals", SqsQueue, "delete", then([])),
    "what was never handled counts as finished": Mistake("calm", Deletes, "was_finished", instead(True)),
    "a failure counts as done": Mistake("calm", Attempts, "_judge", instead(Done())),
    "a failure is final": Mistake("calm", Attempts, "_judge", instead(Dead("Wrong", "", "0" * 16))),
    "what cannot be read is tried for ever": Mistake("calm", Handling, "_unread", instead(Retry("wrong"))),
    "a poison message is only deleted": Mistake("calm", Endings, "bury", instead_async(None)),
    "a letter has no reason": Mistake("calm", SqsQueue, "bury", with_arguments(lambda each: [replace(each, attributes={})])),
    "a letter that was not taken counts as sent": Mistake("calls", SqsQueue, "bury", then(None)),
    "the last attempt is left to SQS": Mistake("calm", Attempts, "outcome", _left_to_sqs),
    "runs are not counted": Mistake("calm", Runs, "begin", instead_async(1), worker="keyed"),
    "a dependency that is down counts as a failure": Mistake("ledger-out", Attempts, "_judge", _blamed),
    "a suspect runs beside others": Mistake("killers", Apart, "alone", _beside_others, worker="fair"),
    "a FIFO tail overtakes": Mistake("calm", Turns, "end", lambda right: lambda self, each, **_: right(self, each, stays=False)),
    "a FIFO successor does not wait for the delete": Mistake("killed", Deletes, "at_once", _soon, worker="fifo"),
    "two of a FIFO group run at once": Mistake("calm", Fifo, "at_once", instead(2)),
    "the newest of a group goes first": Mistake("calm", Turns, "next", _newest_first),
    "a fair share is not kept": Mistake("calm", Turns, "next", _without_limit),
    "one handler more than slots": Mistake("calm", Poller, "__init__", _one_too_many),
    "a slot is lost with each poll": Mistake("calm", Slots, "give", with_arguments(lambda count: [max(0, count - 1)])),
    "a drain keeps what was not started": Mistake("leaving", Leases, "give_back", _drops),
    "a drain does not wait for deletes": Mistake("leaving", Deletes, "settled", instead_async(None)),
    "a drain does not cut": Mistake("killed", Poller, "_drain", _never_cut),
    "a drain leaves handlers behind": Mistake("leaving", Poller, "_drain", instead_async(None)),
    "a process ends late": Mistake("calm", Poller, "run", _ends_late),
    "a gathered batch is dropped at the end": Mistake("leaving", Gather, "take_all", instead([]), worker="batch"),
    "a claim is never refused": Mistake("calm", DynamoDbLedger, "claim", instead_async(Claimed())),
    "a completion is not written": Mistake("calm", DynamoDbLedger, "complete", instead_async(True)),
    "a stored answer is not looked at": Mistake("calm", DynamoDbLedger, "_look_at_holder", instead_async(Claimed())),
    "patience is ignored": Mistake("calm", Endings, "_hide", with_arguments(lambda each, _seconds: [each, 1.0])),
    "nothing is hidden": Mistake("calm", Leases, "hide", _drops_one),
    "the answers of a batch are mixed up": Mistake("calm", Pipeline, "travel_together", _reversed, worker="batch"),
    "a failed poll ends the process": Mistake("calls", Intake, "_pause", _raises),
    "a body in S3 is not fetched": Mistake("calm", S3Payloads, "unpack", lambda _: _as_it_is),
}  # fmt: skip
"""What went wrong in one consumer or another, this one included."""
