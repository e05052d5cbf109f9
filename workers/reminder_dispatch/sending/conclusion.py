"""What a channel's answers make of an occurrence: sent, failed, unknown, or another attempt later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Any, assert_never

from workers.reminder_dispatch.channels.channel import (
    Accepted,
    Answer,
    Busy,
    Lost,
    Misconfigured,
    Refused,
    is_not_tried,
)
from workers.reminder_dispatch.rules import LONGEST_DELAY, end_of, may_resend
from workers.reminder_dispatch.schedule.occurrence import INDEX, LEASE, Move, Status
from workers.reminder_dispatch.sending.decision import Attempt
from workers.reminder_dispatch.sending.moves import ended
from workers.reminder_dispatch.table.keys import due_text

ATTEMPTS = 30
"""Requests for one occurrence, of which each failed for a reason of its own, before it is given up. What the channel's outage
or refusal cost is not counted.
"""

FIRST_WAIT = 5
"""Seconds before the second attempt; each further wait is twice as long, up to what SQS can delay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """How the occurrence goes on.

    `retry_in` seconds, where there is another attempt; `ambiguous`, that a request may have been accepted unseen.
    """

    status: Status
    reason: str
    move: Move
    retry_in: int | None = None
    ambiguous: bool = False


def conclude(attempt: Attempt, answers: Sequence[Answer], *, now: datetime, dice: float, pause: int) -> Conclusion:
    """Judge the answers, one for each recipient in order; `dice` is uniform in [0, 1), `pause` the seconds after which a channel that
    is down, or refuses us, is asked again.

    Recipients that were answered for good are never asked again, so one that must be tried again costs the others
    nothing.
    """
    state = attempt.state
    if attempt.content.on_unknown == "at_most_once":
        answers = [Lost(each.why) if isinstance(each, Busy) and each.unsure else each for each in answers]
    answered = list(zip(attempt.recipients, answers, strict=True))
    dead = frozenset(token for token, answer in answered if isinstance(answer, Refused) and answer.dead)
    lost = any(isinstance(answer, Lost) for answer in answers)
    resend = lost and may_resend(attempt.content, state)
    again = _again(attempt, answers, resend=resend)
    tickets = (*state.tickets, *_tickets(answered, resend=resend, open_end=again is not None))
    known: dict[str, Any] = {"tickets": list(tickets), "unknowns": state.unknowns + lost}
    untried = any(map(is_not_tried, answers))
    if untried:
        known["outages"] = state.outages + 1
    if dead or state.dead_tokens:
        known["deadTokens"] = sorted(dead.union(state.dead_tokens))
    expect = {"status": "SENDING", "owner": state.owner}

    if again is not None:
        put = {**known, "status": "PENDING", "reason": again.why}
        wait = pause if untried else wait_after(state.attempts - state.outages, dice)
        move = Move(expect=expect, put={**put, "notBefore": int(now.timestamp()) + wait}, drop=LEASE)
        return Conclusion(status="PENDING", reason=again.why, move=move, retry_in=wait, ambiguous=lost)

    status, reason = end_of(tickets)
    put = {**known, "status": status, **ended(now)}
    put |= {"sentAt": due_text(now)} if status == "SENT" else {"reason": reason}
    move = Move(expect=expect, put=put, drop=(*LEASE, *INDEX))
    return Conclusion(status=status, reason=reason, move=move, ambiguous=lost)


def _again(attempt: Attempt, answers: Sequence[Answer], *, resend: bool) -> Busy | Lost | Misconfigured | None:
    """Why there is another attempt: what a person must mend comes before what passes by itself."""
    for answer in answers:
        if isinstance(answer, Misconfigured):
            return answer
    untried = any(map(is_not_tried, answers))
    if untried or attempt.state.attempts - attempt.state.outages < ATTEMPTS:
        for answer in answers:
            if isinstance(answer, Busy) or (isinstance(answer, Lost) and resend):
                return answer
    return None


def _tickets(answered: Sequence[tuple[str, Answer]], *, resend: bool, open_end: bool) -> Iterator[Mapping[str, str]]:
    """What is known of each recipient for good; who has no ticket is asked again, unless this is the end."""
    for token, answer in answered:
        to = {"token": token} if token else {}
        match answer:
            case Accepted(ticket):
                yield {**to, "id": ticket}
            case Refused(why):
                yield {**to, "error": why}
            case Lost():
                if not (resend and open_end):
                    yield {**to, "error": "unknown"}
            case Busy(why) | Misconfigured(why):
                if not open_end:
                    yield {**to, "error": f"gave up: {why}"}
            case other:
                assert_never(other)


def wait_after(attempts: int, dice: float) -> int:
    """Doubling, with a quarter of jitter either way, so that waits always grow until they reach the longest."""
    wait = FIRST_WAIT * 2.0 ** min(max(attempts, 1) - 1, 20) * (0.75 + dice / 2)
    return min(LONGEST_DELAY, ceil(wait))
