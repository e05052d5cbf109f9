"""`fleet webhooks deliveries|show|resend|recover|expunge`: what was sent, and what is to be sent again."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from fleet.cli.command import NOTHING, Finite, print_json, say, tell
from fleet.cli.dlq.frame import audited, begin, desk
from fleet.cli.webhooks.frame import WebhooksCommand, shared, with_client
from fleet.dead_letters.model.filters import moment
from workers.webhook_delivery.client import Attempted, Wanted, Webhooks

DAY = timedelta(days=1)


class Moment(click.ParamType[datetime]):
    """ISO 8601, or an age."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            return value if isinstance(value, datetime) else moment(value, now=datetime.now(UTC))
        except ValueError:
            self.fail("write ISO 8601, or an age such as 90m, 2h, 3d", param, ctx)


_id = click.argument("webhook_id", metavar="ID")
_endpoint = click.option("--endpoint", "endpoint_id", required=True, help="The endpoint's id.")
_since = click.option("--since", type=Moment(), help="Deliveries begun from then on; a day ago unless given.")
_until = click.option("--until", type=Moment(), help="Deliveries begun up to then; now unless given.")


@click.command(cls=WebhooksCommand, short_help="An endpoint's attempts, the oldest delivery first.")
@_endpoint
@_since
@_until
@shared
def deliveries(*, tenant: str, endpoint_id: str, since: datetime | None, until: datetime | None, as_json: bool) -> None:
    """A line for each attempt of the deliveries that began in that time, and for what ended older ones without success. Ends with 3
    where there was none.
    """

    async def work(webhooks: Webhooks) -> int:
        count = 0
        begin = since or webhooks.now() - DAY
        async for each in webhooks.deliveries.list(tenant, endpoint_id, since=begin, until=until):
            count += 1
            if as_json:
                print_json(_fields(each))
            else:
                tell(f"{each.webhook_id}  {_line(each)}")
        return count

    if not with_client(work):
        say("no attempt in that time")
        sys.exit(NOTHING)


@click.command(cls=WebhooksCommand, short_help="One delivery with all its attempts; its payload where asked.")
@_id
@_endpoint
@click.option("--payload", "with_payload", is_flag=True, help="Print the payload, too: it is the customer's data.")
@shared
def show(*, tenant: str, webhook_id: str, endpoint_id: str, with_payload: bool, as_json: bool) -> None:
    """The delivery of the webhook-id ID to an endpoint. Ends with 3 where there is none on record."""
    found = with_client(lambda webhooks: webhooks.deliveries.show(tenant, webhook_id, endpoint_id))
    if as_json:
        print_json(
            {
                "webhook_id": found.webhook_id,
                "event_type": found.event_type,
                "state": found.state,
                "payload_kept": found.payload is not None,
                "payload": found.payload if with_payload else None,
                "attempts": [_fields(each) for each in found.attempts],
            }
        )
        return
    kept = "kept" if found.payload is not None else "not kept"
    tell(f"{found.webhook_id}  {found.event_type}  {found.state}  payload {kept}")
    for each in found.attempts:
        tell(f"  {_line(each)}{f'  {each.response}' if each.response else ''}")
    if with_payload and found.payload is not None:
        tell(found.payload)


@click.command(cls=WebhooksCommand, short_help="Send one delivery again, now.")
@_id
@_endpoint
@click.option("--reason", default="", help="Why; kept in the audit log.")
@shared
def resend(*, tenant: str, webhook_id: str, endpoint_id: str, reason: str, as_json: bool) -> None:
    """One more attempt, now, under the same webhook-id; filters are not asked. It takes the place of the next one of a running schedule.

    Ends with 3 where there is no such endpoint or delivery, with 5 where the endpoint is disabled or the payload no longer kept.
    """
    reason = " ".join(reason.split())
    tools, act = desk(), "webhooks resend"
    with audited(tools, act, queue=endpoint_id, reason=reason) as record:
        record.ids.append(webhook_id)
        begin(tools, act, record, reason=reason)
        number = with_client(lambda webhooks: webhooks.deliveries.resend(tenant, webhook_id, endpoint_id))
    if as_json:
        print_json({"webhook_id": webhook_id, "attempt": number})
    else:
        tell(f"{webhook_id} is sent again as attempt {number}")


