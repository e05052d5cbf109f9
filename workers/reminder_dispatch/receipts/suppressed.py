"""What SES says of an e-mail afterwards: its address does not exist, or its reader complained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parseaddr
from typing import Any, Literal

from pydantic import Field

from shared import Reject, Wire

SOURCE = "aws.ses"


class _Recipient(Wire):
    email_address: str = Field(alias="emailAddress")


class _Bounce(Wire):
    bounce_type: str = Field(alias="bounceType")
    recipients: tuple[_Recipient, ...] = Field(alias="bouncedRecipients")


class _Complaint(Wire):
    recipients: tuple[_Recipient, ...] = Field(alias="complainedRecipients")
    feedback: str | None = Field(default=None, alias="complaintFeedbackType")


class _Detail(Wire):
    mail: Any = None
    bounce: _Bounce | None = None
    complaint: _Complaint | None = None


class Suppressed(Wire):
    """Addresses that get no e-mail any more, and why; none where what happened passes. `sent_at`: when the mail was sent that bounced. A
    complaint counts from when it is heard.
    """

    addresses: tuple[str, ...]
    why: Literal["bounce", "complaint"]
    sent_at: datetime | None = None


def read_suppressed(event: Mapping[str, Any]) -> Suppressed:
    """Read an event that SES puts on the account's default bus
    (https://docs.aws.amazon.com/ses/latest/dg/monitoring-eventbridge.html). Raises Reject or pydantic.ValidationError.

    A full mailbox passes, and so does a bounce of which SES cannot tell; `not-spam` takes a complaint back.
    """
    detail = _Detail.model_validate(event.get("detail"))
    if detail.bounce is not None:
        found = detail.bounce.recipients if detail.bounce.bounce_type == "Permanent" else ()
        return Suppressed(addresses=tuple(_addresses(found)), why="bounce", sent_at=_sent_at(detail.mail))
    if detail.complaint is not None:
        found = detail.complaint.recipients if detail.complaint.feedback != "not-spam" else ()
        return Suppressed(addresses=tuple(_addresses(found)), why="complaint")
    raise Reject("an event of SES that is neither a bounce nor a complaint")


def _sent_at(mail: Any) -> datetime | None:
    """None where it does not say: whatever else is odd about it, the address bounced."""
    try:
        at = datetime.fromisoformat(mail["timestamp"])
        return at.astimezone(UTC) if at.tzinfo is not None else None
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _addresses(recipients: tuple[_Recipient, ...]) -> Iterator[str]:
    for each in recipients:
        _, address = parseaddr(each.email_address)
        if "@" in address:
            yield address
