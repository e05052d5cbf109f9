"""`fleet dlq plan`: a selection frozen in a file."""

from __future__ import annotations

import os
import re
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleet.cli.command import Finite
from fleet.cli.dlq.changes import name_sent
from fleet.cli.dlq.filters import filter_options
from fleet.cli.dlq.frame import (
    PARTLY,
    DlqCommand,
    Refused,
    answer,
    desk,
    end,
    output_options,
    print_json,
    say,
)
from fleet.cli.dlq.look import looked_through
from fleet.cli.plan_file import key, read_plan, whole
from fleet.dead_letters.model import redaction
from fleet.dead_letters.model.expiry import spelled
from fleet.dead_letters.model.filters import Filters
from fleet.dead_letters.model.plan import limits
from fleet.dead_letters.model.plan import plan as planning
from fleet.dead_letters.model.plan.draft import Draft, draft
from fleet.dead_letters.model.plan.plan import Plan
from fleet.dead_letters.queues.catalog import NoSuchQueue
from fleet.dead_letters.replay import journal as journals
from fleet.dead_letters.replay import move_task
from fleet.dead_letters.replay.journal import is_held, journal_path
from fleet.dead_letters.replay.report import is_done, is_stopped
from fleet.typed import typed

if TYPE_CHECKING:
    from fleet.dead_letters.queues.catalog import QueueInfo
    from fleet.dead_letters.replay.inventory import Desk

ARN_COLONS = 5
"""So many colons are in an ARN at least, and none in a queue's name."""
SHOWN = 20
_DESTINATION = re.compile(
    r"arn:aws[a-z-]*:(sqs:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,80}(\.fifo)?"
    r"|lambda:[a-z0-9-]+:\d{12}:function:[A-Za-z0-9_-]{1,64}(:[A-Za-z0-9$_-]{1,128})?)"
)


@click.command("plan", cls=DlqCommand, short_help="Freeze a selection of letters in a file, to be replayed.")
@click.argument("queue")
@filter_options
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The plan file.")
@click.option("--to", metavar="QUEUE|ARN", default="", help="Send all of them there, instead of where they came from.")
@click.option("--keep", is_flag=True, help="Send copies and leave the originals; needs --to.")
@click.option("--rate", type=Finite(min=0.01, max=limits.FASTEST), help="At most so many letters per second.")
@click.option("--canary", metavar="N,N", default="", help="Send so many first, and wait for their verdict: 1,5,20.")
@click.option(
    "--watch",
    type=Finite(min=0, max=limits.LONGEST_WATCH),
    metavar="SECONDS",
    help="How long what was sent is watched: for a canary's verdict, and after the rest. Else DLQ_WATCH_SECONDS.",
)
@click.option(
    "--via",
    type=click.Choice(["fleet", "aws"]),
    default="fleet",
    show_default=True,
    help="Who moves: this tool, or SQS's own redrive where it can do all that is asked.",
)
@output_options
def plan(
    *,
    queue: str,
    filters: Filters,
    ids: str | None,
    output: Path,
    to: str,
    keep: bool,
    rate: float | None,
    canary: str,
    watch: float | None,
    via: planning.Via,
    as_json: bool,
    no_input: bool,
) -> None:
    """Freeze the letters of QUEUE that match: ids, body digests, destinations, rate and canary.

    Sends nothing. Letters that cannot be replayed are listed with the reason, and left out.
    """
    if keep and not to:
        raise click.UsageError("--keep needs --to: a copy in the source queue would be handled twice")
    sizes = _canary(canary)
    check_destination(to)
    tools = desk()
    watch = tools.settings.dlq_watch_seconds if watch is None else watch
    if sizes and watch <= 0:
        raise click.UsageError("--canary needs a --watch above 0: unwatched, it has no verdict and nothing follows it")
    info, origin, found = looked_through(tools, queue, filters)
    if not found.views:
        say("no letter matches: no plan was written")
        end(matched=False, complete=found.complete)
    arn = destination(tools, info, to)
    drafted = draft(found.views, to=arn)
    if not drafted.planned:
        if as_json:
            print_json({"version": 1, "plan_id": None, "planned": 0, "refused": drafted.refusals()})
        raise Refused(f"none of {len(found.views)} letters can be replayed: {drafted.refused[0][1]}")
    made = frozen(tools, info, drafted, filters, keep=keep, rate=rate, canary=sizes, watch=watch, via=via)
    if via == "aws" and (
        why := move_task.objections(found.views, filters, origin, to=arn, plan=made, unfiltered=found.scanned)
    ):
        raise Refused("SQS's redrive cannot do this: " + "; ".join(why))
    write(output, made)
    print_plan(made, drafted, output, as_json=as_json)
    sent = name_sent(tools, info, made)
    sys.exit(PARTLY if sent or drafted.refused or not found.complete else 0)


