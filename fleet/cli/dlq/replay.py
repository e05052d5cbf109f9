"""`fleet dlq replay, resume, cancel, status`: a plan carried out."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from botocore.exceptions import ClientError

from fleet.cli.dlq.changes import (
    check_changes,
    keep_changed,
    plan_held,
    progress_of,
    show_changes,
    taken_meanwhile,
    to_begin,
    to_go_on,
    twice_option,
    withheld,
)
from fleet.cli.dlq.frame import (
    PARTLY,
    DlqCommand,
    Record,
    Refused,
    audited,
    begin,
    desk,
    given_reason,
    mutation_options,
    output_options,
    print_json,
    say,
    until_done,
)
from fleet.cli.dlq.tables import print_report, progress_line, tell_left
from fleet.cli.plan_file import read_plan
from fleet.dead_letters.audit.story import BEGUN_FROM, KEPT
from fleet.dead_letters.model import redaction
from fleet.dead_letters.model.expiry import spelled
from fleet.dead_letters.model.plan.plan import Plan, changed_bodies
from fleet.dead_letters.queues.catalog import connect
from fleet.dead_letters.queues.own_policy import OwnPolicy
from fleet.dead_letters.replay import journal as journals
from fleet.dead_letters.replay import move_task, run
from fleet.dead_letters.replay import report as reporting
from fleet.dead_letters.replay.inventory import Desk
from fleet.dead_letters.replay.journal import End, Journal, Progress, cancel_path
from fleet.dead_letters.replay.post import UNANSWERED
from fleet.dead_letters.replay.report import is_done
from fleet.typed import typed

plan_file = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
plan_id_option = click.option(
    "--plan-id", "only", default="", help="Carry out the plan of this id alone: its file may be written anew meanwhile."
)


@click.command("replay", cls=DlqCommand, short_help="Carry out a plan; a dry run until --yes.")
@plan_file
@plan_id_option
@twice_option
@mutation_options
@output_options
def replay(*, file: Path, only: str, twice: bool, yes: bool, reason: str | None, as_json: bool, no_input: bool) -> None:
    """Send the letters of a plan back, and delete each one after it was sent.

    Without --yes nothing is sent: the plan, its destinations and its place are checked, and counts are printed.
    """
    if not yes:
        _dry(file, only, to_begin, twice=twice, as_json=as_json)
        return
    why, tools = given_reason(reason), desk()
    with audited(tools, "replay", queue="", reason=why) as entry:
        plan = read_plan(file, only=only)
        to_begin(file, plan, progress_of(file, plan, tools))
        _filled(entry, plan)
        result = _carried_out(tools, file, plan, entry, why, twice=twice)
    _finish(file, plan, result, entry, as_json=as_json)


@click.command("resume", cls=DlqCommand, short_help="Go on with a plan that was cut short or cancelled.")
@plan_file
@plan_id_option
@twice_option
@mutation_options
@output_options
def resume(*, file: Path, only: str, twice: bool, yes: bool, reason: str | None, as_json: bool, no_input: bool) -> None:
    """Go on where the journal ends. What was sent is never sent again, but for what may not have arrived (`uncertain`): once more.

    Without --yes nothing is sent.
    """
    if not yes:
        _dry(file, only, to_go_on, twice=twice, as_json=as_json)
        return
    why, tools = given_reason(reason), desk()
    with audited(tools, "resume", queue="", reason=why) as entry:
        plan = read_plan(file, only=only)
        _filled(entry, plan)
        to_go_on(file, plan, progress_of(file, plan, tools))
        result = _carried_out(tools, file, plan, entry, why, twice=twice)
    _finish(file, plan, result, entry, as_json=as_json)


@click.command("cancel", cls=DlqCommand, short_help="Stop a replay within two seconds; `resume` goes on.")
@plan_file
@mutation_options
@output_options
def cancel(*, file: Path, yes: bool, reason: str | None, as_json: bool, no_input: bool) -> None:
    """Tell the runner of this plan to stop. What it has sent stays sent."""
    if not yes:
        plan = read_plan(file)
        _at_work(file, plan)
        say("would stop the runner of this plan; act with --yes --reason ...")
        if as_json:
            print_json({**_status(file, plan), "dry_run": True})
        return
    why, tools = given_reason(reason), desk()
    with audited(tools, "cancel", queue="", reason=why) as entry:
        plan = read_plan(file)
        _filled(entry, plan)
        entry.ids = []
        task = _at_work(file, plan)
        begin(tools, "cancel", entry, reason=why)
        if task:
            move_task.stop(connect(), task)
        else:
            cancel_path(file, plan.plan_id).touch()
    say(
        "the runner was asked to stop: within two seconds it sends no more; then it deletes or gives back what it has in hand"
    )
    if as_json:
        print_json(_status(file, plan))


@click.command("status", cls=DlqCommand, short_help="How far a plan is.")
@plan_file
@output_options
def status(*, file: Path, as_json: bool, no_input: bool) -> None:
    """How far a plan is, from its journal alone: its state, since when, and the command that comes next."""
    result = _status(file, read_plan(file))
    if as_json:
        print_json(result)
    else:
        print_report(result)


def _at_work(file: Path, plan: Plan) -> dict[str, Any] | None:
    """SQS's own redrive, which goes on without a runner; None: a runner. Raises Refused where a file left behind would stop the next run."""
    if journals.is_held(file):
        return None
    if plan.via == "aws" and progress_of(file, plan).task in ("STARTING", "RUNNING"):
        task = move_task.newest(connect(), plan)
        if task.get("Status") == "RUNNING":
            return task
    raise Refused("nobody is at work on this plan: there is nothing to stop")


