"""What a worker is: a frozen value, made of a few values. What cannot be combined cannot be written down."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from shared.backoff import LONGEST_VISIBILITY_TIMEOUT, Backoff
from shared.message.correlation import correlation_id, stated
from shared.message.delivery import Delivery

Event = TypeVar("Event")

LONGEST_TIMEOUT = 39_600.0
"""Seconds: a run that SQS's twelve hours cut does not count, and one that takes longer would begin again until its message is too old."""
LONGEST_POLL_INTERVAL = 5.0
"""Seconds: a queue that is asked more seldom looks to its probes as if nobody asked."""

BatchResult = Sequence[Exception | None]
"""One entry for each event, in order: None is done, an exception is judged as if a handler had raised it."""

TAKEN = frozenset({"audit", "control", "ended", "last", "replay", "runs"})
"""First parts of keys in the ledger's table that do not belong to a worker."""


@dataclass(frozen=True, slots=True)
class Fifo:
    """The queue is a FIFO queue: messages of one group run one at a time, in order, and behind a failed one the rest of
    its group goes back.
    """

    @property
    def at_once(self) -> int:
        return 1


@dataclass(frozen=True, slots=True)
class FairShares:
    """At most `at_once` messages of one MessageGroupId run together on a standard queue (a fair queue), so that one
    tenant cannot hold every slot.
    """

    at_once: int

    def __post_init__(self) -> None:
        _check("FairShares.at_once", self.at_once, "1 or more; order=None means no limit", holds=self.at_once >= 1)


@dataclass(frozen=True)  # here and below no slots: with them, Worker[X](...) fails inside typing on Python 3.11
class Once(Generic[Event]):
    """Work that must not be done twice, and whose handler has no conditional write of its own: the pipeline claims its
    key in the ledger, and keeps there what the handler returned (JSON of at most 32 KiB).

    - `key`: the event's idempotency key, never empty; it is written on the message's dead letter, too.
    - `fingerprint`: the text that must not change under one `key`; None takes the body's payload
      (shared.message.identity.payload). The same key with another fingerprint, once the work is done, is buried and
      runs nothing.
    - `duplicates`: what becomes of an event whose work somebody else has in hand: `refuse` hides its message for a
      while, `wait` looks at the ledger again and again until the other ends, for one `timeout` at most. A waiting event
      holds its slot, and each look is a write: for work that ends in seconds.
    - `on_duplicate`: called in place of the handler where the work was done before, with the event and what the handler
      returned then (None where nothing was kept): to send again an answer that may have been lost. What it raises is
      judged as the handler's would be; it may run often, and beside itself.
    """

    key: Callable[[Event], str]
    fingerprint: Callable[[Event], str] | None = None
    duplicates: Literal["refuse", "wait"] = "refuse"
    on_duplicate: Callable[[Event, Any], Awaitable[object]] | None = None


@dataclass(frozen=True)
class Each(Generic[Event]):
    """One call for each message. `handle` returns (done), or raises Later or Reject; any other exception means "again,
    with backoff". `order` is FIFO, a fair share for each group, or None; `once` guards effects that must not double.
    """

    handle: Callable[[Event], Awaitable[object]]
    order: Fifo | FairShares | None = None
    once: Once[Event] | None = None


