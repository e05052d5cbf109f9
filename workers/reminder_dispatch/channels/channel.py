"""What goes out through a channel, and the five things it may say about one recipient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Note:
    """One push notification to one device; `project` keeps apart what one request may not hold together, `more` are fields of Expo's
    about how it is shown.
    """

    token: str
    title: str
    body: str
    data: Mapping[str, Any] = field(default_factory=dict)
    project: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The service took it; `ticket` is the service's id for it."""

    ticket: str


@dataclass(frozen=True, slots=True)
class Refused:
    """It will never be taken as it is; `dead` says that the address itself must not be used again, `known` that this was clear beforehand
    and the channel was not asked.
    """

    why: str
    dead: bool = False
    known: bool = False


@dataclass(frozen=True, slots=True)
class Busy:
    """It was surely not taken, for a reason that passes: the channel's (its rate, an outage, no connection), the message's own (its
    device's rate), or ours, which never asked. `unsure`: not surely, because a gateway before the channel answered in its place.
    """

    why: str
    of: Literal["channel", "message", "us"] = "channel"
    unsure: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """The request went out and no answer came: it may have been taken."""

    why: str


@dataclass(frozen=True, slots=True)
class Misconfigured:
    """It was surely not taken, and will not be until a person mends credentials or an account."""

    why: str


Answer = Accepted | Refused | Busy | Lost | Misconfigured


def is_not_tried(answer: Answer) -> bool:
    """Whether an answer says nothing of what was to be sent: nobody looked at it."""
    return isinstance(answer, Misconfigured) or (isinstance(answer, Busy) and answer.of != "message")


def was_asked(answer: Answer) -> bool:
    """Whether an answer came of a request, and so says something of its channel."""
    match answer:
        case Refused(known=known):
            return not known
        case Busy(of=of):
            return of != "us"
        case _:
            return True


BY_GATEWAY = frozenset({502, 504})
"""Statuses of a gateway whose service does not answer, and may have taken the request (RFC 9110, 15.6.3 and 15.6.5)."""

TOO_LATE = Busy("no turn before its claim would end", of="us")
"""Not tried, because the answer could not be recorded in time."""
