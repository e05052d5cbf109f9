"""What the queue of receipts carries: the tickets of one request to Expo, by occurrence, or what SES says of an e-mail."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, Field

from shared import Delivery, Wire, document
from workers.reminder_dispatch.event import DueTime
from workers.reminder_dispatch.receipts.suppressed import SOURCE, Suppressed, read_suppressed
from workers.reminder_dispatch.receipts.unsent import Unsent, read_unsent
from workers.reminder_dispatch.table.keys import LONGEST_ID, Key, key_of


class Ticket(Wire):
    """Expo's id for one notification, and the device's token."""

    id: str = Field(min_length=1, max_length=256)
    token: str


class Asked(Wire):
    """One occurrence with the tickets that have no receipt yet, and what the others said: `failed` the first error, or ""."""

    reminder_id: str = Field(alias="reminderId", min_length=1, max_length=LONGEST_ID)
    due_at: DueTime = Field(alias="dueAt")
    tickets: Annotated[tuple[Ticket, ...], Field(min_length=1)]
    delivered: bool = False
    failed: str = ""

    @property
    def key(self) -> Key:
        return key_of(self.reminder_id, self.due_at)


class ReceiptsDue(Wire):
    """Receipts to ask for; `looks` were made before."""

    sent_at: AwareDatetime = Field(alias="sentAt")
    looks: int = Field(default=0, ge=0)
    occurrences: tuple[Asked, ...]


def decode_receipts(delivery: Delivery) -> ReceiptsDue | Suppressed | Unsent:
    """Raises Reject or pydantic.ValidationError."""
    found = document(delivery.body)
    if found.get("source") != SOURCE:
        return ReceiptsDue.model_validate(found)
    return read_unsent(found) or read_suppressed(found)
