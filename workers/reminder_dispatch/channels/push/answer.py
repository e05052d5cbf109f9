"""What Expo answers to a request for pushes, read into tickets, or into why there are none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
import structlog

from workers.reminder_dispatch.channels.channel import BY_GATEWAY, Accepted, Answer, Busy, Lost, Misconfigured, Refused

LARGEST_ANSWER = 1_048_576
"""Bytes of an answer, inflated, that are read: a hundred tickets are 20,000."""

LONGEST_ID = 256
"""Characters of a ticket's id; Expo's have 36."""

_OF_THE_REQUEST = {400, 413, 422}
"""Statuses that may be about what was asked; any other below 500 asks for a person, unless Expo says why."""
_PASSING = {408, 425, 429}
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_PASSING_TICKET_ERRORS = {"MessageRateExceeded", "ExpoError", "ProviderError"}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Tickets:
    """The request was taken; one entry for each recipient, in order."""

    entries: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Rejected:
    """The request as a whole was refused, nothing was sent; `projects` tells whose tokens must not be together, `by_expo` whether it is
    Expo that says so and not something before it.
    """

    why: str
    projects: dict[str, str] = field(default_factory=dict)
    by_expo: bool = True


Reply = Tickets | Rejected | Busy | Lost | Misconfigured


async def text_of(response: aiohttp.ClientResponse) -> bytes:
    """The body, or nothing where it breaks off or is too long: the status may say enough. In pieces, for it comes inflated."""
    text = bytearray()
    try:
        async for piece in response.content.iter_chunked(LARGEST_ANSWER):
            text += piece
            if len(text) > LARGEST_ANSWER:
                return b""
    except (aiohttp.ClientError, TimeoutError):
        return b""
    return bytes(text)


def read(status: int, text: bytes, *, recipients: int) -> Reply:
    """What a request to so many recipients was answered."""
    answer = json_object(text)
    errors = answer.get("errors")
    error = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    code = code_in(error, "code")
    if status in _PASSING or status >= 500 or code == "TOO_MANY_REQUESTS":
        return Busy(f"Expo: {code or status}", unsure=status in BY_GATEWAY)
    of_us = status in {401, 403, 404} or 300 <= status < 400 or code == "UNAUTHORIZED"
    if of_us or not (code or status < 300 or status in _OF_THE_REQUEST):
        return Misconfigured(f"Expo: {code or status}")
    entries = answer.get("data")
    if status < 300 and isinstance(entries, list):
        # Where the counts differ, positions prove nothing.
        return Tickets(entries) if len(entries) == recipients else Lost("tickets and recipients differ in number")
    if status < 300 and not error:
        return Lost("unreadable answer from Expo")
    if code == "PUSH_TOO_MANY_NOTIFICATIONS":
        log.error("expo_request_too_large", recipients=recipients)
    projects = _projects(error.get("details"))
    return Rejected(f"Expo: {code or status}", projects, by_expo=bool(code))


def ticket_answer(ticket: Any) -> Answer:
    """What one ticket says of its recipient."""
    if not isinstance(ticket, dict):
        return Lost("unreadable ticket")
    name = ticket.get("id")
    if ticket.get("status") == "ok":
        if isinstance(name, str) and 0 < len(name) <= LONGEST_ID:
            return Accepted(name)
        log.warning("expo_ticket_without_id")  # taken all the same: to send it again would double it
        return Accepted("")
    if ticket.get("status") != "error":
        return Lost("unreadable ticket")
    code = code_in(ticket.get("details"), "error") or "no code"
    if code in _PASSING_TICKET_ERRORS:
        return Busy(f"Expo: {code}", of="message")
    return Refused(code, dead=code == "DeviceNotRegistered")


def code_in(told: Any, name: str) -> str:
    """Expo's word for what went wrong; "" where there is none: what is no word must stand in no row, line or metric."""
    code = told.get(name) if isinstance(told, dict) else None
    return code if isinstance(code, str) and _CODE.fullmatch(code) else ""


def _projects(details: Any) -> dict[str, str]:
    """Token -> project, out of the map project -> tokens that PUSH_TOO_MANY_EXPERIENCE_IDS carries."""
    if not isinstance(details, dict):
        return {}
    return {
        token: project for project, tokens in details.items() if isinstance(tokens, list) for token in map(str, tokens)
    }


def json_object(text: bytes) -> dict[str, Any]:
    """What an answer says; nothing where it is no JSON object."""
    try:
        answer = orjson.loads(text)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
