"""`fleet dlq edit, export, import`: bodies mended, by hand or by a script."""

from __future__ import annotations

import os
import sys
import uuid
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, BinaryIO

import click

from fleet.cli.command import Failed
from fleet.cli.dlq.changes import name_sent, sent_already, twice_option
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
from fleet.cli.dlq.look import looked_through, one
from fleet.cli.dlq.plan import check_destination, destination, frozen, print_plan, write
from fleet.cli.dlq.put_away import opened_archive
from fleet.cli.plan_file import body_in, key, records_in, whole
from fleet.dead_letters import body_check as mending
from fleet.dead_letters import putting_away
from fleet.dead_letters.model import record, redaction
from fleet.dead_letters.model.filters import Filters
from fleet.dead_letters.model.letter import DeadLetter, sha256, stored_body
from fleet.dead_letters.model.plan.draft import draft
from fleet.dead_letters.model.shapes import arn_name
from fleet.dead_letters.queue_lock import held
from fleet.dead_letters.queues.archive import EDIT
from fleet.dead_letters.queues.removal import Taken
from fleet.dead_letters.replay import run
from fleet.dead_letters.settings import EDIT_DISABLED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleet.dead_letters.model.view import View
    from fleet.dead_letters.replay.inventory import Desk


@click.command("edit", cls=DlqCommand, short_help="Send one letter with a mended body; off by default.")
@click.argument("queue")
@click.argument("letter_id", metavar="ID")
@click.option(
    "--body-file",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help="The new body; `-` is stdin. Else $EDITOR opens.",
)
@click.option("--to", default="", metavar="QUEUE|ARN", help="Instead of where it came from.")
@click.option(
    "--bucket", default="", metavar="NAME", help="Where the original is archived; else DLQ_ARCHIVE_BUCKET_NAME."
)
@twice_option
@mutation_options
@output_options
def edit(
    *,
    queue: str,
    letter_id: str,
    body_file: Path | None,
    to: str,
    bucket: str,
    twice: bool,
    yes: bool,
    reason: str | None,
    as_json: bool,
    no_input: bool,
) -> None:
    """Mend the body of one letter and send the copy under a new id. The original is archived first.

    Attributes are locked. The body must be what the worker of its queue reads.
    """
    check_destination(to)
    tools = desk()
    if not tools.settings.dlq_edit_enabled:
        with audited(tools, "edit", queue=queue, reason=reason or "") as entry:
            entry.ids = [letter_id]
            raise Refused(EDIT_DISABLED)
    why = given_reason(reason) if yes else ""
    with audited(tools, "edit", queue=queue, reason=why) if yes else nullcontext(Record()) as entry:
        entry.ids = [letter_id]
        info, each, _ = one(tools, queue, letter_id)
        entry.queue = info.name
        assert each.letter is not None
        body = _new_body(each.letter, body_file, no_input=no_input)
        arn = destination(tools, info, to) or each.standing.destination
        if ":sqs:" not in arn:
            raise Refused(each.standing.why_not or "its destination is not known: name it with --to")
        urls = run.reached(tools, info, arn)
        known = mending.check(body, queue=arn_name(arn))
        entry.digests = {"before": each.digest, "after": sha256(body)}
        if yes:
            with held(tools.settings.state_directory, info.arn):
                _mended(tools, info.url, each, body, urls=urls, bucket=bucket, twice=twice, reason=why, entry=entry)
    if as_json:
        uncertain = entry.counts.get("uncertain", 0)
        made = {"version": 1, "dry_run": not yes, "id": each.id, "destination": arn, "validated": known}
        print_json({**made, "uncertain": uncertain, **entry.digests})
    else:
        _tell_edited(each, arn, yes=yes, known=known, counts=entry.counts)
    sys.exit(PARTLY if entry.outcome == "partly" else 0)


@click.command("export", cls=DlqCommand, short_help="Letters as JSON lines, to the byte; bodies are not redacted.")
@click.argument("queue")
@filter_options
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, allow_dash=True), default="-", help="The file; stdout by default."
)
@click.option("--reason", help="Why; kept in the audit log.")
@output_options
def export(
    *, queue: str, filters: Filters, ids: str | None, output: str, reason: str | None, as_json: bool, no_input: bool
) -> None:
    """Write the letters of QUEUE that match, one JSON object per line, and leave them where they are.

    Bodies come as they are, so this needs a reason and is recorded. Mend `body` with any script, then `import`.
    """
    why = given_reason(reason)
    tools = desk()
    with TemporaryFile() as spool:  # not in memory: the bodies of a whole queue may be many gigabytes
        places: dict[str, tuple[int, int]] = {}

        def meet(letter: DeadLetter) -> None:
            places[letter.id] = (spool.tell(), spool.write(record.line(letter)))

        with audited(tools, "export", queue=queue, reason=why) as entry:
            info, _, found = looked_through(tools, queue, filters, meet=meet)
            entry.queue, entry.ids = info.name, [each.id for each in found.views]
            if found.views:
                begin(tools, "export", entry, reason=why)
            with click.open_file("-", "wb") if output == "-" else whole(Path(output)) as file:
                for each in found.views:
                    start, size = places[each.id]
                    spool.seek(start)
                    line = spool.read(size)
                    file.write(redaction.escaped(line.decode()).encode() if output == "-" else line)
                file.flush()  # what is written down as done is there
            entry.counts = {"exported": len(found.views)}
    end(matched=bool(found.views), complete=found.complete)


