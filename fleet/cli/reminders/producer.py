"""`fleet reminders schedule|preview|list|show|reschedule|cancel|unsuppress`: what a producer does, by hand."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click

from fleet.cli.command import NOTHING, env_file_option, print_json, say, tell
from fleet.cli.reminders.frame import RemindersCommand, shared, with_client
from fleet.cli.reminders.given import reminder_of, reminder_options
from workers.reminder_dispatch.client import Coming, Head, ReminderClient, Scheduled
from workers.reminder_dispatch.client import preview as previewed
from workers.reminder_dispatch.table.keys import due_text

_id = click.argument("reminder_id", metavar="ID")


@click.command(cls=RemindersCommand, short_help="Write a reminder, once for each key.")
@click.option("--key", help="The same key is the same reminder, however often it is given.")
@reminder_options
@shared
def schedule(*, tenant: str, key: str | None, as_json: bool, **given: Any) -> None:
    """Write a reminder and print its id. Ends with 2 for a field that cannot be so, with 5 where the key has another reminder."""
    wanted = reminder_of(tenant=tenant, key=key, **given)
    _print_scheduled(with_client(lambda reminders: reminders.schedule(wanted)), as_json=as_json)


@click.command(cls=RemindersCommand, short_help="When a reminder would come; writes nothing, asks nobody.")
@click.option("--count", type=int, default=10, show_default=True, help="Occurrences.")
@reminder_options
@shared
def preview(*, tenant: str, count: int, as_json: bool, **given: Any) -> None:
    """The next occurrences with the local time, and where a clock change meets them. Ends with 2 for a field that cannot be so."""
    for each in previewed(reminder_of(tenant=tenant, **given), now=datetime.now(UTC), count=count):
        if as_json:
            print_json(_document(each))
        else:
            tell(_line(each))


@click.command("list", cls=RemindersCommand, short_help="All reminders of a tenant.")
@shared
def list_(*, tenant: str, as_json: bool) -> None:
    """A line for each. Ends with 3 where there is none."""

    async def work(reminders: ReminderClient) -> int:
        count = 0
        async for head in reminders.list(tenant):
            count += 1
            if as_json:
                print_json(_head(head))
            else:
                tell(_head_line(head))
        return count

    if not with_client(work):
        say("the tenant has no reminder")
        sys.exit(NOTHING)


@click.command(cls=RemindersCommand, short_help="One reminder, and what became of its occurrences.")
@_id
@shared
def show(*, tenant: str, reminder_id: str, as_json: bool) -> None:
    """It and its newest occurrences, the latest first. Ends with 3 where there is none of this id."""
    head, occurrences = with_client(lambda reminders: reminders.show(tenant, reminder_id))
    if as_json:
        print_json({**_head(head), "occurrences": [asdict(each) for each in occurrences]})
        return
    tell(_head_line(head))
    for each in occurrences:
        tell(f"  {each.due_at}  {each.status:<7}  {each.sent_at or each.reason}".rstrip())


@click.command(cls=RemindersCommand, short_help="Put another reminder in the place of one.")
@_id
@reminder_options
@shared
def reschedule(*, tenant: str, reminder_id: str, as_json: bool, **given: Any) -> None:
    """All of it is given anew. What is being sent just now goes out as it was. Ends with 3 where there is none of this id."""
    wanted = reminder_of(tenant=tenant, **given)
    _print_scheduled(with_client(lambda reminders: reminders.reschedule(tenant, reminder_id, wanted)), as_json=as_json)


@click.command(cls=RemindersCommand, short_help="A reminder comes no more.")
@_id
@shared
def cancel(*, tenant: str, reminder_id: str, as_json: bool) -> None:
    """What is being sent just now may still arrive, and the command says so. Ends with 3 where there is none of this id."""
    done = with_client(lambda reminders: reminders.cancel(tenant, reminder_id))
    if as_json:
        print_json(asdict(done))
        return
    flying = f", {done.in_flight} being sent just now" if done.in_flight else ""
    tell(f"{reminder_id} is cancelled: {done.ended} occurrences ended{flying}")


@click.command(cls=RemindersCommand, short_help="Reminders go to an address or device again.")
@click.option("--email", default="", help="An address that bounced, or whose reader complained.")
@click.option("--token", default="", help="A push token that was gone.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@env_file_option
def unsuppress(*, email: str, token: str, as_json: bool) -> None:
    """Take away the mark by which no reminder of any tenant goes there, once its person has registered it anew. SES's own list is another:
    `aws sesv2 delete-suppressed-destination`. Ends with 3 where there is no mark.
    """
    was_marked = with_client(lambda reminders: reminders.unsuppress(email=email, token=token))
    if as_json:
        print_json({"was_marked": was_marked})
    else:
        say("reminders go there again" if was_marked else "no mark: reminders go there anyway")
    sys.exit(0 if was_marked else NOTHING)


def _print_scheduled(made: Scheduled, *, as_json: bool) -> None:
    due = [due_text(each) for each in made.due_at]
    if as_json:
        print_json({"reminder_id": made.reminder_id, "due_at": due, "is_new": made.is_new})
    else:
        again = "" if made.is_new else "  (was there)"
        tell(f"{made.reminder_id}  {_joined(due)}{again}")


def _joined(due: Sequence[str]) -> str:
    return " and ".join(due) if due else "nothing waits"


def _document(each: Coming) -> dict[str, Any]:
    return {
        "instant": due_text(each.instant),
        "asked": each.asked.isoformat(),
        "shown": each.shown.isoformat(),
        "change": each.change or None,
        "is_sent": each.is_sent,
        "held_until": due_text(each.held_until) if each.held_until else None,
    }


def _line(each: Coming) -> str:
    sent = "" if each.is_sent else ", not sent"
    change = f"  {each.change}: asked for {each.asked:%H:%M:%S}{sent}" if each.change else ""
    held = f"  held by quiet hours until {due_text(each.held_until)}" if each.held_until else ""
    return f"{due_text(each.instant)}  {each.shown.isoformat()}{change}{held}"


def _head(head: Head) -> dict[str, Any]:
    return {name: value for name, value in asdict(head).items() if name != "fingerprint"}


def _head_line(head: Head) -> str:
    state = "active" if head.is_active else "cancelled"
    return f"{head.reminder_id}  {state}  {head.channel}  {head.at}  {head.time_zone}  {head.rule}".rstrip()
