"""What a soak will do, drawn from its seed alone: what is sent, and which consumer is ended when and how."""

import random
from dataclasses import dataclass
from enum import Enum

import orjson

WORK, ONCE, LINES = "work", "once", "lines"
"""Logical queues: a standard one, one whose worker has an idempotency key, and a FIFO one."""
GROUPS = 9
LANES = ((WORK, 0), (WORK, 1), (ONCE, 0), (LINES, 0), (LINES, 1), (LINES, 2))
"""Producers, by queue and number; each sends in order, and a FIFO group belongs to one of them."""
RATES = {WORK: 6.0, ONCE: 5.0, LINES: 1.2}
"""Messages per second of one producer."""
STABILITY = (1, 4, 5, 6)
"""How often each consumer is ended, in relation to the others: the first lives long enough for long work."""
EARLY = 0.6
"""The part of the time in which hopeless messages are sent: they need seconds to exhaust their receipts."""


class Kind(Enum):
    """What a message is to its handler."""

    PLAIN = "plain"
    STUMBLES = "stumbles"  # fails on its first receipt
    LATER = "later"  # asks on its first receipt to come again
    REJECTED = "rejected"
    UNREADABLE = "unreadable"
    HOPELESS = "hopeless"  # fails each time, until its receipts are used up

    @property
    def is_poison(self) -> bool:
        return self in {Kind.REJECTED, Kind.UNREADABLE, Kind.HOPELESS}


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of business, known by its key; `seconds` is how long its handler works."""

    key: str
    kind: Kind
    seconds: float
    group: str | None = None

    @property
    def body(self) -> str:
        if self.kind is Kind.UNREADABLE:
            return f"no JSON {self.key}"
        return orjson.dumps({"key": self.key, "kind": self.kind.value, "seconds": self.seconds}).decode()


def key_in(body: str) -> str:
    """The key in a job's body, readable or not."""
    return str(orjson.loads(body)["key"]) if body.startswith("{") else body.rpartition(" ")[2]


@dataclass(frozen=True, slots=True)
class Sending:
    """A call of one producer, `at` seconds from the beginning; of a FIFO queue always a single message."""

    at: float
    jobs: tuple[Job, ...]


@dataclass(frozen=True, slots=True)
class Restart:
    """The end of one consumer, after which it is started again."""

    at: float
    consumer: int
    kill: bool


@dataclass(frozen=True, slots=True)
class Schedule:
    """Everything a soak will do. Times in seconds from the beginning."""

    lanes: dict[tuple[str, int], tuple[Sending, ...]]
    restarts: tuple[Restart, ...]

    @property
    def jobs(self) -> dict[str, Job]:
        return {job.key: job for lane in self.lanes.values() for sending in lane for job in sending.jobs}


def schedule(seed: int, *, seconds: float, restarts_per_second: float) -> Schedule:
    """The same for the same arguments, always."""
    dice = random.Random(seed)
    lanes = {lane: tuple(_sendings(dice, *lane, seconds=seconds)) for lane in LANES}
    return Schedule(lanes, tuple(_restarts(dice, seconds, restarts_per_second)))


def _sendings(dice: random.Random, queue: str, number: int, *, seconds: float) -> list[Sending]:
    made: list[Sending] = []
    at, count = 0.0, 0
    while True:
        size = 1 if queue == LINES else dice.choice((1, 2, 5, 10))
        at += dice.expovariate(RATES[queue] / size)
        if at >= seconds:
            return made
        names = [f"{queue}-{number}-{count + place}" for place in range(size)]
        made.append(Sending(at, tuple(_job(dice, queue, number, name, late=at > EARLY * seconds) for name in names)))
        count += size


def _job(dice: random.Random, queue: str, number: int, key: str, *, late: bool) -> Job:
    kind = dice.choices([*Kind], weights=(90, 4, 2, 2, 1, 0 if late or queue == ONCE else 0.6))[0]
    longest = 0.3 if queue == ONCE else 7.0  # longer than a lease, which has to be extended then
    work = dice.choices((dice.uniform(0.0, 0.05), dice.uniform(0.1, 0.4), longest), weights=(80, 19, 1))[0]
    group = f"group-{number + 3 * dice.randrange(GROUPS // 3)}" if queue == LINES else None
    return Job(key, kind, round(work, 3), group)


def _restarts(dice: random.Random, seconds: float, rate: float) -> list[Restart]:
    made: list[Restart] = []
    at = 2.0
    while (at := at + dice.expovariate(rate)) < seconds:
        [consumer] = dice.choices(range(len(STABILITY)), weights=STABILITY)
        made.append(Restart(at, consumer, kill=dice.random() < 0.6))
    return made