@dataclass(frozen=True)
class Together(Generic[Event]):
    """One call for many messages. `handle` returns a BatchResult; raising fails them all with that exception, and each is given to
    it alone at its last attempt.

    It is called at `count` messages, at `bytes` of bodies and attributes or `seconds` after the first came. A FIFO queue is read with
    Each: a batch could not stop a group behind its first message that fails.
    """

    handle: Callable[[Sequence[Event]], Awaitable[BatchResult]]
    count: int = 100
    bytes: int = 4 * 1024 * 1024
    seconds: float = 5.0

    def __post_init__(self) -> None:
        _check("Together.count", self.count, "1 or more", holds=self.count >= 1)
        _check("Together.bytes", self.bytes, "1 or more", holds=self.bytes >= 1)
        _check("Together.seconds", self.seconds, "0 or more seconds", holds=self.seconds >= 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """- `timeout`: seconds that one handler call may take, at most eleven hours; `concurrency`: handler calls (or batches) at once.
    - `rate`: messages taken up per second in one process (a batch of them then starts together); None means no limit.
      Container only.
    - `poll_interval`: seconds between a receive that was not full and the next: what trickles in is received a few at a time, and
      waits for half of it in the middle. Under backlog, and for what comes to an idle queue, there is none. Container only.
    - `longest_lease`: seconds from its receipt for which a message is kept hidden at most; then its handler is cut and
      the message comes back, with all that are in one batch with it. Container only; the first visibility timeout is
      never shortened by it.
    - `max_attempts`: runs after which a passing error is buried with its reason. They are counted in the ledger; without
      one, receipts stand for runs.
    - `max_receives`: the queue's maxReceiveCount, after which SQS itself moves a message, without a reason. It is the last
      net only, far above `max_attempts`: a deploy, an outage and another's claim cost receipts and not runs. What fails at
      this receipt is buried with its reason.
    """

    timeout: float = 30.0
    concurrency: int = 10
    rate: float | None = None
    poll_interval: float = 0.05
    longest_lease: float = LONGEST_VISIBILITY_TIMEOUT
    max_attempts: int = 5
    max_receives: int = 100

    def __post_init__(self) -> None:
        _check(
            "Limits.timeout",
            self.timeout,
            "above 0 seconds, and at most eleven hours (39600)",
            holds=0 < self.timeout <= LONGEST_TIMEOUT,
        )
        _check(
            "Limits.concurrency",
            self.concurrency,
            "1 or more; `fleet pause` stops a worker",
            holds=self.concurrency >= 1,
        )
        _check("Limits.rate", self.rate, "above 0, or None for no limit", holds=self.rate is None or self.rate > 0)
        paced = 0 <= self.poll_interval <= LONGEST_POLL_INTERVAL
        _check("Limits.poll_interval", self.poll_interval, "0 seconds, and at most five", holds=paced)
        within = 0 < self.longest_lease <= LONGEST_VISIBILITY_TIMEOUT
        _check("Limits.longest_lease", self.longest_lease, "above 0 and at most twelve hours (43200)", holds=within)
        _check("Limits.max_attempts", self.max_attempts, "1 or more", holds=self.max_attempts >= 1)
        _check("Limits.max_receives", self.max_receives, "1 or more, as maxReceiveCount", holds=self.max_receives >= 1)


@dataclass(frozen=True, kw_only=True)
class Worker(Generic[Event]):
    """One consumer of one queue.

    - `name`: the worker's name (`upload-notification`); `queue`: the logical queue (`uploads`).
    - `decode`: pure; whatever it raises is permanent, because it would raise the same again tomorrow. With
      `decode_errors` "passing" it is judged as if the handler had raised it: for a decoder whose next release may read
      what this one cannot.
    - `do`: Each message by itself, or many Together; `limits`: how much at once, and for how long; `backoff`: how long
      what failed for a passing reason stays hidden; `backoffs`: the same for classes of errors, the first that fits.
    - `correlation`: the event's correlation id, "" for none, of a message that states none in its attribute `correlation-id`. Its log lines,
      the messages sent meanwhile and its dead letter carry it.
    """

    name: str
    queue: str
    decode: Callable[[Delivery], Event]
    do: Each[Event] | Together[Event]
    limits: Limits = field(default_factory=Limits)
    backoff: Backoff = field(default_factory=Backoff)
    backoffs: Mapping[type[BaseException], Backoff] = field(default_factory=dict)
    decode_errors: Literal["permanent", "passing"] = "permanent"
    correlation: Callable[[Event], str] | None = None

    def __post_init__(self) -> None:
        if self.once is not None and ("#" in self.name or self.name in TAKEN):
            raise ValueError(
                f"Worker.name is {self.name!r}, which begins no key in the ledger: choose a name without # that is"
                f" not one of {', '.join(sorted(TAKEN))}"
            )
        if isinstance(self.do, Together) and self.do.seconds >= self.limits.longest_lease:
            raise ValueError(
                f"Together.seconds is {self.do.seconds}: a batch is gathered inside its messages' leases, so set it"
                f" below Limits.longest_lease, {self.limits.longest_lease}"
            )

    @property
    def order(self) -> Fifo | FairShares | None:
        return self.do.order if isinstance(self.do, Each) else None

    @property
    def once(self) -> Once[Event] | None:
        return self.do.once if isinstance(self.do, Each) else None

    def correlation_of(self, delivery: Delivery) -> str:
        """The correlation id of a message; "" where it has none, or this worker cannot read it."""
        if (found := stated(delivery.attributes)) or self.correlation is None:
            return found
        try:
            return self.correlation_in(self.decode(delivery))
        except Exception:  # noqa: BLE001 - decode may raise anything
            return ""

    def correlation_in(self, event: Event) -> str:
        """What `correlation` reads in an event; "" where it cannot: no message is lost for want of a name."""
        try:
            return correlation_id(self.correlation(event)) if self.correlation is not None else ""
        except Exception:  # noqa: BLE001 - as decode, it is anybody's
            return ""

    def key_of(self, delivery: Delivery) -> str:
        """The idempotency key of a message; "" where this worker gives none, or cannot read it."""
        try:
            return self.once.key(self.decode(delivery)) if self.once is not None else ""
        except Exception:  # noqa: BLE001 - decode may raise anything; such a message has no key of its own
            return ""


def _check(name: str, value: object, wanted: str, *, holds: bool) -> None:
    if not holds:
        raise ValueError(f"{name} is {value}: set it to {wanted}")