@click.command(cls=WebhooksCommand, short_help="Send again all that failed at an endpoint since a moment.")
@_endpoint
@click.option(
    "--since", type=Moment(), required=True, help="Deliveries whose first or last attempt began from then on."
)
@_until
@click.option("--event-type", "event_types", multiple=True, default=("*",), help="Only these; as of an endpoint.")
@click.option("--rate", type=Finite(0.01, 1000), default=10.0, show_default=True, help="Deliveries a second.")
@click.option("--yes", is_flag=True, help="Act. Without it, only count.")
@shared
def recover(
    *,
    tenant: str,
    endpoint_id: str,
    since: datetime,
    until: datetime | None,
    event_types: tuple[str, ...],
    rate: float,
    yes: bool,
    as_json: bool,
) -> None:
    """One more attempt for each delivery that ended exhausted or cancelled. What is still being tried, or was delivered, is left.

    Give the --since and --until that the count prints (an age such as 6h is another moment each time): an order that was cut short and
    is given again with the same two sends nothing twice.

    Ends with 3 where there is no such endpoint, or nothing to send; with 5 where the endpoint is disabled.
    """
    end = until or datetime.now(UTC)
    wanted = Wanted(tenant, endpoint_id, since, end, event_types)
    times = f"--since {since.isoformat()} --until {end.isoformat()}"
    if yes:
        say(f"to go on where this is cut short, give it again with {times}")
    found = with_client(lambda webhooks: webhooks.recover(wanted, act=yes, rate=rate))
    if as_json:
        named = {"since": since.isoformat(), "until": end.isoformat()}
        print_json({"acted": yes, "sent": found.sent, "left": dict(found.left), **named})
    else:
        for why, count in sorted(found.left.items()):
            say(f"left {count}: {why}")
        act = "" if yes else f"; act with {times} --yes"
        tell(f"{'sent' if yes else 'would send'} {found.sent} again{act}")
    if not found.sent:
        sys.exit(NOTHING)


@click.command(cls=WebhooksCommand, short_help="Forget an event's payload; keep what is known of its deliveries.")
@_id
@click.option("--endpoint", "endpoint_ids", multiple=True, help="An endpoint that was removed since.")
@click.option("--yes", is_flag=True, help="Act. Without it, say what would be done.")
@shared
def expunge(*, tenant: str, webhook_id: str, endpoint_ids: tuple[str, ...], yes: bool, as_json: bool) -> None:
    """Take the payload out of every place where it is kept: it cannot be sent again after that. Ends with 3 where it is kept nowhere.

    A job that is still to be attempted carries a copy of its own until it has ended; where that is its delivery's first attempt, expunge once more when it has begun.
    """
    if not yes:
        if as_json:
            print_json({"webhook_id": webhook_id, "acted": False})
        else:
            tell(f"would expunge the payload of {webhook_id}; act with --yes")
        return
    count = with_client(lambda webhooks: webhooks.deliveries.expunge(tenant, webhook_id, *endpoint_ids))
    if as_json:
        print_json({"webhook_id": webhook_id, "acted": True, "expunged": count})
    else:
        tell(f"expunged in {count} places")
    if not count:
        sys.exit(NOTHING)


def _fields(each: Attempted) -> dict[str, Any]:
    return asdict(each)


def _line(each: Attempted) -> str:
    answer = each.http_status or each.error or "-"
    by = f"  by {each.resent}" if each.resent else ""
    return f"{each.number:>4}  {each.started_at}  {each.status:<9}  {answer}{by}"
