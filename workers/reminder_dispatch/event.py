"""What the two reminder queues carry: a tick of the schedule, and one due occurrence."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated

import orjson
from pydantic import Field, PlainSerializer, PlainValidator

from shared import Delivery, ScheduleTick, Wire, document, schedule_tick
from workers.reminder_dispatch.table.keys import LONGEST_ID, Key, due_text, key_of, read_due

DueTime = Annotated[datetime, PlainValidator(read_due), PlainSerializer(due_text)]


class ReminderDue(Wire):
    """One occurrence to send: the reminder and the UTC instant it is due, which together are its identity."""

    reminder_id: str = Field(alias="reminderId", min_length=1, max_length=LONGEST_ID)
    due_at: DueTime = Field(alias="dueAt")

    @property
    def key(self) -> Key:
        return key_of(self.reminder_id, self.due_at)


def decode_tick(delivery: Delivery) -> ScheduleTick:
    """A tick of the fleet's own schedule, or a scheduled event as AWS words it where the schedule was given no input. Raises Reject
    or pydantic.ValidationError.
    """
    body = document(delivery.body)
    if body.get("source") in {"aws.events", "aws.scheduler"} and body.get("detail-type") == "Scheduled Event":
        body = {"source": "scheduler", "time": body.get("time")}
    return schedule_tick(body)


def decode_due(delivery: Delivery) -> ReminderDue:
    """Raises Reject or pydantic.ValidationError."""
    return ReminderDue.model_validate(document(delivery.body))


def occurrence(reminder_id: str, due_at: datetime) -> ReminderDue:
    return ReminderDue.model_construct(reminder_id=reminder_id, due_at=due_at)


def due_body(reminder_id: str, due_at: datetime) -> str:
    """The message that asks for one occurrence to be sent; in ASCII, because SQS refuses some characters that a key may hold."""
    return json.dumps({"reminderId": reminder_id, "dueAt": due_text(due_at)}, separators=(",", ":"))


def tick_body(tick: ScheduleTick) -> str:
    """The same tick once more, for a look through the past that takes more than one."""
    return orjson.dumps({"source": tick.source, "time": tick.time}, option=orjson.OPT_UTC_Z).decode()
