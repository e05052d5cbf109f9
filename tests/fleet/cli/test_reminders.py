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
from workers.reminder_dispatch.table.keys import Key, address_key, device_key, due_text, index_keys


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


WANTED = ("--tenant", "acme", "--channel", "push", "--token", "ExponentPushToken[phone]", "--title", "Tea")
DAILY = ("--at", "2026-01-01T09:00", "--zone", "Europe/Berlin", "--rule", "FREQ=DAILY")


def test_a_reminder_is_scheduled_shown_changed_and_cancelled_by_hand(aws: Aws) -> None:
    names = {"REMINDERS_TABLE_NAME": aws.table_like("reminders"), "REMINDERS_QUEUE_URL": aws.queue()}

    def run(command: str, *options: str) -> Result:
        return CliRunner().invoke(fleet, ["reminders", command, *options], env={**aws.environment, **names})

    [made] = [json.loads(run("schedule", *WANTED, *DAILY, "--key", "k", "--json").stdout)]
    assert made["is_new"]
    again = run("schedule", *WANTED, *DAILY, "--key", "k")
    assert again.stdout == f"{made['reminder_id']}  {made['due_at'][0]}  (was there)\n"
    taken = run("schedule", *WANTED, *DAILY, "--key", "k", "--body", "Now")
    assert (taken.exit_code, "reschedule it" in taken.stderr) == (5, True)
    listed = json.loads(run("list", "--tenant", "acme", "--json").stdout)
    assert (listed["reminder_id"], listed["rule"]) == (made["reminder_id"], "FREQ=DAILY")
    changed = run("reschedule", made["reminder_id"], *WANTED, *DAILY[:1], "2026-01-01T10:00", *DAILY[2:])
    assert changed.exit_code == 0
    ended = run("cancel", made["reminder_id"], "--tenant", "acme")
    assert ended.stdout == f"{made['reminder_id']} is cancelled: 1 occurrences ended\n"
    shown = json.loads(run("show", made["reminder_id"], "--tenant", "acme", "--json").stdout)
    assert (shown["is_active"], {each["reason"] for each in shown["occurrences"]}) == (
        False,
        {"cancelled", "rescheduled"},
    )
    missing = run("show", made["reminder_id"], "--tenant", "other")
    assert (missing.exit_code, "has no reminder" in missing.stderr) == (3, True)
    assert run("list", "--tenant", "other").exit_code == 3


def test_a_preview_asks_nobody_and_a_wrong_field_is_named_with_its_fix() -> None:
    def preview(*options: str) -> Result:
        return CliRunner().invoke(fleet, ["reminders", "preview", *WANTED, *options])

    shown = preview("--at", "2027-03-27T02:30", "--zone", "Europe/Berlin", "--rule", "FREQ=DAILY;COUNT=2")
    assert shown.stdout == (
        "2027-03-27T01:30:00Z  2027-03-27T02:30:00+01:00\n"
        "2027-03-28T01:30:00Z  2027-03-28T03:30:00+02:00  gap: asked for 02:30:00\n"
    )
    night = ("--at", "2027-03-27T23:30", "--zone", "Europe/Berlin", "--quiet", "22:00-02:30")
    assert preview(*night).stdout == (
        "2027-03-27T22:30:00Z  2027-03-27T23:30:00+01:00  held by quiet hours until 2027-03-28T01:00:00Z\n"
    )
    assert "held" not in preview(*night, "--urgent").stdout
    assert json.loads(preview(*night, "--json").stdout)["held_until"] == "2027-03-28T01:00:00Z"
    wrong = preview(*DAILY[:2], "--zone", "Mars/Olympus")
    assert (wrong.exit_code, wrong.stderr) == (
        2,
        "Error: timeZone: no zone of that name; an IANA name such as Europe/Berlin\n",
    )
    costly = preview(*DAILY[:4], "--rule", "FREQ=SECONDLY;INTERVAL=86399;BYHOUR=3")
    assert (costly.exit_code, "rule: too costly" in costly.stderr) == (2, True)


