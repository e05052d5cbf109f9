"""Ask for receipts: note on each occurrence what became of it, and of each dead token and address that it is dead."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal

import structlog
from opentelemetry.metrics import get_meter

from shared import BatchResult, Message, Send
from shared.telemetry import metrics
from workers.reminder_dispatch.receipts.event import Asked, ReceiptsDue
from workers.reminder_dispatch.receipts.queued import messages
from workers.reminder_dispatch.receipts.receipt import MOST, Receipt, Unanswered
from workers.reminder_dispatch.receipts.suppressed import Suppressed
from workers.reminder_dispatch.receipts.unsent import Unsent
from workers.reminder_dispatch.rules import DEAD_FOR
from workers.reminder_dispatch.schedule.occurrence import Move
from workers.reminder_dispatch.table.keys import address_key, device_key, due_text

if TYPE_CHECKING:
    from workers.reminder_dispatch.table.store import Reminders

GIVE_UP: Final = timedelta(hours=24)
"""How long Expo keeps receipts."""

ASK_WITHIN: Final = timedelta(seconds=10)
"""How long after its batch began a request may still be made: one takes 10 s at most, and what was said is noted before the handler's timeout."""

Outcome = Literal["DELIVERED", "RECEIPT_FAILED", "RECEIPT_MISSING"]

log = structlog.get_logger()
_counted = metrics.Counter(
    get_meter("fleet.reminders"),
    "fleet.reminders.receipts",
    unit="{occurrence}",
    description="occurrences, by what their receipts said, and whether after the first look",
)


@dataclass(frozen=True, slots=True)
class Ports:
    """Joined in app.py. `ask` raises Unanswered; `again` sends to the queue of receipts."""

    store: Reminders
    ask: Callable[[Sequence[str]], Awaitable[Mapping[str, Receipt]]]
    again: Send
    now: Callable[[], datetime]


async def look_up(events: Sequence[ReceiptsDue | Suppressed | Unsent], *, ports: Ports) -> BatchResult:
    """Ask for the receipts of all these together. What has none yet, and what Expo did not answer, is a new message in 15 minutes, until
    24 hours after it was sent; a message that comes twice writes the same twice.

    Rows first, new messages last, each event by itself: where one fails, no other is done again, and so none is asked for twice from then on.
    """
    questions = [event for event in events if isinstance(event, ReceiptsDue)]
    ids = list(dict.fromkeys(ticket.id for event in questions for each in event.occurrences for ticket in each.tickets))
    found: dict[str, Receipt] = {}
    until = ports.now() + ASK_WITHIN
    for part in _parts(ids):
        if ports.now() >= until:
            log.warning("receipts_not_answered", count=len(part), reason="no turn")
            continue
        try:
            found |= await ports.ask(part)
        except Unanswered as error:
            log.warning("receipts_not_answered", count=len(part), reason=str(error))
    noted = await asyncio.gather(
        *(_note(event, found, ports) if isinstance(event, ReceiptsDue) else _hear(event, ports) for event in events),
        return_exceptions=True,
    )
    asked = await asyncio.gather(*(_ask_again(left, ports) for left in noted), return_exceptions=True)
    return [_fault(end) for end in asked]


async def _note(event: ReceiptsDue, found: Mapping[str, Receipt], ports: Ports) -> Sequence[Message]:
    """Record what was said of an event's occurrences; the message that asks for the rest."""
    now = ports.now()
    left: list[Asked] = []
    for each in event.occurrences:
        heard = await _heard(each, found, ports, sent_at=event.sent_at)
        if heard.tickets and now < event.sent_at + GIVE_UP:
            left.append(heard)
            continue
        outcome = _outcome(heard)
        late = event.looks > 0
        put = {
            "receipt": outcome,
            "receiptAt": due_text(now),
            **({"receiptReason": heard.failed} if heard.failed else {}),
        }
        await _write(each, outcome, put, ports)
        _counted.add(1, {"receipt": outcome, "late": str(late).lower()})
        log.info("reminder_receipt", reminder=each.reminder_id, receipt=outcome, reason=heard.failed or None, late=late)
    return messages(left, sent_at=event.sent_at, looks=event.looks + 1)


