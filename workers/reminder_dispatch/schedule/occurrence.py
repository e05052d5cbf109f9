"""One occurrence of a reminder as its row says it: where it stands, what to send, when the series goes on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError, field_validator

from shared import Wire, in_words
from workers.reminder_dispatch.channels.email.letter import Letter
from workers.reminder_dispatch.channels.push.presentation import Presentation
from workers.reminder_dispatch.schedule.quiet import QuietHours
from workers.reminder_dispatch.schedule.recurrence import Moment, OnGap, OnOverlap, Place, Series
from workers.reminder_dispatch.schedule.rule_text import LARGEST, BadRule
from workers.reminder_dispatch.schedule.zones import read_zone
from workers.reminder_dispatch.table.keys import Key, due_text, index_keys, key_of

Row = Mapping[str, Any]
"""A row's attributes as plain values: text, numbers (int or Decimal), booleans, lists, maps."""

Status = Literal["PENDING", "SENDING", "SENT", "FAILED", "UNKNOWN"]

_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", re.ASCII)
"""One address and nothing around it: a name beside it would hide it from the marks of what bounced, and SES takes no letters beyond ASCII."""

MOVED = "moved: time zone data"
"""Why a row ended whose occurrence stands elsewhere."""

INDEX = ("GSI1PK", "GSI1SK")
LEASE = ("owner", "claimedUntil")
_OF_ONE_SENDING = {
    *("status", "attempts", "outages", "owner", "claimedUntil", "notBefore", "unknowns"),
    *("missedUntil", "sentAt", "tickets", "deadTokens", "reason", "TTL", *INDEX),
    *("receipt", "receiptAt", "receiptReason"),
}


Counted = Annotated[int, Field(ge=0, lt=2**31)]
"""A number that is counted with, and written back one larger: DynamoDB keeps 38 digits of it."""
LONGEST_HELD = 10 * 86_400.0
"""Seconds: no claim, no outage and no quiet hours hold an occurrence longer. What says so was not written by a worker."""
MOST_TOKENS = 1_000
"""Devices of one occurrence: what is known of each has to fit into its row, 400 KB, or it would be asked again and again."""
EpochSeconds = Annotated[float, Field(ge=0, lt=2**36)]


class Malformed(ValueError):
    """The row cannot be read; the text begins with the attribute's name and quotes no value."""


@dataclass(frozen=True, slots=True)
class Move:
    """One conditional write: `put` and `drop` happen if every attribute of `expect` has its value (None: is absent, or NULL)."""

    expect: Mapping[str, Any]
    put: Mapping[str, Any] = field(default_factory=dict)
    drop: tuple[str, ...] = ()


class State(Wire):
    """Where the sending stands. Times in epoch seconds.

    `attempts` counts claims and so tells one PENDING from the next, `outages` those of them that no channel looked at; `unknowns` counts claims that ended without
    anybody knowing whether the request was accepted; until `missed_until` the misfire policy left out what comes next; `tickets` holds
    what is known of each recipient.
    """

    status: Status
    attempts: Counted = 0
    outages: Counted = 0
    owner: str = ""
    claimed_until: EpochSeconds = Field(default=0, alias="claimedUntil")
    not_before: EpochSeconds = Field(default=0, alias="notBefore")
    missed_until: EpochSeconds = Field(default=0, alias="missedUntil")
    unknowns: Counted = 0
    tickets: tuple[Mapping[str, str], ...] = ()
    dead_tokens: tuple[str, ...] = Field(default=(), alias="deadTokens")


class Content(Wire):
    """What is sent to whom, and the promises about it. `max_lateness` in seconds."""

    channel: Literal["push", "email", "webhook"]
    title: str
    body: str
    data: Mapping[str, Any] = Field(default_factory=dict)
    tokens: tuple[str, ...] = Field(default=(), max_length=MOST_TOKENS)
    project: str = ""
    push: Presentation | None = None
    email: str | None = None
    mail: Letter | None = None
    tenant_id: str | None = Field(default=None, alias="tenantId")
    on_unknown: Literal["at_least_once", "at_most_once"] = Field(default="at_least_once", alias="onUnknown")
    max_lateness: Counted | None = Field(default=None, alias="maxLateness")
    priority: Literal["normal", "high"] = "normal"
    misfire: Literal["fire_all", "fire_once", "skip"] = "fire_all"
    quiet_hours: QuietHours | None = Field(default=None, alias="quietHours")
    urgent: bool = False
    time_zone: str | None = Field(default=None, alias="timeZone")

    @field_validator("data", "push", "mail", mode="before")
    @classmethod
    def _as_json(cls, data: Any) -> Any:
        return plain(data)


class _Schedule(Wire):
    time_zone: str | None = Field(default=None, alias="timeZone")
    local_time: str | None = Field(default=None, alias="localTime")
    rule: str | None = None
    rule_start: str | None = Field(default=None, alias="ruleStart")
    number: int | None = Field(default=None, alias="occurrenceNumber", ge=1, le=LARGEST)
    on_gap: OnGap = Field(default="shift", alias="onGap")
    on_overlap: OnOverlap = Field(default="first", alias="onOverlap")


@dataclass(frozen=True, slots=True)
class Clock:
    """The wall time that an occurrence was asked for, and the zone and policies by which that is an instant."""

    wall: datetime
    zone: str
    on_gap: OnGap
    on_overlap: OnOverlap


