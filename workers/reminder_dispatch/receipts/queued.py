"""The messages that ask for receipts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from shared import Message
from workers.reminder_dispatch.channels.channel import Accepted, Answer
from workers.reminder_dispatch.receipts.event import Asked, ReceiptsDue, Ticket
from workers.reminder_dispatch.sending.decision import Attempt

FIRST_LOOK: Final = 900
"""Seconds after which Expo wants to be asked first, and by which SQS delays at most: how long until each further look."""

MOST_TICKETS: Final = 200
"""Of one message, but for one occurrence with more devices."""


def messages(occurrences: Sequence[Asked], *, sent_at: datetime, looks: int = 0) -> list[Message]:
    """Messages that ask for these in 15 minutes."""
    return [
        Message(
            body=ReceiptsDue(sentAt=sent_at, looks=looks, occurrences=part).model_dump_json(
                by_alias=True, ensure_ascii=True
            ),
            delay=FIRST_LOOK,
        )
        for part in _parts(occurrences)
    ]


def accepted(attempts: Sequence[Attempt], answers: Sequence[Answer]) -> list[Asked]:
    """The tickets among the answers to a batch, one answer for each recipient of each attempt, in order."""
    found, each = [], iter(answers)
    for attempt in attempts:
        tickets = tuple(
            Ticket(id=answer.ticket, token=token)
            for token, answer in zip(attempt.recipients, each, strict=False)
            if isinstance(answer, Accepted) and answer.ticket
        )
        if tickets:
            event = attempt.event
            found.append(Asked.model_construct(reminder_id=event.reminder_id, due_at=event.due_at, tickets=tickets))
    return found


def _parts(occurrences: Sequence[Asked]) -> Iterator[tuple[Asked, ...]]:
    part: list[Asked] = []
    count = 0
    for each in occurrences:
        if part and count + len(each.tickets) > MOST_TICKETS:
            yield tuple(part)
            part, count = [], 0
        part.append(each)
        count += len(each.tickets)
    if part:
        yield tuple(part)