def _dry(file: Path, only: str, may: Callable[[Path, Plan, Progress], None], *, twice: bool, as_json: bool) -> None:
    tools, plan = desk(), read_plan(file, only=only)
    may(file, plan, progress := progress_of(file, plan, tools))
    reach = replace(run.checked(tools, plan), withheld=withheld(tools, plan, twice=twice))
    result = {**_status(file, plan), "dry_run": True, "estimate_s": round(plan.estimate, 1), "late": plan.late}
    result["destinations"] = list(plan.destinations)
    result["changed_bodies"] = changed_bodies(plan)
    for why in reach.unreachable.values():
        say(f"its letters would be left: {why}")
    for name, why in reach.withheld.items():
        say(f"would be left: {name}: {why}; --twice sends it all the same")
    if as_json:
        print_json(result)
        sys.exit(PARTLY if reach.unreachable or reach.withheld else 0)
    due = result["remaining"] if plan.via == "aws" else len(run.due(plan, progress, reach))
    click.echo(f"would {'copy' if plan.keep else 'send'} {due} letters of {plan.place.queue}")
    for arn in plan.destinations:
        click.echo(f"  to {redaction.printable(arn)}")
    show_changes(tools, plan)
    click.echo(f"  rate {plan.rate or 'unlimited'}, canary {','.join(map(str, plan.canary)) or 'none'}")
    click.echo(f"  estimate {spelled(max(plan.estimate, 60))}; act with --yes --reason ...")
    sys.exit(PARTLY if reach.unreachable or reach.withheld else 0)


