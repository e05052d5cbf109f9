"""What the two queues carry: a tenant's event to be fanned out, and the job of delivering it to one endpoint."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime
from typing import Annotated, Any, Literal

import orjson
from pydantic import AwareDatetime, BeforeValidator, Field, TypeAdapter, ValidationError

from shared import BusEvent, Delivery, Reject, Wire, correlation_id, json_members, parsed, sorted_json

LONGEST_NAME = 256
"""Characters of a tenant's or endpoint's id: both become parts of table keys."""

EVENT_ID = r"^[A-Za-z0-9_-]{1,128}$"
LARGEST_PAYLOAD = 900_000
"""Bytes: an SQS message has 1 MiB, for the payload, what a job says beside it, and a result that waits with it."""

Correlation = Annotated[str, BeforeValidator(correlation_id)]
"""As a header carries it, whoever wrote the message; "" for anything else."""

_PLAIN = '{"payload":{'
_UNSENDABLE = re.compile("[\ufffe\uffff]")
_WHOLE = re.compile(rb"-?[0-9]{1,100}")
_INSTANT: TypeAdapter[datetime] = TypeAdapter(AwareDatetime)


class Published(Wire):
    """One event of one tenant. `payload` is the very text that every attempt signs and sends; `fingerprint` is of what
    must not change under one `event_id`. An event that some endpoints have got already goes on behind the place `after`,
    with the time of its first attempts and the number of those that took it.
    """

    event_id: str = Field(alias="eventId", pattern=EVENT_ID)
    event_type: str = Field(alias="eventType", min_length=1)
    tenant_id: str = Field(alias="tenantId", min_length=1, max_length=LONGEST_NAME)
    payload: str = Field(repr=False)
    fingerprint: str = ""
    correlation_id: Correlation = Field(default="", alias="correlationId")
    after: str = ""
    due: AwareDatetime | None = None
    taken: int = Field(default=0, ge=0)
    without_id: bool = Field(default=False, alias="withoutId")

    def body(self) -> str:
        """As a message carries it; its payload is too large for none."""
        return _body(self)


class Made(Wire):
    """What came of an attempt that was made and could not be written into the table (parked.py); `url` is its digest."""

    status: int = Field(ge=0, le=999)
    error: str | None = None
    response: str | None = Field(default=None, repr=False)
    verdict: Literal["delivered", "again", "exhausted", "gone"]
    next_at: AwareDatetime | None = Field(default=None, alias="nextAt")
    started_at: AwareDatetime = Field(alias="startedAt")
    finished_at: AwareDatetime = Field(alias="finishedAt")
    claimed_until: int = Field(alias="claimedUntil")
    url: str


class DeliveryJob(Wire):
    """One attempt to be made at one endpoint, not before `not_before`; a retry or a hop is a new message with this body.
    It is `waiting_since` then because its endpoint can take no more. With `made` it was made, and only its result is to be written.
    `resent` says who had it sent again, "" for the schedule; `ended`: its delivery was exhausted before, and that was told. `nonce`
    is the message's own: of two for one attempt, what follows from it is done by the one that made it.
    """

    event_id: str = Field(alias="eventId", pattern=EVENT_ID)
    event_type: str = Field(alias="eventType", min_length=1)
    tenant_id: str = Field(alias="tenantId", min_length=1, max_length=LONGEST_NAME)
    endpoint_id: str = Field(alias="endpointId", min_length=1, max_length=LONGEST_NAME)
    attempt: int = Field(ge=1, le=9999)
    payload: str = Field(repr=False)
    fingerprint: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    first_attempt_at: AwareDatetime = Field(alias="firstAttemptAt")
    not_before: AwareDatetime = Field(alias="notBefore")
    waiting_since: AwareDatetime | None = Field(default=None, alias="waitingSince")
    made: Made | None = None
    resent: str = Field(default="", max_length=64)
    ended: bool = False
    nonce: str = Field(default="", max_length=64)
    correlation_id: Correlation = Field(default="", alias="correlationId")

    def body(self) -> str:
        """As a message carries it."""
        return _body(self)

    def identified(self) -> str:
        """What must not change under one identity; a job without a fingerprint goes by its whole payload."""
        return self.fingerprint or hashlib.sha256(self.payload.encode()).hexdigest()

    def next(self, at: datetime, *, nonce: str) -> DeliveryJob:
        """The job of the attempt after this one: the same payload, byte for byte."""
        new = {"attempt": self.attempt + 1, "not_before": at, "waiting_since": None, "made": None, "resent": ""}
        return self.model_copy(update=new | {"nonce": nonce})


def place_of(endpoint_id: str) -> str:
    """An endpoint's place in the table's order: a page may begin behind it."""
    return f"ENDPOINT#{endpoint_id}"


def published(delivery: Delivery) -> Published:
    """Decode a bus event. Raises Reject (also without a tenant: the rule sends none such) or ValidationError."""
    event, detail = _bus_event(delivery.body)
    tenant_id = event.detail.get("tenantId")
    if not isinstance(tenant_id, str) or not 1 <= len(tenant_id) <= LONGEST_NAME or not _is_utf8(tenant_id):
        raise Reject("the event has no detail.tenantId that can be used")
    if not event.detail_type:
        raise Reject("the event has no detail-type")
    own = _own_id(event)
    return Published(
        eventId=event_id(tenant_id, event.source, event.detail_type, own),
        eventType=event.detail_type,
        tenantId=tenant_id,
        payload=_payload(event, detail),
        correlationId=correlation_id(event.detail.get("correlationId")),
        fingerprint=hashlib.sha256(sorted_json(_own(detail)).encode(errors="surrogatepass")).hexdigest(),
        withoutId=own == event.id,
    )


def delivery_job(delivery: Delivery) -> DeliveryJob:
    """Decode a delivery job. Raises Reject or ValidationError."""
    return DeliveryJob.model_validate(_members(delivery.body))


def job_or_event(delivery: Delivery) -> DeliveryJob | Published:
    """Decode a delivery job, or an event whose fan-out goes on. Raises Reject or ValidationError."""
    members = _members(delivery.body)
    goes_on = isinstance(members, dict) and "after" in members
    return (Published if goes_on else DeliveryJob).model_validate(members)


def is_too_large(payload: str) -> bool:
    """Whether no message can carry it. What counts is the customer's bytes, but for characters that SQS does not take."""
    return (
        _bytes(_sendable(orjson.dumps(payload).decode()) if _UNSENDABLE.search(payload) else payload) > LARGEST_PAYLOAD
    )


