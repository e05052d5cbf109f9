"""Which reminder an e-mail is of, in tags that SES gives back with whatever it says of the mail afterwards."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence

from workers.reminder_dispatch.event import ReminderDue
from workers.reminder_dispatch.table.keys import due_text

DUE, PART = "fleet-due", "fleet-reminder-{}"
LONGEST = 255
"""Characters of a tag's value in SES's API, which are letters, digits, `_`, `-`, `.` and `@`: an id in base64url takes up to eleven."""


def tags_of(event: ReminderDue) -> list[dict[str, str]]:
    """`EmailTags` of SES's SendEmail."""
    text = urlsafe_b64encode(event.reminder_id.encode()).decode().rstrip("=")
    parts = [text[start : start + LONGEST] for start in range(0, len(text), LONGEST)]
    made = {
        DUE: due_text(event.due_at).replace(":", "."),
        **{PART.format(place): each for place, each in enumerate(parts)},
    }
    return [{"Name": name, "Value": value} for name, value in made.items()]


def occurrence_of(tags: Mapping[str, Sequence[str]]) -> ReminderDue | None:
    """The occurrence that `tags_of` named; None of a mail that somebody else sent."""
    text = "".join(tags[name][0] for place in range(len(tags)) if tags.get(name := PART.format(place)))
    due = tags.get(DUE)
    if not text or not due:
        return None
    try:
        reminder_id = urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
        return ReminderDue.model_validate({"reminderId": reminder_id, "dueAt": due[0].replace(".", ":")})
    except ValueError:
        return None
