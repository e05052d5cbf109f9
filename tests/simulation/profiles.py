"""Which faults a run may meet: each profile is a promise of its own."""

from dataclasses import dataclass, field

from tests.simulation.rules import Rule
from tests.simulation.world.weather import HOWS, PARTLY, Odds

HEALTHY = {"quick": 10, "slow": 3, "long": 1, "calls": 2, "flaky": 1, "later": 1}
MIXED = {**HEALTHY, "refused": 1, "failing": 1, "malformed": 1}
SHORT = {"quick": 5, "slow": 2, "calls": 1}
SQS, LEDGER, BODIES, BUS = "sqs", "ledger", "bodies", "bus"

BURIALS = frozenset({Rule.HEALTHY, Rule.REASON, Rule.POISON})
"""Not kept where receipts are spent without an attempt: each receipt counts towards burial."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """`receives` is the queue's maxReceiveCount. `minutes` of load, then quiet until all is settled. Pairs are least and most. `outages` names the dependencies that
    may be down for `out` seconds at a time, in one of `hows`; `odds` are of one call. `checks` names promises that only
    hold under these faults.
    """

    promise: str
    receives: int = 100
    workers: tuple[str, ...] = ("plain", "keyed", "waiting", "batch", "fifo", "fair")
    kinds: dict[str, int] = field(default_factory=lambda: MIXED)
    minutes: tuple[int, int] = (5, 300)
    messages: tuple[int, int] = (10, 80)
    replicas: tuple[int, int] = (1, 3)
    slots: tuple[int, ...] = (1, 3, 10)
    leavings: tuple[int, int] = (0, 0)
    kills: tuple[int, int] = (0, 0)
    freezes: tuple[int, int] = (0, 0)
    frozen: tuple[float, float] = (1.0, 200.0)
    jumps: tuple[int, int] = (0, 0)
    outages: tuple[str, ...] = ()
    outage_count: tuple[int, int] = (1, 2)
    out: tuple[float, float] = (30.0, 900.0)
    hows: tuple[str, ...] = HOWS
    odds: dict[str, Odds] = field(default_factory=dict)
    large: float = 0.1
    copies: float = 0.0
    checks: frozenset[str] = frozenset()

    @property
    def is_short(self) -> bool:
        """Whether its runs are over within half an hour, where nothing is down for longer."""
        return self.minutes[1] <= 30


CALLS = Odds(reset=0.03, lost=0.03, throttled=0.03, slow=0.02)
ANSWERS = Odds(odd=0.05, partly=0.05, lost=0.03)

PROFILES: dict[str, Profile] = {
    "calm": Profile(promise="without faults, each message is handled as often as its kind says", copies=0.05, checks=frozenset({"hides", "once"})),
    "leaving": Profile(receives=5, promise="restarts by SIGTERM bury nothing and cost a message at most one receipt each",
        kinds=SHORT, minutes=(1, 2), messages=(200, 600), leavings=(3, 8), slots=(10, 100), checks=frozenset({"receipts", "drain"}),
    ),
    "killed": Profile(promise="kill -9 loses nothing", minutes=(5, 30), messages=(60, 150), kinds={**MIXED, "long": 4}, kills=(1, 3), leavings=(1, 4)),
    "calls": Profile(promise="single calls that fail, answers that are lost", odds={SQS: CALLS, LEDGER: CALLS, BODIES: CALLS},
        copies=0.1,
    ),
    "answers": Profile(promise="answers of another shape say nothing about what was asked", odds={SQS: ANSWERS, BODIES: ANSWERS}),
    "refusals": Profile(promise="a settlement that is refused is repeated while its lease lasts", kinds={"quick": 3, "later": 3},
        odds={SQS: Odds(throttled=0.1, partly=0.1)}, checks=frozenset({"hides"}),
    ),
    "frozen": Profile(promise="a process that stood still starts nothing on a dead lease",
        workers=("plain", "keyed", "waiting", "fifo", "fair"), minutes=(5, 20), messages=(60, 150),
        kinds={**MIXED, "long": 4}, freezes=(3, 10), frozen=(5.0, 150.0)),
    "frozen-batch": Profile(promise="nor does it start a batch on one",
        workers=("batch",), minutes=(5, 20), messages=(60, 150), kinds={**MIXED, "long": 4}, freezes=(3, 10), frozen=(5.0, 150.0)),
    "clocks": Profile(
        promise="a wall clock that jumps loses nothing, and recorded work is not done again", jumps=(1, 3), copies=0.2,
        workers=("keyed", "waiting"),
    ),
    "twins": Profile(promise="what SQS hands out twice is settled", odds={SQS: Odds(echoed=0.1)}, copies=0.1),
    "queue-out": Profile(promise="an outage of SQS leaves everything in the queue", outages=(SQS,), out=(30.0, 7_200.0)),
    "ledger-out": Profile(promise="an outage of DynamoDB for hours buries nothing", outages=(LEDGER,), out=(60.0, 7_200.0),
        workers=("keyed", "waiting"),
    ),
    "bodies-out": Profile(promise="an outage of S3 for hours buries nothing", outages=(BODIES,), out=(60.0, 7_200.0), large=0.5),
    "bus-out": Profile(promise="an outage of what handlers call buries nothing", outages=(BUS,), out=(60.0, 7_200.0), kinds={"quick": 3, "calls": 3}
    ),
    "storm": Profile(promise="all of it at once", leavings=(0, 4), kills=(0, 2), freezes=(0, 2), outages=(SQS,), out=(5.0, 300.0),
        odds={SQS: Odds(reset=0.02, lost=0.02, throttled=0.02, partly=0.02, slow=0.01, odd=0.02, echoed=0.02), LEDGER: CALLS,
              BODIES: CALLS}, copies=0.05,
    ),
    "ledger-partly": Profile(promise="writes that are throttled beside reads, and a ledger made otherwise, bury nothing",
        outages=(LEDGER,), out=(60.0, 7_200.0), hows=PARTLY, workers=("keyed", "waiting"),
    ),
    "killers": Profile(promise="what ends its process is buried after a few starts, and nothing beside it",
        kinds={"quick": 6, "slow": 8, "killer": 2}, minutes=(1, 10), messages=(20, 40), slots=(3, 10), replicas=(1, 2), large=0.0,
        checks=frozenset({"starts"}),
    ),
}  # fmt: skip
