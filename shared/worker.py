"""What a worker is: a frozen value that says what it reads, how it reads it and what it does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from shared.backoff import LONGEST_VISIBILITY_TIMEOUT, Backoff
from shared.delivery import Delivery

Event = TypeVar("Event")

BatchResult = Sequence[Exception | None]
"""One entry for each event, in order: None is done, an exception is judged as if a handler had raised it."""


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
    - `decode`: pure; whatever it raises is permanent, because it would raise the same again tomorrow.
    - `handle`: returns (done), raises Later or Reject; any other exception means "again, with backoff".
    - `handle_batch`: takes many events, returns a BatchResult; raising fails them all with that exception.
    - `timeout`: seconds one handler call may take; `concurrency`: handler calls (or batches) at once.
    - `longest_lease`: seconds from its receipt for which a message is kept hidden at most; then its handler is cut and
      the message comes back. Container only; the first visibility timeout is never shortened by it.
    - `fifo`: the queue is a FIFO queue: messages of one group run one at a time, in order, and behind a failed one the
      rest of its group goes back. `per_group`: how many messages of one MessageGroupId may run at once on a standard
      queue (a fair queue), so that one tenant cannot hold every slot; None is no limit.
    - `rate`: messages started per second in one process; None is no limit.
    - `max_attempts`: receipts after which a passing error is buried with its reason; equal to the queue's
      maxReceiveCount, so that SQS itself never has to move a message without one.
    - `key`: the idempotency key of an event whose handler has no conditional write of its own; the pipeline then
      claims it in the ledger, and writes it on the message's dead letter.
    """

    name: str
    queue: str
    decode: Callable[[Delivery], Event]
    handle: Callable[[Event], Awaitable[None]] | None = None
    handle_batch: Callable[[Sequence[Event]], Awaitable[BatchResult]] | None = None
    key: Callable[[Event], str] | None = None
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
        if (self.handle is None) == (self.handle_batch is None):
            raise ValueError(f"worker {self.name}: set exactly one of handle and handle_batch")
        if not 0 < self.longest_lease <= LONGEST_VISIBILITY_TIMEOUT:
            raise ValueError(f"worker {self.name}: longest_lease is above 0 and at most twelve hours")
        if self.fifo:
            object.__setattr__(self, "per_group", 1)
        if self.per_group is not None and self.handle is None:
            raise ValueError(f"worker {self.name}: fifo and per_group go with handle, not with handle_batch")
        if self.key is not None and self.handle is None:
            raise ValueError(f"worker {self.name}: key (the ledger) goes with handle, not with handle_batch")

    def key_of(self, delivery: Delivery) -> str:
        """The idempotency key of a message; "" where this worker gives none, or cannot read it."""
        try:
            return self.key(self.decode(delivery)) if self.key is not None else ""
        except Exception:  # noqa: BLE001 - decode may raise anything; such a message has no key of its own
            return ""
