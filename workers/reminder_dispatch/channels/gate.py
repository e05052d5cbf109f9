"""Whether a channel takes anything at present. Circuit breakers: one for each channel, and for each Expo project, of a process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

import structlog

from shared.telemetry import metrics
from workers.reminder_dispatch.channels.channel import Answer, Busy, Lost, Misconfigured, is_not_tried, was_asked

OPENS_AT = 3
"""Requests in a row that were not taken (no answer, no connection, its rate) at which a channel counts as down. A refusal of us
says it at once.
"""
FIRST_PROBE, LONGEST_PROBE = 5.0, 60.0
"""Seconds from the opening to the first probe, and between two at most; each wait is twice as long as the one before."""
SHORTEST_PAUSE, LONGEST_PAUSE = 5.0, 900.0
"""Seconds for which a reminder is put off: a quarter of the outage's age, so that hours cost few looks; 900 is SQS's longest delay."""

log = structlog.get_logger()


@dataclass(slots=True)
class _Gate:
    failures: int = 0
    why: str = ""
    opened_at: float | None = None
    probes: int = 0
    probe_at: float = 0.0
    is_probing: bool = False


class Gates:
    """A breaker for each name. `now` in epoch seconds, `dice` uniform in [0, 1)."""

    def __init__(self, *, now: Callable[[], float], dice: Callable[[], float]) -> None:
        self._now = now
        self._dice = dice
        self._gates: dict[str, _Gate] = {}

    def why_not(self, name: str) -> str | None:
        """Why nothing is to be sent there now; None where something is: all, or one thing, which is the probe then."""
        gate = self._gates.get(name)
        if gate is None or gate.opened_at is None:
            return None
        if self._now() < gate.probe_at:
            return gate.why
        self._schedule(gate)
        gate.is_probing = True
        return None

    def heard(self, name: str, answers: Sequence[Answer]) -> None:
        """What a request, or some, were answered. An answer to one message says that the channel is there; where nothing was asked, the
        turn of the probe is the next one's.
        """
        asked = [answer for answer in answers if was_asked(answer)]
        if not asked:
            self._leave_turn(name)
            return
        fault = _fault(asked)
        if fault is None:
            self._close(name)
            return
        gate = self._gates.setdefault(name, _Gate())
        gate.failures += 1
        gate.why, gate.is_probing = fault.why, False
        if gate.opened_at is None and (isinstance(fault, Misconfigured) or gate.failures >= OPENS_AT):
            gate.opened_at, gate.probes = self._now(), 0
            self._schedule(gate)
            metrics.breaker(dependency=_channel(name), is_open=True)
            log.error("reminder_channel_down", channel=name, reason=fault.why)

    def pause(self, name: str, *, deadline: float | None, least: float = SHORTEST_PAUSE) -> int:
        """Seconds to put something off; what must be sent until `deadline` (epoch seconds) is looked at again before it."""
        gate, now = self._gates.get(name), self._now()
        age = now - gate.opened_at if gate is not None and gate.opened_at is not None else 0.0
        longest = min(LONGEST_PAUSE, max(least, age / 4) * (0.75 + self._dice() / 2))
        if deadline is not None:
            longest = min(longest, max(1.0, (deadline - now) / 2))
        return ceil(longest)

    def _close(self, name: str) -> None:
        gate = self._gates.pop(name, None)
        if gate is not None and gate.opened_at is not None:
            metrics.breaker(dependency=_channel(name), is_open=False)
            log.warning("reminder_channel_back", channel=name, after_s=round(self._now() - gate.opened_at, 1))

    def _leave_turn(self, name: str) -> None:
        gate = self._gates.get(name)
        if gate is not None and gate.is_probing:
            gate.probes -= 1
            gate.probe_at, gate.is_probing = self._now(), False

    def _schedule(self, gate: _Gate) -> None:
        wait = min(LONGEST_PROBE, FIRST_PROBE * 2.0 ** min(gate.probes, 10))
        gate.probes += 1
        gate.probe_at = self._now() + wait * (0.75 + self._dice() / 4)


def _channel(name: str) -> str:
    """Of `reminders/push/PROJECT` all but the project: a customer's name must not become a metric's dimension."""
    return "/".join(name.split("/")[:2])


def _fault(answers: Sequence[Answer]) -> Busy | Lost | Misconfigured | None:
    """What is wrong with the channel as a whole; None where it answered something, or was not asked."""
    found: Busy | Lost | None = None
    for answer in answers:
        match answer:
            case Misconfigured():
                return answer
            case Lost() | Busy(of="channel"):
                found = found or answer
            case _:
                pass
    is_there = any(not is_not_tried(answer) and not isinstance(answer, Lost) for answer in answers)
    return None if is_there else found
