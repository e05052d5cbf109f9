"""`fleet audit`: the log of what people did."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import orjson

from fleet.cli.command import FAILED, Command, Failed, env_file_option
from fleet.cli.dlq.frame import NOTHING, DlqCommand, Refused, answer, given_reason, print_json, say
from fleet.dead_letters.audit.home import log_of
from fleet.dead_letters.audit.log import Anchor, AuditLog, NoLog
from fleet.dead_letters.audit.renewal import closed, renew
from fleet.dead_letters.audit.story import ids_that_fit, story
from fleet.dead_letters.queue_lock import held
from fleet.dead_letters.settings import ReplaySettings
from fleet.typed import typed
from shared.settings import read_settings

SHOWN_IDS = 10

file_option = click.option(
    "--file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The log; else the one that `fleet audit path` names.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.group(short_help="The log of what people did to dead letters.")
def audit() -> None:
    """The log of what people did to dead letters."""


@audit.command("path", cls=Command, short_help="Where the log is.")
@env_file_option
def path() -> None:
    """Where the log is: DLQ_AUDIT_LOG, else in the user's state directory, whichever directory this runs in."""
    answer(str(_place(None)))


@audit.command("verify", cls=Command, short_help="Find every line that was edited, removed or moved.")
@file_option
@click.option("--anchor", metavar="SEQ:HASH", default="", help="A line as `fleet audit anchor` printed it once.")
@json_option
@env_file_option
def verify(*, file: Path | None, anchor: str, as_json: bool) -> None:
    """Walk the chain; ends with 1 and the number of every line that is not as it was written, also where there is no log.

    Whoever can write the log and the file beside it can write a new history: an anchor kept elsewhere finds that.
    """
    place = _place(file)
    lines, faults = _log(place).verify(_anchor(anchor))
    if as_json:
        found = [asdict(fault) for fault in faults]
        print_json({"version": 1, "ok": not faults, "file": os.fspath(place), "lines": lines, "faults": found})
    else:
        for fault in faults:
            answer(f"{place}:{fault.line}: {fault.why}")
        if not faults:
            click.echo(f"{lines} lines, all as they were written")
    sys.exit(FAILED if faults else 0)


@audit.command("anchor", cls=Command, short_help="The newest line's number and hash, to be kept elsewhere.")
@file_option
@env_file_option
def anchor_(*, file: Path | None) -> None:
    """Print SEQ:HASH of the newest line. Keep it where the log's owner cannot write; `fleet audit verify --anchor` takes it.

    Ends with 1 where the log is not there or not as it was written, with 3 where it is empty.
    """
    place = _place(file)
    try:
        newest = _log(place).newest()
    except NoLog as error:
        raise Failed(str(error)) from error
    for fault in _log(place).verify()[1]:
        raise Failed(f"{place}:{fault.line}: {fault.why}: nothing can be anchored; see `{_verify(place)}`")
    if newest is None:
        say("the log is empty")
        sys.exit(NOTHING)
    click.echo(newest)


@audit.command("renew", cls=DlqCommand, short_help="Close a damaged log and begin a new one that says so.")
@click.option("--reason", help="Why; kept in the first line of the new log. Required to act.")
@click.option("--yes", is_flag=True, help="Act. Without it, only tell what would be done.")
@env_file_option
def renew_(*, reason: str | None, yes: bool) -> None:
    """The way out where mutations are refused because the log is damaged: it keeps its lines under another name, and a new one begins
    whose first line names it, its faults and your reason.

    Refused where the log is as it was written. Plans that the closed log knows stay known.
    """
    settings = read_settings(ReplaySettings, os.environ)
    place = settings.audit_log
    if place.exists() and not place.is_file():
        raise Refused(f"nothing was done: {place} is not a plain file, and no log: mend DLQ_AUDIT_LOG")
    why = given_reason(reason) if yes else ""
    with held(settings.state_directory, f"log:{place}") if yes else nullcontext():
        _renewed(settings, place, why, yes=yes)


