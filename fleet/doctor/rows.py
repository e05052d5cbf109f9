"""Rows that somebody wrote by hand and that do nothing, or not what was meant: whole tables looked through, each wrong row named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from fleet.dead_letters.model.redaction import one_line
from fleet.doctor.check import Check, Trouble, ask, fault
from workers.reminder_dispatch.client import faults as reminders
from workers.upload_notification.client import faults as sessions
from workers.webhook_delivery.client import faults as webhooks

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

MOST: Final = 50
"""Wrong rows of one table that are named; the rest are counted."""
REMEDY: Final = "write it anew by its client or command, or correct the attribute (docs/by-hand.md)"

Item = Mapping[str, Any]

Look = Callable[[Item, datetime], str]
"""What is wrong with a row at a time; "" where nothing is."""

LOOKS: Final[Mapping[str, Look]] = {
    "sessions": sessions.row_fault,
    "reminders": reminders.row_fault,
    "webhooks": webhooks.row_fault,
}


async def wrong_rows(dynamodb: DynamoDBClient, environment: Mapping[str, str]) -> list[Check]:
    """Each table that producers write, read as a whole: half a read unit for 4 KB."""
    is_development = environment.get("WEBHOOK_ALLOW_LOOPBACK", "").lower() in {"1", "true", "yes", "on"}
    looks: Mapping[str, Look] = {**LOOKS, "webhooks": partial(webhooks.row_fault, allow_loopback=is_development)}
    checks = []
    for name, row_fault in looks.items():
        if table := environment.get(f"{name.upper()}_TABLE_NAME"):
            checks += await _of_table(dynamodb, name, table, row_fault)
    return checks


async def _of_table(dynamodb: DynamoDBClient, name: str, table: str, row_fault: Look) -> list[Check]:
    what, looked_at, wrong = f"rows of {name}", 0, 0
    at = datetime.now(UTC)
    checks: list[Check] = []
    start: dict[str, Any] = {}
    while True:
        try:
            page: Any = await ask(dynamodb.scan(TableName=table, **start))
        except Trouble as trouble:
            return [*checks, fault(what, trouble, variable=f"{name.upper()}_TABLE_NAME")]
        for item in page["Items"]:
            looked_at += 1
            if why := row_fault(item, at):
                wrong += 1
                if wrong <= MOST:
                    checks.append(Check(what, "fault", one_line(f"{_key(item)}: {why}"), REMEDY))
        if not page.get("LastEvaluatedKey"):
            break
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
    if wrong > MOST:
        checks.append(Check(what, "fault", f"{wrong - MOST} more of {looked_at} rows", "correct those that are named"))
    return checks or [Check(what, "ok", f"{looked_at} looked through, each can be read and is found")]


def _key(item: Item) -> str:
    return " ".join(str(item[name]["S"]) for name in ("sessionId", "PK", "SK") if name in item)