async def _write(asked: Asked, outcome: Outcome, put: Mapping[str, str], ports: Ports) -> None:
    """Each attempt asks for itself: what one device was reached by stays, whatever the tickets of another attempt come to.

    Also where the row is not SENT: a claim whose end nobody knows may have been accepted.
    """
    if outcome == "DELIVERED":
        await ports.store.move(asked.key, Move(expect={}, put=put))
        return
    for before in (None, "RECEIPT_MISSING") if outcome == "RECEIPT_FAILED" else (None,):
        if await ports.store.move(asked.key, Move(expect={"receipt": before}, put=put)):
            return


async def _hear(event: Suppressed | Unsent, ports: Ports) -> Sequence[Message]:
    """Note what SES says of an e-mail; nothing is to be asked."""
    if isinstance(event, Suppressed):
        await _suppress(event, ports)
    elif event.occurrence is None:  # of another sender of the account
        log.info("email_unsent", reminder=None, reason=event.why)
    else:
        put = {"receipt": "RECEIPT_FAILED", "receiptAt": due_text(ports.now()), "receiptReason": event.why}
        await ports.store.move(event.occurrence.key, Move(expect={}, put=put))
        _counted.add(1, {"receipt": "RECEIPT_FAILED", "late": "false"})
        log.warning("email_unsent", reminder=event.occurrence.reminder_id, reason=event.why)
    return ()


async def _suppress(event: Suppressed, ports: Ports) -> None:
    """Note that no e-mail goes to these addresses any more."""
    now = ports.now()
    at, forget_at = event.sent_at or now, int((now + DEAD_FOR).timestamp())
    for address in event.addresses:
        await ports.store.entomb(address_key(address), why=event.why, at=at, forget_at=forget_at)
        log.info("email_address_suppressed", reason=event.why)


async def _ask_again(left: Sequence[Message] | BaseException, ports: Ports) -> None:
    """Raises what noting the event raised: then its own message comes again, and no new one."""
    if isinstance(left, BaseException):
        raise left
    if left:
        await ports.again(left)


def _fault(end: BaseException | None) -> Exception | None:
    """What is to be reported of an event. Raises what is not an Exception: a cancelled part must not pass for done."""
    if isinstance(end, BaseException) and not isinstance(end, Exception):
        raise end
    return end


async def _heard(asked: Asked, found: Mapping[str, Receipt], ports: Ports, *, sent_at: datetime) -> Asked:
    """The occurrence with what was said of it now; tokens that are dead are noted."""
    delivered, failed = asked.delivered, asked.failed
    for ticket in asked.tickets:
        receipt = found.get(ticket.id)
        if receipt is None:
            continue
        delivered = delivered or not receipt.error
        failed = failed or receipt.error
        if receipt.error == "DeviceNotRegistered":
            forget_at = int((ports.now() + DEAD_FOR).timestamp())
            await ports.store.entomb(device_key(ticket.token), why=receipt.error, at=sent_at, forget_at=forget_at)
    left = tuple(ticket for ticket in asked.tickets if ticket.id not in found)
    # Not read anew from outside: an occurrence whose last ticket was answered has none left.
    return asked.model_copy(update={"tickets": left, "delivered": delivered, "failed": failed})


def _outcome(heard: Asked) -> Outcome:
    if heard.delivered:
        return "DELIVERED"
    return "RECEIPT_FAILED" if heard.failed else "RECEIPT_MISSING"


def _parts(ids: Sequence[str]) -> list[Sequence[str]]:
    return [ids[start : start + MOST] for start in range(0, len(ids), MOST)]
