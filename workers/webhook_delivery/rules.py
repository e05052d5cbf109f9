"""Who gets an event, what an answer means, and when to try again."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final, assert_never

from workers.webhook_delivery.filters import TAKES_ALL, Filter
from workers.webhook_delivery.life import WELL, Life

OWN = "webhook."
"""How the types of this worker's own events begin."""

LONGEST_WAIT = timedelta(days=16)
"""For which a job may wait: a schedule's longest step is fourteen days, and jitter adds a tenth."""

LONGEST_HOP = 900
"""Seconds for which SQS can delay a message; longer waits are chains of messages."""

HINTED = frozenset({429, 502, 503, 504})
"""Statuses whose Retry-After is honoured (Standard Webhooks 1.0.0, "delivery retries")."""

SECOND, MINUTE, HOUR = 1.0, 60.0, 3600.0

_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?", re.ASCII)
_HTTP_DATES = (
    "%a, %d %b %Y %H:%M:%S GMT",  # RFC 9110, 5.6.7: the one to send, and the two to understand
    "%A, %d-%b-%y %H:%M:%S GMT",
    "%a %b %d %H:%M:%S %Y",
)


@dataclass(frozen=True, slots=True)
class Subscription:
    """What fan-out knows of an endpoint: no URL, no secret. `fault` names what in its row cannot be read, `payload_limit` is in bytes,
    0 for none of its own.
    """

    endpoint_id: str
    event_types: tuple[str, ...]
    enabled: bool
    fault: str = ""
    filter: Filter = TAKES_ALL
    payload_limit: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """Some of a tenant's endpoints, in the table's order; `after` is where the next page begins, "" behind the last one."""

    subscriptions: tuple[Subscription, ...]
    after: str = ""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to post, and the secrets to sign with, the current one first. Its repr tells no URL (they carry tokens).
    `fault` names what in its row cannot be read, `rate` is in requests a second.
    """

    tenant_id: str
    endpoint_id: str
    url: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    enabled: bool
    fault: str = ""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    life: Life = WELL
    retries: tuple[float, ...] | None = None
    at_most_once: bool = False
    expires_after: float | None = None
    rate: float | None = None

    def terms(self, schedule: Schedule) -> Schedule:
        """The schedule of its deliveries: what it says itself over the worker's."""
        delays = schedule.delays if self.retries is None else (schedule.delays[0], *self.retries)
        return replace(schedule, delays=delays, at_most_once=self.at_most_once, expires_after=self.expires_after)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of one POST: an HTTP status, or 0 and an error class; `body` is what is kept of the answer."""

    status: int
    error: str | None = None
    retry_after: str | None = None
    body: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Seconds before attempt 1, 2, ...; jitter is additive only: at most `jitter` times the wait, plus one second.
    With `at_most_once` only what provably never began is tried again; no attempt begins later than `expires_after` seconds behind the first.
    """

    delays: tuple[float, ...]
    longest_hint: float = 24 * HOUR
    jitter: float = 0.1
    at_most_once: bool = False
    expires_after: float | None = None

    @property
    def attempts(self) -> int:
        return len(self.delays)


STANDARD_WEBHOOKS = Schedule(
    (0, 5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)
)
"""The specification's schedule: ten attempts over 75 h 35 min 5 s."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """A 2xx, and nothing else is one."""


@dataclass(frozen=True, slots=True)
class Again:
    """The attempt failed; the next one is due at `at`."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Exhausted:
    """The last attempt failed: the delivery is over."""


@dataclass(frozen=True, slots=True)
class Gone:
    """410: the endpoint wants no more, neither this event nor any other."""


Verdict = Delivered | Again | Exhausted | Gone


@dataclass(frozen=True, slots=True)
class Result:
    """What came of an attempt, what it means, and when the attempt was begun and over."""

    reply: Reply
    verdict: Verdict
    started: datetime
    finished: datetime


@dataclass(frozen=True, slots=True)
class Claimed:
    """The attempt is ours until `until` (epoch seconds), which is also what proves it ours when its result is written."""

    until: int


@dataclass(frozen=True, slots=True)
class Held:
    """Somebody else is at this attempt, until `until` (epoch seconds) at the latest."""

    until: float


