"""Before a plan is carried out: whose journal lies beside it, whether it may go on, who holds it, which bodies it changes, what is kept first."""

from __future__ import annotations

import shlex
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click
from botocore.exceptions import BotoCoreError, ClientError

from fleet.cli.dlq.frame import Refused, audit_records, say, until_done
from fleet.cli.dlq.put_away import opened_archive
from fleet.cli.dlq.tables import STOPPED
from fleet.dead_letters import putting_away
from fleet.dead_letters.audit.story import before_own, former_file, furthest
from fleet.dead_letters.model import redaction
from fleet.dead_letters.model.plan.plan import Plan, changed_bodies
from fleet.dead_letters.model.view import View
from fleet.dead_letters.queue_lock import held, is_held, plan_lock
from fleet.dead_letters.queues.archive import Archive, Batch, following
from fleet.dead_letters.queues.catalog import QueueInfo, service
from fleet.dead_letters.replay import journal as journals
from fleet.dead_letters.replay.inventory import Desk
from fleet.dead_letters.replay.journal import Journal, Progress, journal_path
from fleet.dead_letters.replay.report import is_done, is_stopped, report
from fleet.dead_letters.sent_before import sent_before
from fleet.dead_letters.settings import EDIT_DISABLED
from fleet.typed import typed
from shared.outcome import code_of

SHOWN = 20
twice_option = click.option(
    "--twice",
    is_flag=True,
    help="Send also letters that another plan sent or is at work on, or of which `edit` sent a mended copy, or may have.",
)


def progress_of(file: Path, plan: Plan, tools: Desk | None = None) -> Progress:
    """What the journal beside the file says. With `tools`, raises Refused where that is not the whole story: a plan that was renamed
    or copied without its journal would send its letters twice.
    """
    path = journal_path(file, plan.plan_id)
    if path.exists():
        progress = journals.read(path)
        if progress.plan_id not in ("", plan.plan_id):
            raise Refused(
                f"{path} is the journal of another plan, {progress.plan_id}: put this plan's own in its place"
            )
        if tools is not None:
            _check_age(path, plan, progress, tools)
        return progress
    if tools is not None and (former := former_file(_records(tools, plan), plan.plan_id)) is not None:
        own = journal_path(Path(former), plan.plan_id) if former else "its journal"
        raise Refused(
            f"nothing was sent: this plan was begun{f' as {former}' if former else ' under another name'}, and its journal is "
            f"not beside {file}. Move {own} to {path} and go on with `{typed('dlq', 'resume', str(file))}`, or make a new plan"
        )
    return Progress()


def _records(tools: Desk, plan: Plan) -> list[dict[str, Any]]:
    return audit_records(tools, about=plan.plan_id)


def _check_age(path: Path, plan: Plan, progress: Progress, tools: Desk) -> None:
    """Raises Refused for a journal that knows less than the audit log: an older copy of it, and letters would be sent twice."""
    run, sent = furthest(_records(tools, plan), plan.plan_id)
    known = max(progress.runs, progress.announced), int(report(plan, progress)["sent"])
    if run > known[0] or sent > known[1]:
        raise Refused(
            f"nothing was sent: {path} is an older copy of this plan's journal. It ends with run {known[0]} and {known[1]} letters sent, "
            f"and the audit log knows of run {run} and {sent} letters sent: put the newest one in its place, or make a new plan"
        )


@contextmanager
def plan_held(tools: Desk, file: Path, plan: Plan) -> Iterator[Journal]:
    """One runner at a time: by the plan's id, for a copy has a name and a lock of its own, and by its file, which others see."""
    with held(tools.settings.state_directory, plan_lock(plan.plan_id)):
        progress_of(file, plan, tools)  # nobody began it meanwhile elsewhere
        with journals.opened(file, plan.plan_id, now=time.time) as journal:
            yield journal


def to_begin(file: Path, plan: Plan, progress: Progress) -> None:
    """Raises Refused where `replay` would do nothing with this plan, dry run or not."""
    if not progress.runs:
        return
    _refuse_stopped(file, plan, progress)
    if is_done(plan, progress):
        raise Refused("this plan was carried out: make a new one for what came since")
    raise Refused(f"this plan was begun: go on with `{typed('dlq', 'resume', str(file))}`")


def to_go_on(file: Path, plan: Plan, progress: Progress) -> None:
    """Raises Refused where `resume` would do nothing with this plan, dry run or not."""
    if not progress.runs:
        raise Refused(f"this plan was never begun: look at it with `{typed('dlq', 'replay', str(file))}`")
    _refuse_stopped(file, plan, progress)


def _refuse_stopped(file: Path, plan: Plan, progress: Progress) -> None:
    if is_stopped(plan, progress):
        why = f"SQS's own redrive ended as {progress.task}" if progress.task else STOPPED
        anew = shlex.join(["fleet", "dlq", "plan", plan.place.queue, "-o", str(file)])
        raise Refused(f"{why}: this plan sends nothing any more; plan the rest with `{anew}`")


def check_changes(tools: Desk, plan: Plan) -> None:
    """Before anything is sent. Raises Refused, or UsageError where there is no archive for the originals."""
    if changed_bodies(plan):
        if not tools.settings.dlq_edit_enabled:
            raise Refused(f"this plan changes bodies; {EDIT_DISABLED}")
        if not tools.settings.dlq_archive_bucket_name:
            raise click.UsageError("set DLQ_ARCHIVE_BUCKET_NAME: letters whose bodies are changed are archived first")
        opened_archive(tools, "")


