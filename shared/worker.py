"""What a worker is: a frozen value that says what it reads, how it reads it and what it does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from shared.backoff import LONGEST_VISIBILITY_TIMEOUT, Backoff
from shared.message.delivery import Delivery

Event = TypeVar("Event")

BatchResult = Sequence[Exception | None]
"""One entry for each event, in order: None is done, an exception is judged as if a handler had raised it."""

TAKEN = frozenset({"audit", "control", "replay"})
"""First parts of keys in the ledger's table that are no workers'."""


@dataclass(frozen=True, slots=True)
class Batch:
    """When a batch handler is called: at `count` messages, at `bytes` of bodies or `seconds` after the first came."""

    count: int = 100
    bytes: int = 4 * 1024 * 1024
    seconds: float = 5.0


@dataclass(frozen=True, kw_only=True)  # no slots: with them, Worker[X](...) fails inside typing on Python 3.11
class Worker(Generic[Event]):
    """One consumer of one queue. Exactly one of `handle` and `handle_batch` is set.

    - `name`: the worker's name (`upload-notification`); `queue`: the logical queue (`uploads`).
    - `decode`: pure; whatever it raises is permanent, because it would raise the same again tomorrow. With
      `decode_errors` "passing" it is judged as if the handler had raised it: for a decoder whose next release may read
      what this one cannot.
    - `handle`: returns (done; see `key` for what), raises Later or Reject; any other exception means "again, with backoff".
    - `handle_batch`: takes many events, returns a BatchResult; raising fails them all with that exception.
    - `timeout`: seconds one handler call may take; `concurrency`: handler calls (or batches) at once.
    - `longest_lease`: seconds from its receipt for which a message is kept hidden at most; then its handler is cut and
      the message comes back, with all that are in one batch with it. Container only; the first visibility timeout is
      never shortened by it.
    - `fifo`: the queue is a FIFO queue: messages of one group run one at a time, in order, and behind a failed one the
      rest of its group goes back. `per_group`: how many messages of one MessageGroupId may run at once on a standard
      queue (a fair queue), so that one tenant cannot hold every slot; None is no limit.
    - `rate`: messages taken up per second in one process (a batch of them then starts together); None is no limit.
      Container only.
    - `max_attempts`: receipts after which a passing error is buried with its reason; equal to the queue's
      maxReceiveCount, so that SQS itself never has to move a message without one.
    - `key`: the idempotency key of an event whose handler has no conditional write of its own; the pipeline then
      claims it in the ledger, keeps what the handler returned there (JSON of at most 32 KiB), and writes it on the
      message's dead letter. Never empty.
    - `fingerprint`: the text that must not change under one `key`; None takes the body's payload (shared.road.once.payload).
      The same key with another fingerprint, once the work is done, is buried and runs nothing.
    - `duplicates`: what becomes of an event whose work somebody else has in hand: `refuse` hides its message for a
      while, `wait` looks at the ledger again and again until the other ends, for one `timeout` at most. A waiting event
      holds its slot, and each look is a write: for work that ends in seconds.
    - `on_duplicate`: called in place of the handler where the work was done before, with the event and what the handler
      returned then (None where nothing was kept): to send again an answer that may have been lost. What it raises is
      judged as the handler's would be; it may run often, and beside itself.
    """

    name: str
    queue: str
    decode: Callable[[Delivery], Event]
    handle: Callable[[Event], Awaitable[object]] | None = None
    handle_batch: Callable[[Sequence[Event]], Awaitable[BatchResult]] | None = None
    key: Callable[[Event], str] | None = None
    fingerprint: Callable[[Event], str] | None = None
    duplicates: Literal["refuse", "wait"] = "refuse"
    on_duplicate: Callable[[Event, Any], Awaitable[object]] | None = None
    decode_errors: Literal["permanent", "passing"] = "permanent"
    timeout: float = 30.0
    longest_lease: float = LONGEST_VISIBILITY_TIMEOUT
    concurrency: int = 10
    fifo: bool = False
    per_group: int | None = None
    rate: float | None = None
    batch: Batch = field(default_factory=Batch)
    max_attempts: int = 5
    backoff: Backoff = field(default_factory=Backoff)

    def __post_init__(self) -> None:
        if self.fifo:
            if self.per_group not in {None, 1}:
                raise ValueError(f"worker {self.name}: per_group is 1 in a FIFO queue, which is what keeps its order")
            object.__setattr__(self, "per_group", 1)
        for wrong, why in self._faults():
            if wrong:
                raise ValueError(f"worker {self.name}: {why}")

    def _faults(self) -> Iterator[tuple[bool, str]]:
        yield (self.handle is None) == (self.handle_batch is None), "set exactly one of handle and handle_batch"
        yield (
            not 0 < self.longest_lease <= LONGEST_VISIBILITY_TIMEOUT,
            "longest_lease is above 0 and at most twelve hours",
        )
        yield min(self.concurrency, self.max_attempts) < 1, "concurrency and max_attempts are at least 1"
        yield self.per_group is not None and self.per_group < 1, "per_group is at least 1, or None for no limit"
        yield self.rate is not None and not self.rate > 0, "rate is above 0, or None for no limit"
        yield (
            self.key is None and bool(self.fingerprint or self.on_duplicate or self.duplicates != "refuse"),
            "fingerprint, duplicates and on_duplicate go with key",
        )
        yield (
            self.key is not None and ("#" in self.name or self.name in TAKEN),
            "this name is no prefix for keys in the ledger",
        )
        if self.handle_batch is not None:
            yield (
                self.fifo,
                "a FIFO queue is read with handle: a batch could not stop a group behind its first message that fails",
            )
            yield self.per_group is not None, "per_group goes with handle, not with handle_batch"
            yield self.key is not None, "key (the ledger) goes with handle, not with handle_batch"
            yield min(self.batch.count, self.batch.bytes) < 1, "a batch has at least one message and one byte"
            yield (
                self.batch.seconds >= self.longest_lease,
                "a batch would be gathered for as long as longest_lease allows",
            )

    def key_of(self, delivery: Delivery) -> str:
        """The idempotency key of a message; "" where this worker gives none, or cannot read it."""
        try:
            return self.key(self.decode(delivery)) if self.key is not None else ""
        except Exception:  # noqa: BLE001 - decode may raise anything; such a message has no key of its own
            return ""
