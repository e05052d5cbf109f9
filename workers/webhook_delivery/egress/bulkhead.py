"""Which endpoint may be posted to now: one that hangs or fails holds few of the places that all of them share.

What one process has seen of its endpoints, in its memory; times in seconds of any clock.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Final

from workers.webhook_delivery.egress.rate import Bucket
from workers.webhook_delivery.rules import Endpoint, Reply

OPENS_AFTER: Final = 5
"""Different deliveries that failed in a row: one that always fails says nothing of its endpoint."""
FIRST_PAUSE, LONGEST_PAUSE = 30.0, 900.0
"""Seconds for which an open breaker lets nothing through: doubled each time that the one delivery after it fails as well."""
MOST_DOUBLED: Final = 30.0
"""Times the first pause: the longest one."""
SLOW: Final = 1.0
"""Seconds without an answer after which an endpoint is doubtful."""
FIRST_CAP: Final = 5
"""POSTs at once to an endpoint of which nothing is known: one more after each answer, half as many after a failure."""
FORESEEN: Final = 4
"""Times its latest answer for which an endpoint that has not failed is taken to stay as slow: what waits asks again then."""
MOST_ENDPOINTS: Final = 10_000

Key = tuple[str, ...]
"""Names an endpoint; another URL is another endpoint."""


def key_of(endpoint: Endpoint) -> Key:
    return endpoint.tenant_id, endpoint.endpoint_id, endpoint.url


_MISCONFIGURED: Final = frozenset({"url_refused", "address_refused", "secret_invalid"})


@dataclass(slots=True)
class Health:
    """Of one endpoint. `line`: when the next delivery that has to wait is due; `pauses`: how often the breaker has opened
    since the last answer.
    """

    running: list[float] = field(default_factory=list)
    cap: int = FIRST_CAP
    seconds: float = SLOW
    is_known: bool = False
    is_slow: bool = False
    failed: set[str] = field(default_factory=set)
    pauses: int = 0
    paused_until: float = 0.0
    line: float = 0.0
    bucket: Bucket = field(default_factory=Bucket)
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)

    def is_doubtful(self, now: float) -> bool:
        return self.is_slow or bool(self.failed or self.pauses) or bool(self.running and now - self.running[0] > SLOW)


class Bulkhead:
    """Gives out `places`. An endpoint has half of them at most; all doubtful ones together have half, and with those of
    which nothing is known four fifths: the rest is for those that have answered well. A breaker opens for `first_pause` seconds at first.
    """

    def __init__(self, places: int, *, first_pause: float = FIRST_PAUSE) -> None:
        self._first_pause, self._longest_pause = first_pause, min(LONGEST_PAUSE, MOST_DOUBLED * first_pause)
        self._half = max(1, places // 2)
        self._most_unproven = max(1, places * 4 // 5)
        self._endpoints: OrderedDict[Key, Health] = OrderedDict()
        self._busy: dict[Key, Health] = {}
        self._waiting = 0

    async def room(self, key: Key, *, now: float) -> bool:
        """Wait here for a place at an endpoint that answers well, a second at most, where nobody else needs what that holds: a delayed
        message comes back after a whole second, in which such an endpoint could have answered many times. True: it has waited.
        """
        health = self._health(key)
        if not self._may_wait(health, now):
            return False
        turn = asyncio.get_running_loop().create_future()
        health.waiting.append(turn)
        self._waiting += 1
        try:
            async with asyncio.timeout(SLOW):
                await turn
        except TimeoutError:
            pass
        finally:
            self._waiting -= 1
            if turn in health.waiting:
                health.waiting.remove(turn)
        return True

    def enter(self, key: Key, *, now: float) -> float:
        """0: the delivery has a place until `leave`. Else the seconds after which it may ask again."""
        health = self._health(key)
        if self._is_full(health, now):
            return self._wait(health, now)
        health.running.append(now)
        self._busy[key] = health
        return 0.0

    def admit(self, endpoint: Endpoint, *, now: float) -> tuple[float, str]:
        """0 where the delivery has a place, and its endpoint's rate allows it now; else the seconds after which it may ask again, and
        the error of one that has asked for too long.
        """
        key = key_of(endpoint)
        if wait := self.enter(key, now=now):
            return wait, "endpoint_down"
        if endpoint.rate is not None and (wait := self._health(key).bucket.take(endpoint.rate, now)):
            self.leave(key, began=now)
            return wait, "rate_limited"
        return 0.0, ""

    def leave(self, key: Key, *, began: float) -> None:
        """Give the place back."""
        health = self._busy[key]
        health.running.remove(began)
        while health.waiting:
            turn = health.waiting.popleft()
            if not turn.done():  # whose time ended at this very moment leaves its turn to the next
                turn.set_result(None)
                break
        if not health.running:
            del self._busy[key]

    def answered(self, key: Key, delivery: str, reply: Reply, *, began: float, now: float, asked: float) -> bool:
        """Note what came of a POST; `asked`: seconds for which the endpoint wants peace. True: its breaker has opened."""
        health = self._health(key)
        took = max(0.0, now - began)
        health.seconds += (took - health.seconds) / 4 if health.is_known else took - health.seconds
        health.is_known, health.is_slow = True, took > SLOW
        if asked > 0:
            health.paused_until = max(health.paused_until, now + min(asked, LONGEST_PAUSE))
        if not _is_down(reply):
            if health.failed or health.pauses:
                health.line, health.pauses = now, 0
                health.failed.clear()
            health.cap = min(self._half, health.cap + 1)
            return False
        health.cap = max(1, health.cap // 2)
        health.failed.add(delivery)
        if now < health.paused_until or (not health.pauses and len(health.failed) < OPENS_AFTER):
            return False
        health.paused_until = now + min(self._longest_pause, self._first_pause * 2**health.pauses)
        health.pauses = min(health.pauses + 1, 10)
        health.failed.clear()
        return True

    def _may_wait(self, health: Health, now: float) -> bool:
        if not health.is_known or health.is_doubtful(now) or now < health.paused_until:
            return False
        held = self._waiting + sum(len(each.running) for each in self._busy.values())
        return held < self._most_unproven and (bool(health.waiting) or self._is_full(health, now))

    def _is_full(self, health: Health, now: float) -> bool:
        if now < health.paused_until or len(health.running) >= health.cap:
            return True
        if health.pauses and health.running:  # half open: one delivery is to find out
            return True
        busy = self._busy.values()
        if health.is_doubtful(now):
            return sum(len(each.running) for each in busy if each.is_doubtful(now)) >= self._half
        if not health.is_known:
            unproven = (each for each in busy if not each.is_known or each.is_doubtful(now))
            return sum(len(each.running) for each in unproven) >= self._most_unproven
        return False

    def _wait(self, health: Health, now: float) -> float:
        """One behind the other, as fast as the endpoint has lately answered: what waits comes back when there is room. A burst at one
        of which nothing is known yet comes back after a second: by then it has answered, or is doubtful. A message once sent cannot be
        called back when the endpoint proves fast, so nobody is sent away for long before it has failed.
        """
        if not health.is_known and not health.is_doubtful(now) and now >= health.paused_until:
            return SLOW
        longest = max(health.seconds, now - health.running[0]) if health.running else health.seconds
        has_failed = bool(health.failed or health.pauses)
        latest = now + (LONGEST_PAUSE if has_failed else min(LONGEST_PAUSE, max(SLOW, FORESEEN * longest)))
        turn = max(now, health.paused_until, min(health.line, latest))
        health.line = turn + longest / health.cap
        return min(LONGEST_PAUSE, max(1.0, turn - now))

    def _health(self, key: Key) -> Health:
        health = self._endpoints.setdefault(key, Health())
        self._endpoints.move_to_end(key)
        if len(self._endpoints) > MOST_ENDPOINTS:
            oldest, of = self._endpoints.popitem(last=False)
            if of.running:
                self._endpoints[oldest] = of
        return health


def _is_down(reply: Reply) -> bool:
    """No answer, an overload or a fault: not what a customer has to mend in his settings, and no answer about one event."""
    return (reply.status in {0, 429} and reply.error not in _MISCONFIGURED) or reply.status >= 500