def event_id(tenant_id: str, source: str, event_type: str, own: str | int) -> str:
    """The webhook-id: `msg_` and the SHA-256, in hex, of these four as a JSON array without blanks.

    The same at every retry and duplicate, and another one for each tenant, source and type: a producer's id says only
    which of its own events of one kind it is. No dot, and not the producer's to choose (Standard Webhooks 1.0.0).
    """
    identity = json.dumps([tenant_id, source, event_type, own], separators=(",", ":"))
    return "msg_" + hashlib.sha256(identity.encode()).hexdigest()


def _own_id(event: BusEvent) -> str | int:
    """`detail.id`, a text or a whole number, which are two ids; else the bus's own, which is new each time."""
    own = event.detail.get("id")
    return int(own) if isinstance(own, bytes) and _WHOLE.fullmatch(own) else event.key


def _own(detail: str) -> str:
    """The detail without its correlation id: what brought an event about once more does not make it another one."""
    if '"correlationId"' not in detail:
        return detail
    members = json_members(detail).items()
    own = (f"{json.dumps(name)}:{each.text}" for name, each in members if name != "correlationId")
    return "{" + ",".join(own) + "}"


def _bus_event(body: str) -> tuple[BusEvent, str]:
    """The event, and the text of its detail as the customer's receiver is to get it."""
    members = json_members(body)
    match members:
        case {"Type": ("Notification", _), "Message": (str(message), _)}:
            members = json_members(message)
    return BusEvent.model_validate({name: each.value for name, each in members.items()}), members["detail"].text


def _members(body: str) -> Any:
    """What `_body` wrote, with the payload as a text."""
    if not body.startswith(_PLAIN):
        return parsed(body)
    payload = json_members(body)["payload"].text
    rest = body[len(_PLAIN) - 1 + len(payload) :].lstrip().removeprefix(",")
    return {**parsed("{" + rest), "payload": payload}


def _body(carried: DeliveryJob | Published) -> str:
    """SQS refuses two characters that JSON may hold as they are.

    A payload that would be too long as a text stands there as it is, and first: its escapes must not count.
    """
    text = _sendable(carried.model_dump_json(by_alias=True, exclude_none=True, exclude=_unsaid(carried)))
    if _bytes(text) <= LARGEST_PAYLOAD or _UNSENDABLE.search(carried.payload) or carried.payload[:1] != "{":
        return text
    rest = _sendable(carried.model_dump_json(by_alias=True, exclude_none=True, exclude={"payload"} | _unsaid(carried)))
    return f'{{"payload":{carried.payload},{rest[1:]}'


def _unsaid(carried: DeliveryJob | Published) -> set[str]:
    """What says nothing: most jobs are the schedule's."""
    return {
        name
        for name in ("resent", "ended", "nonce", "correlation_id", "without_id")
        if not getattr(carried, name, True)
    }


def _sendable(text: str) -> str:
    return text.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which JSON's escapes can spell
        return False
    return True


def _payload(event: BusEvent, detail: str) -> str:
    """Standard Webhooks 1.0.0, "payload structure". `detail` goes in as it came: its numbers, escapes, blanks and names.

    The time is the business's own where it has one: the bus gives a duplicate a new time, and a duplicate's payload
    must be the same bytes.
    """
    timestamp = _occurred_at(event.detail.get("occurredAt")) or event.time.isoformat().replace("+00:00", "Z")
    kind, time = orjson.dumps(event.detail_type).decode(), orjson.dumps(timestamp).decode()
    return f'{{"type":{kind},"timestamp":{time},"data":{detail}}}'


def _occurred_at(given: Any) -> str | None:
    if not isinstance(given, str):
        return None
    try:
        _INSTANT.validate_python(given)
    except ValidationError:
        return None
    return given