@click.command("import", cls=DlqCommand, short_help="A plan from exported lines whose bodies were mended.")
@click.argument("queue")
@click.argument("file", type=click.File("rb"))
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The plan file.")
@click.option("--to", metavar="QUEUE|ARN", default="", help="Send all of them there.")
@output_options
def import_(*, queue: str, file: BinaryIO, output: Path, to: str, as_json: bool, no_input: bool) -> None:
    """Freeze the letters of FILE (from `export`) in a plan, with the bodies that FILE gives them.

    Nothing is sent: look at the plan with `fleet dlq replay`. Changed bodies must be what their worker reads.
    """
    check_destination(to)
    tools = desk()
    given = records_in(file.read().splitlines())
    changed: dict[str, str] = {}

    def meet(letter: DeadLetter) -> None:
        if locked := record.changed(letter, given[letter.id]):
            changed[letter.id] = ", ".join(locked)

    info, _, found = looked_through(tools, queue, Filters(ids=frozenset(given)), meet=meet)
    for name, locked in changed.items():
        raise Refused(f"{name}: {locked} of a letter cannot be changed, only its body: no plan was written")
    arn = destination(tools, info, to)
    mended = {each.id: given[each.id].body for each in found.views if given[each.id].digest != each.digest}
    if mended and not tools.settings.dlq_edit_enabled:
        raise Refused(EDIT_DISABLED)
    drafted = draft(found.views, to=arn, mended=mended)
    for each in drafted.planned:
        if each.mended is not None:
            mending.check(each.mended, queue=arn_name(each.destination))
    if not found.views:
        say(f"none of these letters is in {info.name}: no plan was written")
        end(matched=False, complete=found.complete)
    if not drafted.planned:
        raise Refused("none of these letters can be replayed: no plan was written")
    made = frozen(tools, info, drafted, Filters(ids=frozenset(given)))
    write(output, made)
    print_plan(made, drafted, output, as_json=as_json)
    for name in sorted(set(given) - {each.id for each in found.views}):
        say(f"left out: {name} is not in {info.name}")
    sent = name_sent(tools, info, made)
    sys.exit(PARTLY if sent or len(drafted.planned) < len(given) or not found.complete else 0)


def _mended(
    tools: Desk,
    url: str,
    each: View,
    body: str,
    *,
    urls: Mapping[str, str],
    bucket: str,
    twice: bool,
    reason: str,
    entry: Record,
) -> None:
    """Send it to the one queue in `urls`, by its ARN."""
    info, [arn] = tools.catalog.queue(url), [*urls]
    edit_id = f"{EDIT}{uuid.uuid4().hex}"
    entry.plan_id = edit_id
    place = opened_archive(tools, bucket)
    if not twice and (why := sent_already(tools, info, place, each)):
        raise Refused(f"nothing was sent: {why}. `--twice` sends one more")
    label = putting_away.label(tools, info, edit_id, reason, replaced=True)
    stored = putting_away.Stored(place, replace(label, copy="perhaps"))
    seal_key = key()
    origin = tools.catalog.origin(info)

    taken = Taken()

    async def work() -> None:
        async with tools.open(info, origin) as opened:
            post = await tools.post(opened, urls)
            begin(tools, "edit", entry, reason=reason)
            await putting_away.mend(
                tools,
                opened,
                each,
                body,
                edit_id=edit_id,
                stored=stored,
                post=post,
                to=arn,
                taken=taken,
                seal_key=seal_key,
            )

    try:
        until_done(work())
    except putting_away.NotAccepted as error:
        raise Failed(str(error)) from error
    except putting_away.NotKnown as error:
        taken.uncertain.append(each.id)
        say(str(error))
    finally:
        entry.counts = {"planned": 1, **taken.counts()}
    if not taken.done:
        entry.outcome = "partly"


def _tell_edited(each: View, arn: str, *, yes: bool, known: bool, counts: Mapping[str, int]) -> None:
    if counts.get("uncertain"):
        answer(
            f"a mended copy of {each.id} may have been sent to {arn_name(arn)}; what became of the original is not known"
        )
    elif counts.get("gone"):
        answer(f"{each.id} was no longer there; nothing was sent")
    else:
        answer(f"{'sent' if yes else 'would send'} a mended copy of {each.id} to {arn_name(arn)}")
    if counts.get("remaining"):
        say(f"{each.id} is still here: its deletion was refused, or somebody else holds it")
    if not known:
        say("no worker of the fleet reads that queue: the body was checked to be JSON, no more")


def _new_body(letter: DeadLetter, body_file: Path | None, *, no_input: bool) -> str:
    if body_file is not None:
        content = sys.stdin.buffer.read() if os.fspath(body_file) == "-" else body_file.read_bytes()
        return body_in(content, letter)
    if stored_body(letter) is not None:
        raise click.UsageError(
            "its body is in S3 (`fleet dlq show` says where): fetch it, mend it, give it with --body-file"
        )
    if not can_ask(no_input=no_input):
        raise click.UsageError("give the new body with --body-file: there is no terminal for an editor")
    edited = click.edit(letter.body, extension=".json")
    if edited is None or edited.removesuffix("\n") == letter.body:
        raise Refused("nothing was changed")
    return edited.removesuffix("\n")
