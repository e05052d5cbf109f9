"""What SES says of an e-mail that it took and then did not send: its template lacks a value, or a virus is in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from shared import Wire
from workers.reminder_dispatch.channels.email.tags import occurrence_of
from workers.reminder_dispatch.event import ReminderDue

KINDS = ("Rendering Failure", "Reject")
"""Of events that say so (https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html)."""


class _Mail(Wire):
    tags: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)


class _Detail(Wire):
    kind: str = Field(alias="eventType")
    mail: _Mail


class Unsent(Wire):
    """Why, and the occurrence; None where the mail is not a reminder's."""

    why: str
    occurrence: ReminderDue | None


def read_unsent(event: Mapping[str, Any]) -> Unsent | None:
    """None where the event says something else. SES's own words are left out: they may quote what the mail was filled with. Raises
    pydantic.ValidationError.
    """
    detail = event.get("detail")
    if not isinstance(detail, dict) or detail.get("eventType") not in KINDS:
        return None
    found = _Detail.model_validate(detail)
    return Unsent(why=f"SES: {found.kind}", occurrence=occurrence_of(found.mail.tags))
