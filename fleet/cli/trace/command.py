"""`fleet trace`: one message's story, from wherever something is known of it."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import click
from botocore.exceptions import BotoCoreError, ClientError

from fleet.cli.archive.place import opened
from fleet.cli.command import Command, env_file_option
from fleet.cli.dlq.frame import desk
from fleet.cli.dlq.look import looked_through
from fleet.dead_letters.model.filters import Filters
from fleet.dead_letters.model.letter import DeadLetter
from fleet.dead_letters.model.redaction import json_line, one_line
from fleet.dead_letters.queues.catalog import NoSuchQueue, NotDeadLetters, OddAttributes, OtherPlace, QueueInfo, service
from fleet.dead_letters.queues.own_policy import OwnPolicy
from fleet.dead_letters.replay.inventory import Desk
from fleet.story import archive, places
from fleet.story.insights import Insights, NoAnswer
from fleet.story.moment import Ids, Looked, Moment, buried, logged
from shared.outcome import code_of
from shared.settings import SettingsError
from workers.audit_archive.source import InColdStorage

NOTHING, PARTLY = 3, 4
PASSES = 5
"""Times that logs are read, at most: each may name an id that an earlier line has, too."""

_READ_FAULTS = (ClientError, BotoCoreError, InColdStorage, OSError, EOFError, ValueError)
_QUEUE_FAULTS = (NoSuchQueue, OddAttributes, OtherPlace, OwnPolicy, *_READ_FAULTS)


@click.command(cls=Command, short_help="One message's whole story, by any of its ids.")
@env_file_option
@click.argument("asked", metavar="ID")
@click.option("--tenant", default="", help="Whose reminders and deliveries to look for; without, neither is looked at.")
@click.option(
    "--log",
    "logs",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file of the workers' log lines; may be repeated.",
)
@click.option(
    "--cloudwatch",
    "log_hours",
    type=click.IntRange(1, 24 * 31),
    help="Ask CloudWatch for the workers' log lines of so many last hours; needs --stage, and costs by what is scanned.",
)
@click.option(
    "--archive", "hours", type=click.IntRange(1, 24 * 31), help="Read so many last hours of the audit archive."
)
@click.option("--dlq", "queues", multiple=True, help="Look through this dead-letter queue only; may be repeated.")
@click.option("--no-letters", is_flag=True, help="Do not look through dead-letter queues.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document a line.")
def trace(
    *,
    asked: str,
    tenant: str,
    logs: tuple[Path, ...],
    log_hours: int | None,
    hours: int | None,
    queues: tuple[str, ...],
    no_letters: bool,
    as_json: bool,
) -> None:
    """What became of ID: a message id, event id, trace id, correlation id, webhook-id (a delivery's), reminder id or session id, in the order of time. Changes
    nothing; of dead letters each is received and given back, as by `fleet dlq list`. Bodies are never shown.

    Logs are read first, files and CloudWatch's: a line that names ID tells the other ids of its message, and the rest is searched for these, too. What was
    looked at, and what was not, stands at the end, on stderr. Ends with 3 where nothing is known of it, with 4 where a place could not be read.
    """
    ids = Ids(asked)
    moments, looked = _logs(logs, ids) if logs or not log_hours else ([], [])
    for found, how in (
        _cloudwatch(log_hours, ids),
        _tables(ids, tenant),
        _letters(ids, queues, wanted=not no_letters),
        _archive(ids, hours),
    ):
        moments += found
        looked += how
    for each in sorted(moments, key=lambda moment: moment.when):
        told = {"at": each.at or None, "place": each.place, "what": each.what, **each.fields}
        click.echo(json_line({"version": 1, **told}) if as_json else _line(each))
    for place in looked:
        click.echo(one_line(f"{place.place}: {place.how}"), err=True)
    sys.exit(PARTLY if any(each.failed for each in looked) else 0 if moments else NOTHING)


def _logs(paths: tuple[Path, ...], ids: Ids) -> tuple[list[Moment], list[Looked]]:
    if not paths:
        return [], [Looked("logs", "not looked at, name a file with --log, or hours with --cloudwatch")]
    moments: list[Moment] = []
    for _ in range(PASSES):
        before, moments = len(ids), []
        for path in paths:
            with path.open("rb") as lines:
                moments += [moment for line in lines if (moment := logged(line, ids)) is not None]
        if len(ids) == before:
            break
    return moments, [Looked("logs", f"{len(moments)} lines of {len(paths)} files")]


def _cloudwatch(hours: int | None, ids: Ids) -> tuple[list[Moment], list[Looked]]:
    if hours is None:
        return [], []
    stage = click.get_current_context().find_root().obj
    if stage is None:
        raise click.UsageError("--cloudwatch needs to know whose logs: fleet --stage NAME trace ID --cloudwatch HOURS")
    source = Insights(
        service("logs"), project=stage.project, stage=stage.stage, hours=hours, now=time.time(), sleep=time.sleep
    )
    try:
        if not (groups := source.groups()):
            return [], [Looked("cloudwatch", "not looked at, the stage has no log groups")]
        found, whole = source.moments(groups, ids)
    except _READ_FAULTS as error:
        why = str(error) if isinstance(error, NoAnswer) else code_of(error)
        return [], [Looked("cloudwatch", f"could not be read ({why})", failed=True)]
    more = "" if whole else ", and there are more: ask for fewer hours"
    return found, [Looked("cloudwatch", f"{len(found)} lines of {len(groups)} log groups{more}", failed=not whole)]


def _tables(ids: Ids, tenant: str) -> tuple[list[Moment], list[Looked]]:
    found, looked = _asked("sessions", lambda: places.sessions(os.environ, ids))
    if not tenant:
        why = "not looked at, name the tenant with --tenant"
        return found, [*looked, Looked("reminders", why), Looked("webhooks", why)]
    for name, ask in (("reminders", places.reminders), ("webhooks", places.deliveries)):
        more, how = _asked(name, lambda ask=ask: ask(os.environ, ids, tenant))  # type: ignore[misc]
        found, looked = found + more, looked + how
    return found, looked


def _archive(ids: Ids, hours: int | None) -> tuple[list[Moment], list[Looked]]:
    if hours is None:
        return [], [Looked("archive", "not looked at, say with --archive how many hours")]
    objects = 0

    async def read() -> list[Moment]:
        nonlocal objects
        async with opened(None) as (bucket, _):
            found, objects = await archive.rows(bucket, ids, hours=hours)
        return found

    found, looked = _asked("archive", read)
    return found, [
        Looked(each.place, f"{each.how} in {objects} objects" if found else each.how, each.failed) for each in looked
    ]


def _asked(place: str, ask: Callable[[], Coroutine[Any, Any, list[Moment]]]) -> tuple[list[Moment], list[Looked]]:
    """What a place tells; that it could not be read is said, and keeps no other place from telling."""
    try:
        found = asyncio.run(ask())
    except SettingsError as error:
        return [], [Looked(place, f"not looked at, {error}")]
    except _READ_FAULTS as error:
        return [], [Looked(place, f"could not be read ({code_of(error)})", failed=True)]
    return found, [Looked(place, f"{len(found)} found")]


def _letters(ids: Ids, named: tuple[str, ...], *, wanted: bool) -> tuple[list[Moment], list[Looked]]:
    if not wanted:
        return [], [Looked("letters", "not looked at, as --no-letters says")]
    tools = desk()
    try:
        queues = [*map(tools.catalog.queue, named)] if named else tools.catalog.dead_letter_queues()
    except _QUEUE_FAULTS as error:
        return [], [Looked("letters", f"could not be read ({type(error).__name__})", failed=True)]
    found: list[Moment] = []
    looked = [Looked("letters", each, failed=True) for each in tools.catalog.unread]
    for info in queues:
        more, how = _buried(tools, info, ids)
        found, looked = found + more, [*looked, how]
    return found, looked


def _buried(tools: Desk, info: QueueInfo, ids: Ids) -> tuple[list[Moment], Looked]:
    """The letters of one queue."""
    if not info.visible + info.in_flight:
        return [], Looked(info.name, "empty")
    if info.redrives_to:
        return [], Looked(info.name, "not looked at, its own redrive policy counts each look")
    met: list[Moment] = []

    def meet(letter: DeadLetter) -> None:
        if (moment := buried(letter, info.name, ids)) is not None:
            met.append(moment)

    try:
        _, _, seen = looked_through(tools, info.url, Filters(), meet=meet)
    except NotDeadLetters:
        return [], Looked(info.name, "not looked at, nothing names it as the place of its dead letters")
    except _QUEUE_FAULTS as error:
        return [], Looked(info.name, f"could not be read ({type(error).__name__})", failed=True)
    return met, Looked(info.name, f"{len(met)} of {seen.scanned} letters", not seen.complete)


def _line(each: Moment) -> str:
    told = "  ".join(f"{name}={value}" for name, value in each.fields.items())
    return one_line(f"{each.at or '-':<32}  {each.place:<24}  {each.what:<16}  {told}")
