"""`fleet dlq ls, groups, list, show`: looks that change nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import click
from botocore.exceptions import ClientError

from fleet.cli.dlq import tables
from fleet.cli.dlq.filters import PRINT, filter_options
from fleet.cli.dlq.frame import (
    DlqCommand,
    NotThere,
    Record,
    audited,
    desk,
    end,
    given_reason,
    output_options,
    print_json,
    say,
    until_done,
)
from fleet.cli.shown import tables as shown_tables
from fleet.dead_letters.looking import counted, fed, is_whole, look_through, summed_up, told
from fleet.dead_letters.looking import shown as letter_shown
from fleet.dead_letters.model import expiry, record, redaction, view
from fleet.dead_letters.model import groups as grouping
from fleet.dead_letters.model.filters import Filters
from fleet.dead_letters.model.letter import DeadLetter
from fleet.dead_letters.model.shapes import Origin
from fleet.dead_letters.model.view import View
from fleet.dead_letters.queues.catalog import (
    Catalog,
    NoSuchQueue,
    OddAttributes,
    QueueInfo,
    side_by_side,
)
from fleet.dead_letters.queues.own_policy import OwnPolicy
from fleet.dead_letters.replay.inventory import Desk, Inventory, hidden_for
from fleet.typed import typed
from shared.message.identity import ATTRIBUTE


@click.command("ls", cls=DlqCommand, short_help="Dead-letter queues: how full, how old, disappears in.")
@click.argument("queues", nargs=-1)
@click.option("--quick", is_flag=True, help="Counts only; do not read the letters.")
@click.option(
    "--metric",
    type=click.Choice(["prometheus", "emf"]),
    help=f"Print {expiry.METRIC} alone, for Prometheus, or for CloudWatch's agent or logs.",
)
@output_options
def ls(*, queues: tuple[str, ...], quick: bool, metric: str | None, as_json: bool, no_input: bool) -> None:
    """The queues named, or every dead-letter queue that another queue's redrive policy names, that the environment names, or that has
    `-dlq` in its name and something feeds. A queue that nothing feeds is refused.

    Reads every letter (and gives it back) to tell when the oldest disappears; `--quick` does not.
    """
    if metric and (quick or as_json):
        raise click.UsageError(
            "--metric tells when the oldest disappears, in a form of its own: leave --quick and --json out"
        )
    namespace = tables.namespace() if metric == "emf" else ""
    tools = desk()
    infos = side_by_side(tools.catalog.dead_letter_queue, queues) if queues else _fed(tools.catalog)
    lines, complete = [], not tools.catalog.unread
    for info in infos:
        try:
            line, whole = _queue(tools, info, quick=quick)
        except (ClientError, OwnPolicy, NoSuchQueue, OddAttributes) as error:
            if len(infos) == 1:
                raise
            say(f"left out: {info.name} could not be read: {error}")
            complete = False
            continue
        lines.append(line)
        complete = complete and whole
    if metric:
        click.echo(tables.metric(lines, namespace=namespace, now=tools.now()), nl=False)
    elif as_json:
        for line in lines:
            print_json(line)
    else:
        shown_tables.show(tables.queues(lines))
    end(matched=bool(lines), complete=complete)


@click.command("groups", cls=DlqCommand, short_help="Letters grouped by worker and error.")
@click.argument("queue")
@filter_options
@output_options
def groups(*, queue: str, filters: Filters, ids: str | None, as_json: bool, no_input: bool) -> None:
    """Letters of QUEUE (a name, URL or ARN), grouped by worker and fingerprint."""
    _, _, found = looked_through(desk(), queue, filters)
    lines = [redaction.listed(grouping.document(each)) for each in grouping.grouped(found.views)]
    if as_json:
        for line in lines:
            print_json(line)
    elif lines:
        shown_tables.show(tables.groups(lines))
    else:
        say("no letter matches")
    end(matched=bool(lines), complete=found.complete)


@click.command("list", cls=DlqCommand, short_help="Letters, one per line.")
@click.argument("queue")
@filter_options
@output_options
def list_(*, queue: str, filters: Filters, ids: str | None, as_json: bool, no_input: bool) -> None:
    """Letters of QUEUE, closest to expiry first; never their bodies. `--ids` prints ids alone."""
    _, _, found = looked_through(desk(), queue, filters)
    if ids == PRINT:
        for each in found.views:
            click.echo(redaction.one_line(each.id))
    elif as_json:
        for each in found.views:
            print_json(redaction.listed(view.document(each)))
    elif found.views:
        for start in range(0, len(found.views), tables.PAGE):
            shown_tables.show(
                tables.letters(
                    [redaction.listed(view.document(each)) for each in found.views[start : start + tables.PAGE]]
                )
            )
    else:
        say("no letter matches")
    end(matched=bool(found.views), complete=found.complete)


@click.command("show", cls=DlqCommand, short_help="One letter: its reason, and its body redacted.")
@click.argument("queue")
@click.argument("letter_id", metavar="ID")
@click.option("--reveal", is_flag=True, help="Print body and attributes as they are; needs --reason, and is recorded.")
@click.option("--reason", help="Why the content has to be seen.")
@output_options
def show(*, queue: str, letter_id: str, reveal: bool, reason: str | None, as_json: bool, no_input: bool) -> None:
    """One letter of QUEUE. Without --reveal, values that are not plain identifiers stay hidden."""
    why = given_reason(reason) if reveal else ""
    tools = desk()
    with audited(tools, "show --reveal", queue=queue, reason=why) if reveal else nullcontext(Record()) as entry:
        entry.ids = [letter_id]
        info, each, complete = one(tools, queue, letter_id)
        entry.queue, entry.counts = info.name, {"revealed": 1}
    shown = letter_shown(each)
    if reveal:
        assert each.letter is not None
        shown |= {"body": each.letter.body, "attributes": record.document(each.letter)["attributes"]}
        shown |= {"reason": each.letter.written(ATTRIBUTE) or None, "idempotency_key": each.key}
    if page := tools.settings.page(info.name, each.id):
        shown |= {"page": page}
    if as_json:
        print_json(shown)
    else:
        tables.one(shown)
    end(matched=True, complete=complete)


def looked_through(
    tools: Desk,
    queue: str,
    filters: Filters,
    *,
    payload: bool = False,
    meet: Callable[[DeadLetter], None] | None = None,
) -> tuple[QueueInfo, Origin, Inventory]:
    """Read a whole dead-letter queue and give everything back; `payload` and `meet` as `Desk.inventory` takes them. What SQS
    does not give back, and a message that cannot be read, is said, and the look is not complete.
    """
    info = tools.catalog.dead_letter_queue(queue)
    tools.spent.check(info)
    origin = tools.catalog.origin(info)
    say(f"{info.name} holds dead letters of {_listed(info.fed_by)}")
    say(f"reading {info.name}: should this be killed, every letter is visible again within {hidden_for(info)} s")
    found = until_done(look_through(tools, info, origin, filters, payload=payload, meet=meet))
    for words in told(info, found, now=tools.now()):
        say(words)
    return info, origin, replace(found, complete=is_whole(found))


def _listed(names: Sequence[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def one(tools: Desk, queue: str, letter_id: str) -> tuple[QueueInfo, View, bool]:
    """The letter of this id, with its payload. Raises NotThere."""
    info, _, found = looked_through(tools, queue, Filters(ids=frozenset({letter_id})), payload=True)
    if not found.views:
        raise NotThere(f"there is no letter {letter_id} in {info.name}: `{typed('dlq', 'list', info.name)}` lists them")
    return info, found.views[0], found.complete or bool(found.views and not found.refused and not found.faults)


def _fed(catalog: Catalog) -> list[QueueInfo]:
    """As `fed`; what it leaves out is named on stderr."""
    found, left_out = fed(catalog)
    for words in left_out:
        say(words)
    return found


def _queue(tools: Desk, info: QueueInfo, *, quick: bool) -> tuple[dict[str, Any], bool]:
    line = counted(info)
    if quick or not info.visible + info.in_flight:
        return line | {"groups": 0 if not quick else None}, True
    if info.redrives_to:
        try:
            tools.spent.check(info)
            say(
                f"{info.name} was counted and not read: its own redrive policy counts each look; `groups` looks while that is safe"
            )
        except OwnPolicy as error:
            say(f"{error}; `groups` and `list` are refused until then")
        return line, False
    _, _, found = looked_through(tools, info.url, Filters())
    return line | summed_up(found.views), found.complete