RESERVED: Final = 0
"""Until when an attempt is held that nobody is at: its number was taken for a resend, whose job may never have been sent."""


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The attempt was made before, and delivered."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt was made before and failed. `next_at` None: there is no next one. `settled`: what follows was done. `made_by`: the
    nonce of the message that made it, and has to see to that.
    """

    status: int
    error: str | None
    next_at: datetime | None
    settled: bool
    made_by: str = ""


@dataclass(frozen=True, slots=True)
class Reused:
    """The attempt was begun under the same identity, with another payload."""


Attempt = Held | Succeeded | Failed
Claim = Claimed | Attempt | Reused


def wants(subscription: Subscription, event_type: str) -> bool:
    """`*` takes all, `upload.*` everything below `upload.`, any other name itself; enabled or not. What tells of webhooks
    (`webhook.exhausted`) is taken by its exact name alone.
    """
    return any(_fits(pattern, event_type) for pattern in subscription.event_types)


def why_not(endpoint: Subscription | Endpoint | None) -> str:
    """Why nothing goes to this endpoint; "" where it takes what it wants."""
    if endpoint is None:
        return "endpoint_gone"
    if endpoint.fault:
        return "endpoint_unreadable"
    return "" if endpoint.enabled else "endpoint_disabled"


def look_again(left: float, lease: float) -> int:
    """Seconds until a claim with so much of its lease left is looked at again: as long as it has been held by now.

    Most attempts end long before their lease, so a copy is done soon after them; a dead maker's costs a few looks.
    """
    return max(1, math.ceil(min(left, lease - left)))


NEVER_BEGUN = frozenset({"dns_error", "connection_refused", "address_refused", "url_refused", "secret_invalid",
                         "endpoint_down", "rate_limited"})  # fmt: skip
"""Errors before the first byte of a request."""
NO_MORE = frozenset({"expired", "maybe_delivered"})
"""Errors of attempts that were not made, and after which none is."""


def judge(
    reply: Reply, *, attempt: int, schedule: Schedule, now: datetime, dice: float, first: datetime | None = None
) -> Verdict:
    """What the `attempt`-th answer (1-based), come in at `now`, means; `dice` is uniform in [0, 1), `first` when the first attempt was due."""
    if 200 <= reply.status <= 299:
        return Delivered()
    if reply.status == 410:
        return Gone()
    if attempt >= schedule.attempts or reply.error in NO_MORE:
        return Exhausted()
    if schedule.at_most_once and reply.error not in NEVER_BEGUN:
        return Exhausted()
    asked = seconds_asked(reply.retry_after, now=now) if reply.status in HINTED else None
    target = max(schedule.delays[attempt], min(asked or 0.0, schedule.longest_hint))
    at = now + timedelta(seconds=wait(target, jitter=schedule.jitter, dice=dice))
    return Exhausted() if first is not None and has_expired(schedule, first, now=at) else Again(at)


def has_expired(schedule: Schedule, first: datetime, *, now: datetime) -> bool:
    """Whether a delivery whose first attempt was due at `first` may be attempted no more."""
    return schedule.expires_after is not None and (now - first).total_seconds() > schedule.expires_after


def recorded(verdict: Verdict, reply: Reply, *, made_by: str = "") -> Succeeded | Failed:
    """An attempt as it stands once its verdict is written. Delivered and Gone leave nothing to do."""
    match verdict:
        case Delivered():
            return Succeeded()
        case Again(at=at):
            return Failed(reply.status, reply.error, next_at=at, settled=False, made_by=made_by)
        case Exhausted():
            return Failed(reply.status, reply.error, next_at=None, settled=False, made_by=made_by)
        case Gone():
            return Failed(reply.status, reply.error, next_at=None, settled=True, made_by=made_by)
        case never:
            assert_never(never)


def wait(target: float, *, jitter: float, dice: float) -> int:
    """Whole seconds, as SQS delays: never less than `target`, less than `target * (1 + jitter) + 1`."""
    least = math.ceil(target)
    if not (math.isfinite(jitter) and jitter > 0):
        return least
    return max(least, math.floor(target + dice * (target * jitter + 1.0)))


def seconds_asked(retry_after: str | None, *, now: datetime) -> float | None:
    """A Retry-After's seconds from `now` (RFC 9110, 10.2.3), fractions rounded up, a past date 0; None if malformed."""
    given = (retry_after or "").strip()
    if _SECONDS.fullmatch(given):
        seconds = float(given)
        return math.ceil(seconds) if math.isfinite(seconds) else seconds
    for form in _HTTP_DATES:
        try:
            moment = datetime.strptime(given, form).replace(tzinfo=UTC)
        except ValueError:
            continue
        return max(0.0, (moment - now).total_seconds())
    return None


def delay(not_before: datetime, *, now: datetime) -> int:
    """Seconds for which to delay a message that is due at `not_before`: the next hop of the way, 0 when it is due."""
    return min(LONGEST_HOP, max(0, math.ceil((not_before - now).total_seconds())))


def _fits(pattern: str, event_type: str) -> bool:
    if event_type.startswith(OWN):  # or each dead endpoint that takes all would be told of every other one
        return pattern == event_type
    if pattern == "*":
        return True
    if pattern.endswith(".*"):
        return event_type.startswith(pattern[:-1])
    return pattern == event_type