def _carried_out(tools: Desk, file: Path, plan: Plan, entry: Record, reason: str, *, twice: bool) -> dict[str, Any]:
    check_changes(tools, plan)
    reach = replace(run.checked(tools, plan), withheld=withheld(tools, plan, twice=twice))
    with plan_held(tools, file, plan) as journal:
        _note_begin(tools, file, plan, reason, journal)
        reach = replace(reach, withheld={**reach.withheld, **taken_meanwhile(tools, plan, twice=twice)})

        def cancelled() -> bool:
            return cancel_path(file, plan.plan_id).exists()

        how: End = "interrupted"
        cut = ""
        try:
            if plan.via == "aws":
                _by_aws(plan, journal, cancelled=cancelled)
            else:
                kept = keep_changed(tools, plan, journal.progress.sent, reason=reason)
                _by_fleet(tools, plan, journal, reach=reach, kept=kept, cancelled=cancelled)
            how = "cancelled" if cancelled() else "ended"
        except (OwnPolicy, ClientError, *UNANSWERED) as error:
            if not journal.progress.sent | journal.progress.unsure:
                raise
            cut = f"stopped: {error}; go on with `{typed('dlq', 'resume', str(file))}`"
        finally:
            try:
                journal.end(how)
            finally:
                result = reporting.status(plan, journal.progress, file=file, running=False)
                counts = {name: value for name, value in result.items() if type(value) is int and name != "version"}
                is_well = _is_all_well(plan, journal.progress) and not cut
                entry.counts, entry.outcome = counts, "done" if is_well else "partly"
        if cut:
            say(cut)
        return {**result, "dry_run": False}


def _by_fleet(
    tools: Desk,
    plan: Plan,
    journal: Journal,
    *,
    reach: run.Reach,
    kept: Collection[str],
    cancelled: Callable[[], bool],
) -> None:
    if plan.watch and not plan.keep:
        say(f"what is sent is watched for up to {plan.watch:g} s: Ctrl-C ends that, and what was sent stays sent")
    with progress_line(plan) as tell:
        until_done(run.run(tools, plan, journal, reach=reach, kept=kept, cancelled=cancelled, progressed=tell))


def _note_begin(tools: Desk, file: Path, plan: Plan, reason: str, journal: Journal) -> None:
    """Both before the first send: a runner that is killed leaves no other trace of who began."""
    counts = {"planned": len(plan.letters), "run": journal.announce(), **({KEPT: 1} if plan.keep else {})}
    begun = Record(plan.place.queue, "begun", counts=counts, plan_id=plan.plan_id)
    begun.ids = [each.id for each in plan.letters]
    begun.digests = changed_bodies(plan)
    begin(
        tools,
        "replay" if not journal.progress.runs else "resume",
        begun,
        reason=reason,
        note=f"{BEGUN_FROM}{file.resolve()}",
    )
    journal.begin(tools.settings.actor, reason)


def _by_aws(plan: Plan, journal: Journal, *, cancelled: Callable[[], bool]) -> None:
    to = plan.destinations[0] if len(plan.destinations) == 1 else ""  # each back to its own
    say(move_task.LIMITS)
    say("Ctrl-C ends the watching alone: SQS goes on, `resume` watches again, `cancel` stops it")
    move_task.carry_out(connect(), plan, journal, to=to, cancelled=cancelled, sleep=time.sleep)


def _filled(entry: Record, plan: Plan) -> None:
    entry.queue, entry.plan_id = plan.place.queue, plan.plan_id
    entry.ids = [each.id for each in plan.letters]
    entry.digests = changed_bodies(plan)


def _is_all_well(plan: Plan, progress: Progress) -> bool:
    return is_done(plan, progress) and not (
        progress.gone or progress.skipped or progress.returned or progress.uncertain
    )


def _status(file: Path, plan: Plan) -> dict[str, Any]:
    result = reporting.status(plan, progress_of(file, plan), file=file, running=journals.is_held(file))
    return {**result, "dry_run": False}


def _finish(file: Path, plan: Plan, result: dict[str, Any], entry: Record, *, as_json: bool) -> None:
    if as_json:
        print_json(result)
    else:
        print_report(result)
    ended = not any(result[name] for name in ("failed", "gone", "skipped", "uncertain", "returned", "remaining"))
    if result["sent"] != result["deleted"] + result["vanished"] and not plan.keep:
        following = typed("dlq", "resume", str(file))
        say(f"some letters were sent and are still here: `{following}` deletes them and sends nothing twice")
        ended = False
    tell_left(result, fifo=plan.place.queue.endswith(".fifo"))
    sys.exit(0 if ended and entry.outcome == "done" else PARTLY)
