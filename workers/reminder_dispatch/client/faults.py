"""What is wrong with an occurrence that somebody wrote by hand, also where no tick would ever find it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from workers.reminder_dispatch.client.reminder import refused
from workers.reminder_dispatch.schedule.occurrence import (
    INDEX,
    Malformed,
    Row,
    State,
    may_be_waiting,
    read_content,
    read_series,
    read_state,
    row_key,
)
from workers.reminder_dispatch.schedule.recurrence import following
from workers.reminder_dispatch.schedule.rule_text import BadRule
from workers.reminder_dispatch.schedule.window import is_held
from workers.reminder_dispatch.table.attributes import untyped
from workers.reminder_dispatch.table.keys import SHARDS, bucket, identity_of

LATE: Final = timedelta(minutes=15)
"""An occurrence that still waits so long after it was due, and that nothing holds, was lost."""


def row_fault(item: Mapping[str, Any], at: datetime) -> str:
    """What is wrong with a row of the table in DynamoDB's typed form, beginning with the attribute; "" where nothing is, or where it has
    ended or is no occurrence. Raises nothing, whatever the row holds.
    """
    row = untyped(item)
    if not may_be_waiting(row):
        return ""
    try:
        _, due_at = identity_of(row_key(row))
        state = read_state(row)
        read_content(row)
        if (series := read_series(row)) is not None:
            following(series, at)  # which reads its rule
    except (Malformed, BadRule) as fault:
        return str(refused(fault))
    except ValueError as fault:  # of its key
        return str(fault)
    return _index_fault(row, state, due_at) or _time_fault(row, due_at, at)


def _index_fault(row: Row, state: State, due_at: datetime) -> str:
    """A tick looks through all shards of a minute: a wrong one of the sixteen is found as well."""
    if missing := next((name for name in INDEX if name not in row), ""):
        return f"{missing}: missing, and no tick finds the row"
    minutes = [due_at, *([datetime.fromtimestamp(state.not_before, UTC)] if state.not_before else [])]
    if row["GSI1PK"] in {bucket(minute, shard) for minute in minutes for shard in range(SHARDS)}:
        return ""
    return "GSI1PK: not DUE#, the minute of its due time and a shard from 00 to 15, and no tick finds the row"


def _time_fault(row: Row, due_at: datetime, at: datetime) -> str:
    ends = row.get("TTL")
    if isinstance(ends, Decimal) and ends <= int(due_at.timestamp()):
        return "TTL: before it is due, and DynamoDB deletes the row by then"
    if due_at < at - LATE and not is_held(row, at):
        return "dueAt: has passed, and it waits; `fleet reminders sweep --yes` queues it"
    return ""