def _renewed(settings: ReplaySettings, place: Path, why: str, *, yes: bool) -> None:
    log = log_of(settings)
    lines, faults = log.verify()
    if not faults or log.was_never_written():
        raise Refused(
            f"nothing was done: {place} is {'as it was written' if not faults else 'not there, and never was'}"
        )
    for fault in faults:
        say(f"{place}:{fault.line}: {fault.why}")
    if not yes:
        answer(f"would close {place} with {lines} lines and begin a new log; act with --yes --reason ...")
        return
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    older = renew(place, log, lambda path: log_of(settings, path), who=settings.actor, reason=why, at=now)
    answer(f"{place} begins anew; the damaged one is {older}")


@audit.command("show", cls=Command, short_help="Who did what with a plan, why, when, and with which result.")
@click.argument("plan")
@file_option
@json_option
@env_file_option
def show(*, plan: str, file: Path | None, as_json: bool) -> None:
    """What was done with PLAN: a plan file, the id of a plan, an archive, an edit or a purge, or how one begins.

    Ends with 3 where the log does not know it, and with 1 where the log is not as it was written.
    """
    place = _place(file)
    log = _log(place)
    try:
        records = log.records()
    except NoLog as error:
        raise Failed(str(error)) from error
    found = ids_that_fit(records, _plan_id(plan))
    if len(found) > 1:
        raise click.UsageError(f"{plan} fits more than one: {', '.join(found)}")
    _, faults = log.verify()
    if not found:
        say(f"{place} has no line about {plan}")
        for fault in faults[:1]:
            say(f"{place} is not as it was written (line {fault.line}: {fault.why}): the line may have been in it")
        for each in closed(place):
            say(f"an older log is closed beside it: --file {each}")
        sys.exit(FAILED if faults else NOTHING)
    document = {"version": 1, "file": os.fspath(place), "log_ok": not faults, **story(records, found[0])}
    if as_json:
        print_json(document)
    else:
        _print(document)
    sys.exit(FAILED if faults else 0)


def _print(document: Mapping[str, Any]) -> None:
    ids = document["ids"]
    more = " ... (--json has all)" if len(ids) > SHOWN_IDS else ""
    again = ", begun again and without an end" if document["unfinished"] else ""
    sound = "as it was written" if document["log_ok"] else f"NOT as it was written: see `{_verify(document['file'])}`"
    lines = [
        f"plan     {document['plan_id']} of {document['queue']}",
        f"who      {', '.join(document['who'])}",
        f"why      {'; '.join(document['why'])}",
        f"when     {document['begun_at']} to {document['ended_at'] or 'an end that is not written down'}",
        f"result   {document['outcome']}{again}  {_counts(document['counts'])}",
        f"letters  {len(ids)}: {' '.join(ids[:SHOWN_IDS])}{more}",
    ]
    lines += [f"body     {name} {digest}" for name, digest in [*document["digests"].items()][:SHOWN_IDS]]
    lines += [_step(step) for step in document["steps"]]
    lines.append(f"log      {document['file']}: {sound}")
    for line in lines:
        answer(line)


def _step(step: Mapping[str, Any]) -> str:
    what = f"{step['command']} {step['outcome']} by {step['who']}"
    return f"  {step['seq']:>5}  {step['at']}  {what}  {_counts(step['counts'])}  {step['note']}".rstrip()


def _counts(counts: Mapping[str, int]) -> str:
    return "  ".join(f"{name} {number}" for name, number in counts.items())


def _plan_id(given: str) -> str:
    """The id that a plan file holds, or what was given. Raises UsageError."""
    place = Path(given)
    if not place.is_file():
        return given
    try:
        return str(orjson.loads(place.read_bytes())["plan_id"])
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise click.UsageError(f"{given} is not a plan") from error


def _anchor(given: str) -> Anchor | None:
    try:
        return Anchor.read(given) if given else None
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--anchor") from error


def _verify(place: str | Path) -> str:
    return typed("audit", "verify", "--file", str(place))


def _place(file: Path | None) -> Path:
    return file or read_settings(ReplaySettings, os.environ).audit_log


def _log(place: Path) -> AuditLog:
    return AuditLog(place, now=lambda: "")