def test_what_waits_of_a_range_is_told_first_and_then_queued(aws: Aws) -> None:
    table, queue = aws.table_like("reminders"), aws.queue()
    now = datetime.now(UTC).replace(microsecond=0)
    for name, minutes in (("r1", 3), ("r2", 2), ("r3", 30)):
        put(aws, table, row(name, now - timedelta(minutes=minutes)))
    ended = now - timedelta(minutes=1)  # quiet hours, that held it since the night
    held = {"notBefore": int(ended.timestamp()), **index_keys("r4", ended)}
    put(aws, table, row("r4", now - timedelta(hours=8), **held))

    def catch_up(*options: str) -> Result:
        names = {"REMINDERS_TABLE_NAME": table, "REMINDERS_QUEUE_URL": queue}
        given = ["reminders", "catch-up", "--range", "5m", due_text(now), *options]
        return CliRunner().invoke(fleet, given, env={**aws.environment, **names})

    assert [line.split()[0] for line in catch_up("--dry-run").stdout.splitlines()] == [
        "REMINDER#r1",
        "REMINDER#r2",
        "REMINDER#r4",
    ]
    assert aws.bodies(queue) == []
    assert json.loads(catch_up("--json").stdout)["counts"] == {"looked_at": 3, "queued": 3}
    assert sorted(json.loads(body)["reminderId"] for body in aws.bodies(queue)) == ["r1", "r2", "r4"]


def test_what_should_have_been_sent_is_told_first_and_then_queued(aws: Aws) -> None:
    table, queue = aws.table_like("reminders"), aws.queue()
    old = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=3)
    put(aws, table, row("r1", old, GSI1PK="DUE#2026-11-21T09:00#99"))
    put(aws, table, row("r2", old + timedelta(days=2)))
    put(aws, table, row("r3", old, status="SENT"))
    put(aws, table, row("r4", old, GSI1PK=None, GSI1SK=None))
    put(aws, table, {"PK": "TENANT#acme", "SK": "SETTINGS", "status": "PENDING"})

    def sweep(*options: str) -> Result:
        names = {"REMINDERS_TABLE_NAME": table, "REMINDERS_QUEUE_URL": queue}
        return CliRunner().invoke(fleet, ["reminders", "sweep", *options], env={**aws.environment, **names})

    told = sweep()
    assert (told.exit_code, sorted(told.stdout.splitlines())) == (
        0,
        [f"REMINDER#{each} AT#{due_text(old)}  overdue" for each in ("r1", "r4")],
    )
    assert aws.bodies(queue) == []
    acted = json.loads(sweep("--yes", "--json").stdout)
    assert acted["counts"] == {"looked_at": 3, "queued": 2, "odd": 0}
    assert sorted(json.loads(body)["reminderId"] for body in aws.bodies(queue)) == ["r1", "r4"]


def test_an_address_is_mailed_to_again_once_its_mark_is_taken_away(aws: Aws) -> None:
    names = {"REMINDERS_TABLE_NAME": aws.table_like("reminders")}
    put(aws, names["REMINDERS_TABLE_NAME"], attributes_of(address_key("ada@example.com")) | {"reason": "bounce"})
    put(aws, names["REMINDERS_TABLE_NAME"], attributes_of(device_key("ExponentPushToken[a]")))

    def run(*options: str) -> Result:
        return CliRunner().invoke(fleet, ["reminders", "unsuppress", *options], env={**aws.environment, **names})

    for options in (("--email", "Ada@example.com"), ("--token", "ExpoPushToken[a]")):
        first, again = run(*options), run(*options, "--json")
        assert (first.exit_code, first.stderr) == (0, "reminders go there again\n")
        assert (again.exit_code, json.loads(again.stdout)["was_marked"]) == (3, False)
    for wrong in ((), ("--email", "ada"), ("--email", "a@example.com", "--token", "b")):
        refused = run(*wrong)
        assert (refused.exit_code, "email: " in refused.stderr) == (2, True)


def attributes_of(key: Key) -> dict[str, Any]:
    return {"PK": key.pk, "SK": key.sk}
