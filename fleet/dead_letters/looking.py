"""A look at dead letters, whoever asks: which queues hold some, what is in one of them, and what may be shown of a letter."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from fleet.dead_letters.model import groups as grouping
from fleet.dead_letters.model import redaction, view
from fleet.dead_letters.model.expiry import is_soon
from fleet.dead_letters.model.filters import Filters
from fleet.dead_letters.model.letter import DeadLetter
from fleet.dead_letters.model.shapes import Origin
from fleet.dead_letters.model.view import View
from fleet.dead_letters.queues.catalog import (
    Catalog,
    NoSuchQueue,
    NotDeadLetters,
    OtherPlace,
    QueueInfo,
    service,
    side_by_side,
)
from fleet.dead_letters.queues.dead_letter_queue import MOST_IN_FLIGHT, MOST_IN_FLIGHT_FIFO
from fleet.dead_letters.queues.topics import Topics, routed
from fleet.dead_letters.replay.inventory import Desk, Inventory, hidden_for
from shared.message.identity import ATTRIBUTE


def fed(catalog: Catalog) -> tuple[list[QueueInfo], list[str]]:
    """Every dead-letter queue that something feeds; and why each was left out that is only called so, or may not be read."""

    def judged(info: QueueInfo) -> QueueInfo | Exception:
        try:
            return info if info.fed_by else catalog.dead_letter_queue(info.url)
        except (NoSuchQueue, NotDeadLetters, OtherPlace) as error:  # deleted while others were asked, or never one
            return error

    queues = catalog.dead_letter_queues()
    left_out = [f"left out: {unread}" for unread in catalog.unread]
    found: list[QueueInfo] = []
    for each in side_by_side(judged, queues):
        if isinstance(each, QueueInfo):
            found.append(each)
        else:
            left_out.append(f"left out: {each}")
    return found, left_out


async def look_through(
    tools: Desk,
    info: QueueInfo,
    origin: Origin,
    filters: Filters,
    *,
    payload: bool = False,
    meet: Callable[[DeadLetter], None] | None = None,
) -> Inventory:
    """Read a whole dead-letter queue and give everything back; `payload` and `meet` as `Desk.inventory` takes them. Where letters were
    published by a topic, its subscriptions are asked for their destination.
    """
    async with tools.open(info, origin) as opened:
        found = await tools.inventory(opened, filters, payload=payload, meet=meet)
    if any(each.standing.topic for each in found.views):
        asked = await asyncio.to_thread(lambda: routed(found.views, Topics(service("sns")), queue_arn=info.arn))
        found = replace(found, views=tuple(asked))
    return found


def told(info: QueueInfo, found: Inventory, *, now: float) -> list[str]:
    """What is to be known of a look beside its letters: a line for each thing that is not as it should be."""
    words = []
    if not found.complete:
        words.append(f"incomplete: {found.scanned} of about {found.expected} letters seen; {unseen(info, found)}")
    if found.refused:
        until = datetime.fromtimestamp(now + hidden_for(info), UTC).isoformat(timespec="seconds")
        said = f" ({found.refusal})" if found.refusal else ""
        words.append(
            f"{found.refused} letters were not given back by SQS: they stay hidden until {until} at the latest{said}"
        )
    words += [f"left: {name}: {why}" for name, why in found.faults.items()]
    if unverified := sum(each.unverified_mark for each in found.views):
        words.append(
            f"{unverified} letters with an unverified mark: they say that they were replayed, and nothing goes by that"
        )
    return words


def is_whole(found: Inventory) -> bool:
    """Whether a look saw every letter, could read it and gave it back."""
    return found.complete and not found.refused and not found.faults


def unseen(info: QueueInfo, found: Inventory) -> str:
    """Why a look did not see all letters."""
    most = MOST_IN_FLIGHT_FIFO if info.fifo else MOST_IN_FLIGHT
    if found.expected <= most:
        behind = ", or they are behind the first letters of their group (ten at most), which is what SQS hands out: replay or archive these"
        return f"somebody else holds the others{behind if info.fifo else ''}"
    return f"SQS lets no more than {most} be in flight: replay or archive these, and look again"


def counted(info: QueueInfo) -> dict[str, Any]:
    """A queue as SQS counts it, without a look at its letters (schema dlq-queue, version 1)."""
    return {
        "version": 1,
        "queue": info.name,
        "url": info.url,
        "visible": info.visible,
        "in_flight": info.in_flight,
        "retention_s": int(info.retention),
        "oldest_sent_at": None,
        "expires_in_s": None,
        "expires_soon": False,
        "groups": None,
        "fed_by": list(info.fed_by),
    }


def summed_up(views: Iterable[View]) -> dict[str, Any]:
    """What a look adds to `counted`; the letters come closest to expiry first."""
    seen = [*views]
    line: dict[str, Any] = {"groups": len(grouping.grouped(seen))}
    if seen:
        oldest = seen[0]
        line |= {
            "oldest_sent_at": view.instant(oldest.sent_at),
            "expires_in_s": round(oldest.expires_in),
            "expires_soon": is_soon(oldest.expires_in),
        }
    return line


def shown(each: View) -> dict[str, Any]:
    """A letter with its payload, redacted: what anybody may see of it (schema dlq-letter-content, version 1)."""
    letter = each.letter
    assert letter is not None
    return {
        **redaction.listed(view.document(each)),
        "reason": None if letter.moved_from else redaction.reason(letter.written(ATTRIBUTE)) or None,
        "attributes": redaction.attributes(letter.attributes),
        "body": redaction.body(letter.body),
        "body_in_s3": redaction.stored(letter),
    }
