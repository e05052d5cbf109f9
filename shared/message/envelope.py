"""What SQS bodies wrap: EventBridge events, SNS notifications, DynamoDB stream records; what S3 says is in s3_events.py."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator

from shared.message.parsing import parsed
from shared.outcome import Reject

Image = Mapping[str, Mapping[str, Any]]
"""A DynamoDB item in its typed JSON form ({"name": {"S": "x"}}): numbers stay strings, nothing is rounded."""


class Wire(BaseModel):
    """A body as it comes over the wire: frozen, unknown fields ignored, names as AWS spells them."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, hide_input_in_errors=True)


class BusEvent(Wire):
    """One EventBridge event (https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html)."""

    id: str
    source: str
    detail_type: str = Field(alias="detail-type")
    time: AwareDatetime
    account: str = ""
    region: str = ""
    detail: Mapping[str, Any]

    @property
    def key(self) -> str:
        """The event's business id: `detail.id` where the producer gave one, for EventBridge's own id is new each time.

        Any text: who puts it into a table key or a header makes it fit there.
        """
        own = self.detail.get("id")
        return own if isinstance(own, str) and own else self.id


class ScheduleTick(Wire):
    """What the schedule rule sends: it names the instant it fired for, in UTC."""

    source: Literal["scheduler"]
    time: AwareDatetime

    @field_validator("time")
    @classmethod
    def _in_utc(cls, time: datetime) -> datetime:
        return time.astimezone(UTC)


class StreamRecord(Wire):
    """One DynamoDB stream record as a pipe or a Lambda stream mapping writes it. `account`, `region` and `table` are its ARN's."""

    account: str
    region: str
    event_id: str
    event_name: Literal["INSERT", "MODIFY", "REMOVE"]
    table: str
    keys: Image
    old: Image | None = None
    new: Image | None = None
    sequence_number: str
    created_at: AwareDatetime
    by_time_to_live: bool = False


def document(body: str | Mapping[str, Any]) -> Mapping[str, Any]:
    """The JSON object in `body`, out of its SNS envelope if it has one; what is read already is taken as it is. Raises Reject."""
    if not isinstance(body, str):
        return body
    opened = _object(body)
    return _object(opened["Message"]) if _is_notification(opened) else opened


def unwrapped(body: str) -> str:
    """The text that `document` reads: the body, or what its SNS envelope holds. Raises Reject."""
    opened = _object(body)
    return str(opened["Message"]) if _is_notification(opened) else body


def _is_notification(opened: Mapping[str, Any]) -> bool:
    return opened.get("Type") == "Notification" and isinstance(opened.get("Message"), str)


def bus_event(body: str) -> BusEvent:
    """Raises Reject or pydantic.ValidationError."""
    return BusEvent.model_validate(document(body))


def schedule_tick(body: str | Mapping[str, Any]) -> ScheduleTick:
    """Raises Reject or pydantic.ValidationError."""
    return ScheduleTick.model_validate(document(body))


def stream_record(body: str | Mapping[str, Any]) -> StreamRecord:
    """Raises Reject or pydantic.ValidationError."""
    opened = document(body)
    change = opened.get("dynamodb")
    if not isinstance(change, dict):
        raise Reject("body is not a DynamoDB stream record: it has no `dynamodb`")
    identity = found if isinstance(found := opened.get("userIdentity"), dict) else {}
    arn = [*str(opened.get("eventSourceARN")).split(":", 5), *[""] * 5]
    return StreamRecord.model_validate(
        {
            "account": arn[4],
            "region": arn[3],
            "event_id": opened.get("eventID"),
            "event_name": opened.get("eventName"),
            "table": _table_of(opened.get("eventSourceARN")),
            "keys": change.get("Keys"),
            "old": change.get("OldImage"),
            "new": change.get("NewImage"),
            "sequence_number": change.get("SequenceNumber"),
            "created_at": change.get("ApproximateCreationDateTime"),
            # Pipes and Lambda spell these in lower case, the SDK in upper case.
            "by_time_to_live": "dynamodb.amazonaws.com" in (identity.get("principalId"), identity.get("PrincipalId")),
        }
    )


def _object(body: str) -> dict[str, Any]:
    opened = parsed(body)
    if not isinstance(opened, dict):
        raise Reject("body is JSON but not an object")
    return opened


def _table_of(arn: Any) -> str | None:
    found = re.search(r":table/([^/]+)", arn) if isinstance(arn, str) else None
    return found[1] if found else None
