"""What a producer says of a reminder, refused with the field's name and the fix where the worker could not keep to it."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Literal

import orjson

from shared import mistyped
from workers.reminder_dispatch.channels.channel import Note
from workers.reminder_dispatch.channels.email.letter import MailFields
from workers.reminder_dispatch.channels.push.expo import LARGEST_PAYLOAD, unsendable
from workers.reminder_dispatch.channels.push.presentation import PushFields
from workers.reminder_dispatch.schedule.occurrence import Malformed, Row, read_content, read_series
from workers.reminder_dispatch.schedule.recurrence import Moment, OnGap, OnOverlap, following, instants
from workers.reminder_dispatch.schedule.rule_text import BadRule
from workers.reminder_dispatch.schedule.zones import read_zone

LARGEST: Final = 200_000
"""Bytes of title, body and data: an event on the bus holds 256 KB."""
MOST_TOKENS: Final = 100
"""Devices of one recipient."""
LONGEST_NAME: Final = 256
"""Characters of a tenant's id and of a key."""
AHEAD: Final = 10
"""Occurrences that are computed before a rule is taken."""
FARTHEST: Final = timedelta(days=365 * 100)

_FIX: Final = {
    "timeZone": "an IANA name such as Europe/Berlin",
    "rule": "one RRULE of RFC 5545 such as FREQ=WEEKLY;BYDAY=MO, with fewer or wider steps where it is too costly",
    "channel": "push, email or webhook",
    "email": "one address such as ada@example.com, in ASCII and without a name",
    "data": "a JSON object, its whole numbers below 2^63",
    "push": "fields of Expo's such as sound, badge, ttl or channelId, as docs/reminders.md lists them",
    "mail": "the name of a template that SES keeps, and unsubscribe, an https URL, as docs/reminders.md says",
    "onGap": "shift, skip or gap_end",
    "onOverlap": "first, second or both",
    "onUnknown": "at_least_once or at_most_once",
    "quietHours": "such as 22:00-07:00, and days of MO, TU, WE, TH, FR, SA, SU",
    "priority": "normal or high",
    "misfire": "fire_all, fire_once or skip",
    "maxLateness": "whole seconds, from 0 to 2^31",
}


