"""`fleet dlq restore`: archived letters back in their queue."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING

import click

from fleet.cli.dlq.frame import (
    NOTHING,
    PARTLY,
    DlqCommand,
    Record,
    Refused,
    answer,
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
from fleet.cli.dlq.put_away import bucket_option, opened_archive
from fleet.dead_letters import putting_away
from fleet.dead_letters.model import view
from fleet.dead_letters.queue_lock import held
from fleet.dead_letters.queues import own_policy
from fleet.dead_letters.queues.archive import Archive, Foreign, Label
from fleet.dead_letters.queues.browsing import browse
from fleet.dead_letters.queues.catalog import QueueInfo
from fleet.dead_letters.replay.inventory import hidden_for
from fleet.dead_letters.restoring import Look, NotLookedThrough, Restored, Restoring, original, wanted

if TYPE_CHECKING:
    from fleet.dead_letters.replay.inventory import Desk, Open


@click.command("restore", cls=DlqCommand, short_help="Bring archived letters back; lists them until --yes.")
@click.argument("queue")
@click.option("--archive-id", default="", metavar="ID", help="One archive only.")
@click.option("--uncertain", is_flag=True, help="Also what may be back already, or where not all was seen.")
@bucket_option
@mutation_options
@output_options
def restore(
    *,
    queue: str,
    archive_id: str,
    uncertain: bool,
    bucket: str,
    yes: bool,
    reason: str | None,
    as_json: bool,
    no_input: bool,
) -> None:
    """Send the archived letters of QUEUE to it again, body and attributes as they were; their countdown starts anew.

    Letters of which `edit` or a plan sent a changed copy come back only with their --archive-id.
    """
    why = given_reason(reason) if yes else ""
    tools = desk()
    if not yes:
        info = tools.catalog.dead_letter_queue(queue)
        _list_archives(opened_archive(tools, bucket, fetches=True), info, archive_id, now=tools.now(), as_json=as_json)
    with audited(tools, "restore", queue=queue, reason=why) as entry:
        info = tools.catalog.dead_letter_queue(queue)
        entry.queue, entry.plan_id = info.name, archive_id
        place, back = opened_archive(tools, bucket, fetches=True), Restored()
        try:
            with held(tools.settings.state_directory, info.arn):
                _brought_back(tools, info, place, back, entry, reason=why, archive_id=archive_id, again=uncertain)
        finally:
            entry.ids, entry.counts = back.sent + back.earlier, back.counts()
            entry.outcome = "partly" if back.is_partly else "done"
        _tell_foreign(info, back.foreign)
        if back.foreign and not (sum(back.counts().values()) or back.replaced):
            raise Refused(f"nothing was restored: what lies there is not of {info.name} in this region and account")
    _print_restored(info, back, as_json=as_json)
    sys.exit(PARTLY if back.is_partly else 0 if sum(back.counts().values()) else NOTHING)


def _brought_back(
    tools: Desk,
    info: QueueInfo,
    place: Archive,
    back: Restored,
    entry: Record,
    *,
    reason: str,
    archive_id: str,
    again: bool,
) -> None:
    copies = putting_away.copies(place, info.arn)
    named = replace(entry, ids=wanted(place, info.arn, archive_id))

    async def work() -> None:
        async with tools.open(info, tools.catalog.origin(info)) as opened:
            begin(tools, "restore", named, reason=reason)
            await Restoring(
                archive=place,
                arn=info.arn,
                post=await tools.post(opened, {info.arn: info.url}),
                look=partial(_present, tools, opened),
                archive_id=archive_id,
                again=again,
                copied=copies.found.keys(),
                back=back,
            ).run()

    try:
        until_done(work())
    except NotLookedThrough as error:
        raise Refused(f"{error}. `--uncertain` sends all the same") from error


async def _present(tools: Desk, opened: Open) -> Look:
    """The letters in the queue: an archived one among them was never deleted, or its deletion was not heard of."""
    info, last_look = opened.info, tools.settings.dlq_last_look_seconds
    if own_policy.receives_allowed(info) is not None:
        return Look(
            unseen=f"the letters of {info.name} were not looked at, for its own redrive policy counts each look"
        )
    name = partial(original, arn=info.arn)
    found = await browse(opened.box, name, visibility=hidden_for(info), last_look=last_look)
    behind = (
        ", or behind the first letters of their group (ten at most), which is what SQS hands out" if info.fifo else ""
    )
    missing = f"{found.expected - found.seen} letters of {info.name} are in other hands{behind}"
    unseen = "" if found.complete else missing
    return Look(frozenset(found.found), frozenset(found.found.values()), unseen)


def _print_restored(info: QueueInfo, back: Restored, *, as_json: bool) -> None:
    if back.replaced:
        say(f"{back.replaced} letters stay archived, for a changed copy was sent: --archive-id brings them back")
    if back.there:
        say(f"{len(back.there)} letters were in the queue all the same, and are no longer archived")
    for each in back.earlier:
        say(f"{each} is back: an earlier restore that did not come to its end sent it. It is no longer archived")
    for each in back.doubles:
        say(f"{each} is back already: a further copy of it is no longer archived")
    if back.failed:
        say(f"{len(back.failed)} letters were not accepted and stay archived: {back.why}")
    if back.uncertain:
        say(f"{len(back.uncertain)} letters may be back already and stay archived: look, then use --uncertain")
    if back.perhaps_twice:
        say(
            f"{len(back.perhaps_twice)} letters were sent though not all of the queue was seen: they may be there twice"
        )
    for key in back.stuck:
        say(f"{key} could not be taken out of the archive: its letters count as uncertain")
    if as_json:
        print_json({"version": 1, **back.counts(), "foreign": [asdict(each) for each in back.foreign]})
    else:
        answer(f"{len(back.sent)} letters restored to {info.name}")


def _list_archives(place: Archive, info: QueueInfo, archive_id: str, *, now: float, as_json: bool) -> None:
    foreign, listed = list[Foreign](), list[tuple[Label, int]]()
    known = set[str]()
    for batch in place.found(info.arn, archive_id=archive_id):
        if isinstance(batch, Foreign):
            foreign.append(batch)
        elif batch.letters:
            names = {original(each, info.arn) for each in batch.letters}
            fresh = len(names if batch.label.replaced else names - known)
            known |= set() if batch.label.replaced else names
            listed.append((replace(batch.label, letters=fresh), len(batch.letters) - fresh))
    _tell_foreign(info, foreign)
    for each, doubles in listed:
        left = each.expires_at - now
        if as_json:
            print_json({"version": 1, **asdict(each), "doubles": doubles, "expires_in_s": round(left)})
        else:
            answer(
                f"{each.archive_id}  {each.letters} letters  {view.instant(each.archived_at)[:19]}  {_stands(each, left, doubles)}"
            )
    if not as_json:
        say(f"{sum(each.letters for each, _ in listed)} letters; bring them back with --yes --reason ...")
    sys.exit(PARTLY if foreign else 0 if listed else NOTHING)


def _stands(each: Label, left: float, doubles: int) -> str:
    """What is to be known of a batch, `left` seconds before its end."""
    words = ["no longer wanted" if left <= 0 else f"until {view.instant(each.expires_at)[:10]}"]
    sent = "may have been" if each.copy == "perhaps" else "was"
    words += [f"a changed copy {sent} sent: only with --archive-id"] if each.replaced else []
    words += [f"{len(each.uncertain)} may be back: only with --uncertain"] if each.uncertain else []
    words += [f"and {doubles} further copies of letters above"] if doubles else []
    return "  ".join(words)


def _tell_foreign(info: QueueInfo, found: Sequence[Foreign]) -> None:
    for each in found:
        say(f"left as it is: {each.key} is not part of the archive of {info.name}: {each.why}")
