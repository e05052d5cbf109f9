"""What is wrong with a session that somebody wrote by hand, also where no upload would ever find it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from shared import Reject
from workers.upload_notification import rules
from workers.upload_notification.client.state import FINAL
from workers.upload_notification.event import PREFIX, session_of
from workers.upload_notification.store.sessions import read_session

FARTHEST: Final = timedelta(days=366)
"""From now to the end of a session; what lies behind that is in milliseconds."""


def row_fault(item: Mapping[str, Any], at: datetime) -> str:  # noqa: PLR0911  a mistake in each line
    """What is wrong with a row of the table in DynamoDB's typed form, beginning with the attribute; "" where nothing is, or where it has
    ended. Raises nothing, whatever the row holds.
    """
    try:
        session = read_session(item)
    except Reject as fault:
        return str(fault).removeprefix("the session's ")
    if session.status in FINAL:
        return ""
    if session.status not in rules.OPEN:
        return f"status: missing, or none of {', '.join(rules.OPEN)}, and it takes no upload"
    if session_of(f"{PREFIX}{session.session_id}/name") != session.session_id:
        return "sessionId: holds a slash, or is no name, and no key of an upload names it"
    if session.expires_at is None:
        return "expiresAt: missing, and the session never ends"
    if session.expires_at > (at + FARTHEST).timestamp():
        return "expiresAt: more than a year away; it is in epoch seconds, not in milliseconds"
    if not item.get("wsConnectionId", {"NULL": True}).keys() & {"S", "NULL"}:
        return "wsConnectionId: not a text, and its browser is told nothing"
    return ""
