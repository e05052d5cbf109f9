"""`fleet dlq archive, purge`: letters out of the queue, for a while or for good."""

from __future__ import annotations

import sys
import uuid
from typing import TYPE_CHECKING, Any

import click

from fleet.cli.dlq.filters import filter_options
from fleet.cli.dlq.frame import (
    PARTLY,
    DlqCommand,
    Record,
    Refused,
    answer,
    audited,
    begin,
    can_ask,
    desk,
    end,
    given_reason,
    mutation_options,
    output_options,
    print_json,
    say,
    until_done,
)
from fleet.cli.dlq.look import looked_through
from fleet.dead_letters import putting_away
from fleet.dead_letters.model.filters import Filters
from fleet.dead_letters.queue_lock import held
from fleet.dead_letters.queues.archive import Archive
from fleet.dead_letters.queues.catalog import QueueInfo, service
from fleet.dead_letters.queues.removal import Taken

if TYPE_CHECKING:
    from fleet.dead_letters.model.shapes import Origin
    from fleet.dead_letters.replay.inventory import Desk, Inventory

bucket_option = click.option("--bucket", metavar="NAME", default="", help="The archive; else DLQ_ARCHIVE_BUCKET_NAME.")


@click.command("archive", cls=DlqCommand, short_help="Put letters away in S3; a dry run until --yes.")
@click.argument("queue")
@filter_options
@bucket_option
@mutation_options
@output_options
def archive(
    *,
    queue: str,
    filters: Filters,
    ids: str | None,
    bucket: str,
    yes: bool,
    reason: str | None,
    as_json: bool,
    no_input: bool,
) -> None:
    """Put the letters of QUEUE that match away: stored first, deleted after. `restore` brings them back."""
    why = given_reason(reason) if yes else ""
    tools = desk()
    if not yes:
        info, _, found = looked_through(tools, queue, filters)
        _dry("archive", info, found, as_json=as_json)
    archive_id, taken = putting_away.new_archive_id(tools.now()), Taken()
    with audited(tools, "archive", queue=queue, reason=why) as entry:
        info, origin, found = looked_through(tools, queue, filters)
        entry.queue, entry.ids = info.name, [each.id for each in found.views]
        try:
            if found.views:
                entry.plan_id = archive_id
                place = opened_archive(tools, bucket)
                bucket = place.bucket
                _stored(tools, info, origin, found, place=place, taken=taken, entry=entry, why=why)
        finally:
            entry.counts = {"planned": len(found.views), **taken.counts()}
            entry.outcome = "partly" if _is_partly(taken, found) else "done"
    if not found.views:
        _dry("archive", info, found, as_json=as_json, acting=True)
    _print_taken("archived", taken, found, as_json=as_json, archive_id=archive_id, bucket=bucket)


@click.command("purge", cls=DlqCommand, short_help="Delete letters for good; only with the queue's name typed.")
@click.argument("queue")
@filter_options
@click.option("--confirm", metavar="NAME", default="", help="The queue's name once more.")
@mutation_options
@output_options
def purge(
    *,
    queue: str,
    filters: Filters,
    ids: str | None,
    confirm: str,
    yes: bool,
    reason: str | None,
    as_json: bool,
    no_input: bool,
) -> None:
    """Delete the letters of QUEUE that match, for good. What arrives meanwhile stays. Nothing brings them back: `archive` keeps them."""
    tools = desk()
    if not yes:
        info, _, found = looked_through(tools, queue, filters)
        _dry("purge", info, found, as_json=as_json)
    with audited(tools, "purge", queue=queue, reason=reason or "") as entry:
        info = tools.catalog.dead_letter_queue(queue)
        entry.queue, entry.plan_id = info.name, uuid.uuid4().hex
        _confirm(info, confirm, no_input=no_input)
        why = given_reason(reason)
        assert why
        info, origin, found = looked_through(tools, queue, filters)
        entry.ids = [each.id for each in found.views]
        taken = Taken()
        try:
            if found.views:
                _thrown_away(tools, info, origin, found, taken, entry=entry, reason=why)
        finally:
            entry.counts = {"planned": len(found.views), **taken.counts()}
            entry.outcome = "partly" if _is_partly(taken, found) else "done"
    if not found.views:
        _dry("purge", info, found, as_json=as_json, acting=True)
    _print_taken("purged", taken, found, as_json=as_json, purge_id=entry.plan_id)


def opened_archive(tools: Desk, bucket: str, *, fetches: bool = False) -> Archive:
    """The archive's bucket. Raises UsageError where none is named, Refused where it would never forget, but for who only fetches."""
    name = bucket or tools.settings.dlq_archive_bucket_name
    if not name:
        raise click.UsageError("name the archive's bucket with --bucket, or set DLQ_ARCHIVE_BUCKET_NAME")
    place = Archive(service("s3"), bucket=name)
    if not fetches and place.is_locked():
        raise Refused(f"{name} has an object lock and would never forget a letter: choose another bucket")
    return place


def _stored(
    tools: Desk,
    info: QueueInfo,
    origin: Origin,
    found: Inventory,
    *,
    place: Archive,
    taken: Taken,
    entry: Record,
    why: str,
) -> None:
    stored = putting_away.Stored(place, putting_away.label(tools, info, entry.plan_id, why))

    async def work() -> None:
        async with tools.open(info, origin) as opened:
            begin(tools, "archive", entry, reason=why)
            await putting_away.put_away(tools, opened, found.views, stored, taken)

    with held(tools.settings.state_directory, info.arn):
        until_done(work())


def _thrown_away(
    tools: Desk, info: QueueInfo, origin: Origin, found: Inventory, taken: Taken, *, entry: Record, reason: str
) -> None:
    async def work() -> None:
        async with tools.open(info, origin) as opened:
            await putting_away.throw_away(tools, opened, found.views, taken)

    with held(tools.settings.state_directory, info.arn):
        begin(tools, "purge", entry, reason=reason)
        until_done(work())


def _confirm(info: QueueInfo, confirm: str, *, no_input: bool) -> None:
    if not confirm and can_ask(no_input=no_input):
        confirm = click.prompt(f"Type the queue's name to delete its letters ({info.name})", err=True)
    if confirm != info.name:
        raise Refused(f"nothing was deleted: give --confirm {info.name}")


def _dry(what: str, info: QueueInfo, found: Inventory, *, as_json: bool, acting: bool = False) -> None:
    if as_json:
        ids = [each.id for each in found.views]
        print_json({"version": 1, "dry_run": not acting, "queue": info.name, "planned": len(ids), "ids": ids})
    elif found.views:
        answer(f"would {what} {len(found.views)} letters of {info.name}; act with --yes --reason ...")
    else:
        say("no letter matches")
    end(matched=bool(found.views), complete=found.complete)


def _print_taken(what: str, taken: Taken, found: Inventory, *, as_json: bool, **more: str) -> None:
    report: dict[str, Any] = {"version": 1, "dry_run": False, **taken.counts(), **more}
    if as_json:
        print_json(report)
    else:
        answer(f"{len(taken.done)} letters {what}" + "".join(f", {name} {value}" for name, value in more.items()))
        for name in taken.gone:
            say(f"{name} was no longer there")
        if taken.uncertain:
            say(f"whether {len(taken.uncertain)} letters were deleted is not known: {taken.why}")
    sys.exit(PARTLY if _is_partly(taken, found) else 0)


def _is_partly(taken: Taken, found: Inventory) -> bool:
    """Letters stayed, or may have: what a look did not meet could not be taken."""
    return bool(taken.gone or taken.left or taken.uncertain or not found.complete)
