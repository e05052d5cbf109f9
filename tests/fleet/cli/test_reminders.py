"""`fleet reminders` on a real table."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from boto3.dynamodb.types import TypeSerializer
from click.testing import CliRunner, Result

from fleet.cli import fleet
from tests.aws import Aws
from tests.workers.reminder_dispatch.fakes import row
from workers.reminder_dispatch.schedule.recurrence import instants
from workers.reminder_dispatch.schedule.zones import VERSION, read_zone
from workers.reminder_dispatch.table.keys import due_text


def put(aws: Aws, table: str, one: dict[str, Any]) -> None:
    aws.dynamodb.put_item(TableName=table, Item={name: TypeSerializer().serialize(each) for name, each in one.items()})


def test_what_older_zone_data_wrote_is_told_first_and_then_moved(aws: Aws) -> None:
    table, queue = aws.table_like("reminders"), aws.queue()
    wall = (datetime.now(UTC) + timedelta(days=400)).replace(tzinfo=None, hour=9, minute=0, second=0, microsecond=0)
    [right] = instants(wall, read_zone("America/Vancouver"), on_gap="shift", on_overlap="first")
    old = right + timedelta(hours=1)
    put(aws, table, row("r1", old, timeZone="America/Vancouver", localTime=wall.isoformat()))
    put(aws, table, row("r2", right, timeZone="Mars/Olympus"))

    def recompute(*options: str) -> Result:
        names = {"REMINDERS_TABLE_NAME": table, "REMINDERS_QUEUE_URL": queue}
        return CliRunner().invoke(fleet, ["reminders", "recompute", *options], env={**aws.environment, **names})

    told = recompute()
    assert f"REMINDER#r1 AT#{due_text(old)}  {due_text(old)} -> {due_text(right)}" in told.stdout
    assert "timeZone: no zone of that name" in told.stdout
    assert "nothing was written; act with --yes" in told.stderr
    acted = json.loads(recompute("--yes", "--json").stdout)
    assert (acted["zone_data"], acted["counts"]["moved"], acted["counts"]["odd"]) == (VERSION, 1, 1)
    again = recompute("--json")
    assert (again.exit_code, json.loads(again.stdout)["counts"]["moved"]) == (1, 0)


def test_what_should_have_been_sent_is_told_first_and_then_queued(aws: Aws) -> None:
    table, queue = aws.table_like("reminders"), aws.queue()
    old = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=3)
    put(aws, table, row("r1", old, GSI1PK="DUE#2026-11-21T09:00#99"))
    put(aws, table, row("r2", old + timedelta(days=2)))

    def sweep(*options: str) -> Result:
        names = {"REMINDERS_TABLE_NAME": table, "REMINDERS_QUEUE_URL": queue}
        return CliRunner().invoke(fleet, ["reminders", "sweep", *options], env={**aws.environment, **names})

    told = sweep()
    assert (told.exit_code, told.stdout) == (0, f"REMINDER#r1 AT#{due_text(old)}  overdue\n")
    assert aws.bodies(queue) == []
    acted = json.loads(sweep("--yes", "--json").stdout)
    assert acted["counts"] == {"looked_at": 2, "queued": 1, "odd": 0}
    assert [json.loads(body)["reminderId"] for body in aws.bodies(queue)] == ["r1"]