class WrongField(ValueError):
    """`field` cannot be so; the text begins with its name, says what to do, and quotes no value."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name}: {why}")
        self.field = name


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminder:
    """A reminder to be scheduled. `at` with an offset is an instant; without one it is the wall clock of `time_zone`, and of a
    `rule` its start (DTSTART). `max_lateness` in seconds. `quiet_hours` such as 22:00-07:00, in `time_zone`; `quiet_days` on which they
    begin, such as FR (all where none is named); what is `urgent` goes out nevertheless. `push`: how devices show it, in Expo's names;
    `mail`: the template of an e-mail, and where its reader unsubscribes.

    The same `key` of a tenant is the same reminder, however often it is scheduled; without one each call makes another.
    Its repr tells no text and no address.
    """

    tenant_id: str
    channel: Literal["push", "email", "webhook"]
    at: datetime
    title: str = field(repr=False)
    body: str = field(default="", repr=False)
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    tokens: tuple[str, ...] = field(default=(), repr=False)
    project: str = ""
    push: PushFields = field(default_factory=PushFields)
    email: str = field(default="", repr=False)
    mail: MailFields = field(default_factory=MailFields, repr=False)
    time_zone: str = ""
    rule: str = ""
    on_gap: OnGap = "shift"
    on_overlap: OnOverlap = "first"
    on_unknown: Literal["at_least_once", "at_most_once"] = "at_least_once"
    max_lateness: int | None = None
    priority: Literal["normal", "high"] = "normal"
    misfire: Literal["fire_all", "fire_once", "skip"] = "fire_all"
    quiet_hours: str = ""
    quiet_days: tuple[str, ...] = ()
    urgent: bool = False
    key: str = field(default_factory=lambda: secrets.token_hex(16))

    @property
    def reminder_id(self) -> str:
        """Of the whole table, so the tenant is part of it."""
        return "rm_" + hashlib.sha256(f"{self.tenant_id}\0{self.key}".encode()).hexdigest()[:32]

    def row(self) -> dict[str, Any]:
        """Its own attributes in the table; what it does not ask for is not there. Raises WrongField."""
        given = {
            "tenantId": self.tenant_id,
            "channel": self.channel,
            "title": self.title,
            "body": self.body,
            "data": _stored(self.data),
            "tokens": list(self.tokens),
            "project": self.project,
            "push": dict(self.push),
            "email": self.email,
            "mail": dict(self.mail),
            "timeZone": self.time_zone,
            "localTime": self.at.replace(microsecond=0).isoformat() if self.at.tzinfo is None else "",
            "rule": self.rule,
            "ruleStart": self.at.replace(microsecond=0).isoformat() if self.rule and self.at.tzinfo is None else "",
            "onGap": self.on_gap,
            "onOverlap": self.on_overlap,
            "onUnknown": self.on_unknown,
            "maxLateness": self.max_lateness,
            "priority": self.priority if self.priority != "normal" else "",
            "misfire": self.misfire if self.misfire != "fire_all" else "",
            "quietHours": self._quiet(),
            "urgent": self.urgent,
        }
        return {
            name: value
            for name, value in given.items()
            if value or name in {"title", "body"} or (name == "maxLateness" and value == 0)
        }

    def _quiet(self) -> dict[str, Any]:
        if not self.quiet_hours:
            return {}
        begin, _, end = self.quiet_hours.partition("-")
        return {"from": begin, "until": end, **({"days": list(self.quiet_days)} if self.quiet_days else {})}

    @property
    def fingerprint(self) -> str:
        """Of everything that is asked for: two calls with one key must agree in it."""
        asked = orjson.dumps(
            [self.at.isoformat(), self.row()], option=orjson.OPT_SORT_KEYS, default=lambda number: f"{number}"
        )
        return hashlib.sha256(asked).hexdigest()

    def check(self) -> None:
        """Raises WrongField for the first field that cannot be so."""
        if found := mistyped(Reminder, self):
            raise WrongField(found[0], f"it has to be {found[1]}")
        for name, value in (("tenantId", self.tenant_id), ("key", self.key)):
            if not 1 <= len(value) <= LONGEST_NAME or not value.isprintable():
                raise WrongField(name, f"1 to {LONGEST_NAME} printable characters")
        if self.at.tzinfo is None and not self.time_zone:
            raise WrongField("timeZone", "missing; `at` without an offset needs an IANA name such as Europe/Berlin")
        if self.at.tzinfo is not None and (self.rule or self.time_zone):
            raise WrongField("at", "leave the offset out: with a rule or a time zone it is a wall-clock time")
        if self.quiet_days and not self.quiet_hours:
            raise WrongField("quietHours", "missing, and there are days for them")
        row = self.row()
        try:
            read_content(row)
            read_series(row)
        except (Malformed, BadRule) as fault:
            raise refused(fault) from None
        self._check_recipients()
        self._check_size()

    def _check_recipients(self) -> None:
        of_channel = {"push": {"tokens", "project", "push"}, "email": {"email", "mail"}}.get(self.channel, set())
        given = {name: getattr(self, name) for name in ("tokens", "email", "project", "push", "mail")}
        for name, value in given.items():
            if value and name not in of_channel:
                raise WrongField(name, f"leave it out: the channel is {self.channel}")
        if self.channel == "push" and not 1 <= len(set(self.tokens)) <= MOST_TOKENS:
            raise WrongField("tokens", f"1 to {MOST_TOKENS} Expo push tokens, one for each device")

    def _check_size(self) -> None:
        try:
            content = orjson.dumps([self.title, self.body, _plain(self.data)])
            self.project.encode()
        except (TypeError, UnicodeEncodeError) as error:
            raise WrongField("title", "title, body, data and project hold no half of a surrogate pair") from error
        if len(content) > LARGEST:
            raise WrongField("data", f"title, body and data have {len(content)} bytes; {LARGEST} at most")
        for token in self.tokens:
            match unsendable(Note(token, self.title, self.body, _plain(self.data), more=dict(self.push))):
                case None:
                    pass
                case "MessageTooBig":
                    raise WrongField(
                        "data", f"a push holds {LARGEST_PAYLOAD} bytes of title, body, data and push: shorten one"
                    )
                case _:
                    raise WrongField("tokens", "each is like ExponentPushToken[...], as the app was given it")


def refused(fault: Malformed | BadRule) -> WrongField:
    """What the worker would say of a row, with the fix."""
    name, _, why = str(fault).partition(": ")
    name = name.partition(".")[0]
    fix = _FIX.get(name)
    return WrongField(name, f"{why}; {fix}" if fix else why)


def first_moments(reminder: Reminder, row: Row, *, now: datetime) -> tuple[Moment, ...]:
    """When a checked reminder is due first; two where both halves of an overlap are asked for. Raises WrongField."""
    try:
        series = read_series(row)
        if series is not None:
            found = following(series, now).next
            at = found
            for _ in range(AHEAD):  # a rule that becomes too costly later is refused now
                if at is None:
                    break
                at = following(series, at.instant).next
            moments: tuple[Moment, ...] = (found,) if found is not None else ()
        elif reminder.at.tzinfo is not None:
            at_instant = reminder.at.replace(microsecond=0)
            moments = (Moment(at_instant, at_instant.replace(tzinfo=None)),)
        else:
            wall = reminder.at.replace(microsecond=0)
            zone = read_zone(reminder.time_zone)
            there = instants(wall, zone, on_gap=reminder.on_gap, on_overlap=reminder.on_overlap)
            if not there:
                raise WrongField("at", "the clock never shows it there, and onGap is skip: another time, or shift")
            moments = tuple(Moment(instant, wall) for instant in there)
    except (Malformed, BadRule) as fault:
        raise refused(fault) from None
    coming = tuple(moment for moment in moments if moment.instant > now)
    if not coming or coming[-1].instant > now + FARTHEST:
        where = ("rule", "it comes no more") if reminder.rule else ("at", "has passed")
        raise WrongField(where[0], f"{where[1]}; a time to come, less than a hundred years away")
    return coming


def _plain(data: Mapping[str, Any]) -> Any:
    return json.loads(json.dumps(data))


def _stored(data: Mapping[str, Any]) -> Any:
    try:
        return json.loads(json.dumps(data, allow_nan=False), parse_float=_number)
    except (TypeError, ValueError, RecursionError) as error:
        raise WrongField("data", "a JSON object; numbers from 1e-120 to 1e120") from error


def _number(text: str) -> Decimal:
    found = Decimal(text)
    if found and not -120 <= found.adjusted() <= 120:  # DynamoDB's range, with some room
        raise ValueError
    return found