def keep_changed(tools: Desk, plan: Plan, sent: Collection[str], *, reason: str) -> frozenset[str]:
    """Archive the letters whose bodies this plan changes and that are not sent yet, under the plan's id, each once. Answers the
    ids of those that are archived: no other may be sent with another body.
    """
    digests = {each.id: each.digest for each in plan.letters if each.mended is not None and each.id not in sent}
    if not digests:
        return frozenset()
    info = tools.catalog.dead_letter_queue(plan.place.arn)
    origin = tools.catalog.origin(info)
    archive = opened_archive(tools, "")
    label = putting_away.label(tools, info, plan.plan_id, reason, replaced=True)
    before = [
        *archive.found(info.arn, archive_id=plan.plan_id)
    ]  # of a run that was cut short; a damaged one keeps its place
    kept = frozenset(letter.id for batch in before if isinstance(batch, Batch) for letter in batch.letters)
    missing = {name: digest for name, digest in digests.items() if name not in kept}

    async def work() -> set[str]:
        async with tools.open(info, origin) as opened:
            stored = putting_away.Stored(archive, label, number=following([each.key for each in before]))
            return await putting_away.keep_originals(tools, opened, missing, stored)

    try:
        return kept | until_done(work()) if missing else kept
    except putting_away.NotAccepted as error:
        raise Refused(str(error)) from error


def copied(archive: Archive, queue_arn: str, ids: Collection[str]) -> dict[str, str]:
    """Which of these letters of a queue `edit` sent a mended copy of, or may have, and in which words. Raises Refused where nobody can
    tell.
    """
    try:
        found = putting_away.copies(archive, queue_arn)
    except (ClientError, BotoCoreError) as error:
        raise Refused(
            f"nothing was sent: whether `edit` sent mended copies of these letters cannot be read in {archive.bucket} "
            f"({code_of(error)}). `--twice` does not ask"
        ) from error
    for each in found.unread:
        say(f"left as it is: {each.key} may tell of a mended copy that was sent, and cannot be read: {each.why}")
    return {name: why for name, why in found.found.items() if name in ids}


def withheld(tools: Desk, plan: Plan, *, twice: bool) -> dict[str, str]:
    """Letters of a plan that are left because another plan sent them, or `edit` a mended copy, and why: unless `twice`, or where a copy
    goes to a place to look at it.
    """
    if twice or plan.keep:
        return {}
    found = _sent_of(tools, plan, audit_records(tools, about=plan.place.queue))
    if bucket := tools.settings.dlq_archive_bucket_name:
        known = _letters_by_name(plan)
        gone = copied(Archive(service("s3"), bucket=bucket), plan.place.arn, known)
        found |= {known[name]: why for name, why in gone.items()}
    return _allowed(plan, found)


def taken_meanwhile(tools: Desk, plan: Plan, *, twice: bool) -> dict[str, str]:
    """As `withheld`, once this run's `begun` is in the log, and only what plans say that began before it: of two that begin at once the
    later one leaves the letters of both.
    """
    if twice or plan.keep:
        return {}
    records = before_own(audit_records(tools, about=plan.place.queue), plan.plan_id)
    return _allowed(plan, _sent_of(tools, plan, records))


def _sent_of(tools: Desk, plan: Plan, records: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What `sent_before` says of the letters of a plan, by their ids of now."""
    known, ids = _letters_by_name(plan), {each.id for each in plan.letters}
    earlier = known.keys() - ids
    found = sent_before(records, ids, but=plan.plan_id, earlier=earlier, at_work=partial(_is_at_work, tools))
    return {known[name]: why for name, why in found.items()}


def _is_at_work(tools: Desk, plan_id: str) -> bool:
    return is_held(tools.settings.state_directory, plan_lock(plan_id))


def _letters_by_name(plan: Plan) -> dict[str, str]:
    """The id of each letter by every id that it has or had."""
    earlier = {name: each.id for each in plan.letters for name in each.earlier}
    return {**earlier, **{each.id: each.id for each in plan.letters}}


def _allowed(plan: Plan, found: dict[str, str]) -> dict[str, str]:
    if found and plan.via == "aws":
        raise Refused(
            f"nothing was sent: SQS's own redrive takes all letters, and of {next(iter(found))} {next(iter(found.values()))}"
        )
    return found


def name_sent(tools: Desk, info: QueueInfo, plan: Plan) -> bool:
    """Name the letters of a new plan that another one sent already, or may have. Answers whether there are any."""
    if plan.keep:
        return False
    found = _sent_of(tools, plan, audit_records(tools, about=info.name))
    for name, why in found.items():
        say(f"warning: {name}: {why}; `replay` leaves it, unless with --twice")
    return bool(found)


def sent_already(tools: Desk, info: QueueInfo, archive: Archive, each: View) -> str:
    """Why a letter is not to be sent once more: `edit` sent a mended copy of it, or a plan sent it; "". Raises Refused."""
    known = copied(archive, info.arn, [*each.earlier, each.id])
    records = audit_records(tools, about=info.name)
    known |= sent_before(records, [each.id], earlier=each.earlier, at_work=partial(_is_at_work, tools))
    return next(iter(known.values()), "")


def show_changes(tools: Desk, plan: Plan) -> None:
    """Which bodies a plan changes, by digest, on stdout."""
    changed = changed_bodies(plan)
    for name, digests in [*changed.items()][:SHOWN]:
        before, _, after = digests.partition("->")
        click.echo(f"  changes the body of {redaction.printable(name)}: {before[:16]} to {after[:16]}")
    if len(changed) > SHOWN:
        click.echo(f"  and of {len(changed) - SHOWN} more: --json names all")
    if changed and not tools.settings.dlq_edit_enabled:
        click.echo(f"  to act, {EDIT_DISABLED}")