def destination(tools: Desk, info: QueueInfo, given: str) -> str:
    """The ARN that `--to` means. A queue that is not there is planned all the same: the dry run refuses it."""
    if not given or given.startswith("arn:"):
        return given
    try:
        return tools.catalog.destination(given).arn
    except NoSuchQueue as error:
        say(f"warning: {error}")
        return f"{info.arn.rpartition(':')[0]}:{given.rpartition('/')[2]}"


def check_destination(given: str) -> None:
    """Before anything is read. Raises BadParameter where `--to` is neither a name, a URL nor the ARN of a queue or function."""
    is_arn = given.startswith("arn:") or (given.count(":") >= ARN_COLONS and "/" not in given)
    if is_arn and not _DESTINATION.fullmatch(given):
        raise click.BadParameter(
            f"{redaction.printable(given)} is not a destination: write a queue's name, arn:aws:sqs:REGION:ACCOUNT:QUEUE, or "
            "arn:aws:lambda:REGION:ACCOUNT:function:NAME",
            param_hint="--to",
        )


def write(output: Path, made: Plan) -> None:
    """All of it or nothing; a plan that was begun and not finished is not overwritten. Raises Refused."""
    if not output.parent.is_dir():
        raise Refused(f"there is no directory {output.parent}: no plan was written")
    if output.exists():
        try:
            old = read_plan(output)
        except planning.PlanRefused:
            raise Refused(f"{output} is there and is not a plan: choose another name") from None
        progress = journals.read(journal_path(output, old.plan_id))
        if is_held(output) or (progress.runs and not (is_done(old, progress) or is_stopped(old, progress))):
            raise Refused(
                f"{output} holds a plan that was begun: finish it with `{typed('dlq', 'resume', str(output))}`, or choose another name"
            )
    with whole(output) as file:
        file.write(planning.write(made, key=key()))


def print_plan(made: Plan, drafted: Draft, output: Path, *, as_json: bool) -> None:
    """What was planned, on stdout."""
    if as_json:
        left_out = {"letters", "schema"}
        summary = {name: value for name, value in planning.document(made).items() if name not in left_out}
        print_json(
            {"version": 1, "file": os.fspath(output), **summary, "late": made.late, "refused": drafted.refusals()}
        )
    else:
        answer(f"{len(made.letters)} letters of {made.place.queue} planned in {output}")
        for arn in made.destinations:
            answer(f"  to {arn}")
        answer(f"  estimate {spelled(max(made.estimate, 60))}; look at it with: {typed('dlq', 'replay', str(output))}")
        if made.via == "aws":
            click.echo(f"  by SQS's own redrive: {move_task.LIMITS}")
    for each, why in drafted.refused:
        say(f"left out: {each.id} ({each.standing.shape}): {redaction.printable(why)}")
    if drafted.unmarked and not made.keep and made.via != "aws":
        say(
            f"{len(drafted.unmarked)} letters have no room for the replay's mark and go without: `times_replayed` does not count, and "
            f"should they die again they are known by their key alone: {', '.join(drafted.unmarked[:SHOWN])}"
        )
    if made.late:
        say(f"warning: {made.late} letters disappear before their turn comes: raise --rate")


def frozen(tools: Desk, info: QueueInfo, drafted: Draft, filters: Filters, **options: Any) -> Plan:
    """A plan of these letters, made here and now."""
    return Plan(
        plan_id=uuid.uuid4().hex,
        created_at=round(time.time(), 3),
        author=tools.settings.actor,
        place=tools.catalog.place(info),
        letters=drafted.planned,
        filters=filters.document(),
        **{"watch": tools.settings.dlq_watch_seconds, **options},
    )


def _canary(given: str) -> tuple[int, ...]:
    if not given:
        return ()
    try:
        return planning.canary_sizes(given)
    except ValueError as error:
        raise click.BadParameter(
            "write numbers of letters, each from 1 to 1,000,000,000, such as 1,5,20", param_hint="--canary"
        ) from error