def read_state(row: Row) -> State:
    """Raises Malformed."""
    return _read(State, row)


def read_content(row: Row) -> Content:
    """Raises Malformed or BadRule."""
    content = _read(Content, row)
    if content.channel == "email" and not _ADDRESS.fullmatch(content.email or ""):
        raise Malformed("email: no address")
    if content.channel == "webhook" and not content.tenant_id:
        raise Malformed("tenantId: missing, and the event would reach nobody")
    if content.quiet_hours is not None:
        if content.time_zone is None:
            raise Malformed("timeZone: missing, and quiet hours go by the recipient's clock")
        read_zone(content.time_zone)
        if content.quiet_hours.never_end:
            raise Malformed("quietHours: they never end")
    return content


def read_series(row: Row) -> Series | None:
    """The series that the row belongs to; None for a reminder that comes once. Raises Malformed or BadRule."""
    schedule = _read(_Schedule, row)
    if schedule.time_zone is not None:
        read_zone(schedule.time_zone)
    if not schedule.rule:
        return None
    if schedule.time_zone is None:
        raise BadRule("timeZone: missing, and a rule lives on a wall clock")
    name, start = ("ruleStart", schedule.rule_start) if schedule.rule_start else ("localTime", schedule.local_time)
    return Series(
        rule=schedule.rule,
        start=_wall_time(name, start),
        zone=schedule.time_zone,
        on_gap=schedule.on_gap,
        on_overlap=schedule.on_overlap,
        known=Place(_wall_time("localTime", schedule.local_time), schedule.number) if schedule.number else None,
    )


def read_clock(row: Row) -> Clock | None:
    """The wall clock that an occurrence goes by; None where its row names none. Raises Malformed or BadRule."""
    schedule = _read(_Schedule, row)
    if schedule.time_zone is None or schedule.local_time is None:
        return None
    read_zone(schedule.time_zone)
    wall = _wall_time("localTime", schedule.local_time)
    return Clock(wall, schedule.time_zone, schedule.on_gap, schedule.on_overlap)


def successor(row: Row, reminder_id: str, series: Series | None, moment: Moment) -> dict[str, Any]:
    """The row of a later occurrence: everything the reminder is, nothing of what became of this one."""
    key = key_of(reminder_id, moment.instant)
    kept = {name: value for name, value in row.items() if name not in _OF_ONE_SENDING}
    return kept | {
        "PK": key.pk,
        "SK": key.sk,
        "entity": "occurrence",
        "reminderId": reminder_id,
        "dueAt": due_text(moment.instant),
        "status": "PENDING",
        "localTime": moment.wall.isoformat(),
        **({"ruleStart": series.start.isoformat()} if series is not None else {}),
        **({"occurrenceNumber": moment.number} if moment.number is not None else {}),
        **index_keys(reminder_id, moment.instant),
    }


def skipped(row: Row, reminder_id: str, series: Series | None, moment: Moment, *, forget_at: int) -> dict[str, Any]:
    """The record of an occurrence that fell into a gap of the wall clock and is not sent."""
    kept = successor(row, reminder_id, series, moment)
    return {name: value for name, value in kept.items() if name not in INDEX} | {
        "status": "FAILED",
        "reason": "skipped_gap",
        "TTL": forget_at,
    }


def may_be_waiting(row: Row) -> bool:
    """Whether a row means to be an occurrence, however it is written, and has not ended: a table may hold what is others'."""
    means = row.get("entity") == "occurrence" or row["PK"].startswith("REMINDER#") or _says_due(row)
    return means and row["SK"] != "HEAD" and row.get("status") not in ("SENT", "FAILED", "UNKNOWN")


def _says_due(row: Row) -> bool:
    return str(row.get("GSI1PK", "")).startswith("DUE#")


def row_key(row: Row) -> Key:
    return Key(row["PK"], row["SK"])


def plain(value: Any) -> Any:
    """The value as JSON can say it: DynamoDB's decimals as numbers, its sets as sorted lists. Raises ValueError."""
    match value:
        case Decimal():
            return plain(int(value)) if value == value.to_integral_value() else float(value)
        case Mapping():
            return {str(name): plain(one) for name, one in value.items()}
        case set() | frozenset():
            return sorted(plain(one) for one in value)
        case int() if abs(value) >= 2**63:
            raise ValueError("beyond the numbers that JSON readers agree on")
        case str() | bool() | int() | float() | None:
            return value
        case Sequence() if not isinstance(value, bytes | bytearray):
            return [plain(one) for one in value]
    raise ValueError("bytes have no place in JSON")


Model = TypeVar("Model", bound=Wire)


def _read(model: type[Model], row: Row) -> Model:
    try:
        return model.model_validate(row)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        reason = f"{where}: {in_words(fault)}"
    raise Malformed(reason)  # outside the handler: pydantic's error knows the values


def _wall_time(name: str, text: str | None) -> datetime:
    try:
        wall = datetime.fromisoformat(text or "")
    except ValueError:
        wall = None
    if wall is None or wall.tzinfo is not None:
        raise Malformed(f"{name}: no wall-clock time like 2026-11-21T10:00:00")
    return wall.replace(microsecond=0)
