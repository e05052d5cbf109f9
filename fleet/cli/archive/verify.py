"""`fleet archive verify`: is the archive what its digests say, and are they what was signed and anchored?"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import orjson

from fleet.cli.archive.keys import key_ring, keys_option
from fleet.cli.archive.place import bucket_option, opened
from fleet.cli.command import FAILED, Command, Failed, env_file_option
from fleet.cli.dlq.frame import desk, say
from fleet.cli.dlq.look import looked_through
from fleet.dead_letters.model.filters import Filters
from fleet.dead_letters.model.letter import DeadLetter
from fleet.dead_letters.queues.catalog import NoSuchQueue, NotDeadLetters, OddAttributes, OtherPlace
from fleet.dead_letters.queues.own_policy import OwnPolicy
from shared.clients import Clients
from shared.settings import Settings, read_settings
from workers.audit_archive.chain.digest import Head
from workers.audit_archive.chain.gaps import Lying, lying
from workers.audit_archive.chain.listing import PATIENCE
from workers.audit_archive.chain.report import Standing, Unseen, Verification
from workers.audit_archive.chain.verify import verify
from workers.audit_archive.evidence.ages import DIGEST_SECONDS, RETENTION_DAYS, Ages
from workers.audit_archive.evidence.anchors import LogPlace, place, read_head
from workers.audit_archive.evidence.places import open_anchor
from workers.audit_archive.evidence.signing import KeyRing
from workers.audit_archive.source import Directory

DEAD_LETTERS = "audit-dlq"


class PeriodSettings(Settings):
    """How often there is a digest, in seconds."""

    audit_digest_seconds: float = DIGEST_SECONDS


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be verified, and against what."""

    bucket: str | None
    directory: Path | None
    keys: KeyRing | None
    anchors: Sequence[str]
    ages: Ages | None
    letters: Sequence[Lying] | None


@click.command("verify", cls=Command, short_help="Walk the chain of digests; name what is broken or missing.")
@env_file_option
@bucket_option
@click.option(
    "--directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A copy of the bucket on this machine, instead: needs no AWS at all.",
)
@keys_option
@click.option(
    "--anchor",
    "anchors",
    multiple=True,
    metavar="ANCHOR",
    help="NUMBER:HASH as `fleet archive head` printed it once, or s3://BUCKET/PREFIX, or ssm:/NAME; may be given often.",
)
@click.option(
    "--as-of",
    type=click.DateTime(["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d"]),
    help="When the copy was made (UTC): what was late or expired then. Of a bucket it is now; of a copy, without it, nothing is.",
)
@click.option(
    "--retention-days",
    type=click.IntRange(min=1),
    default=RETENTION_DAYS,
    show_default=True,
    help="The lifecycle's: older rows that are gone have expired, younger ones are missing.",
)
@click.option(
    "--dead-letters",
    "reads_letters",
    is_flag=True,
    help="Read the audit worker's dead-letter queue, and say which gaps lie there and which records only it has.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def verify_archive(
    *,
    bucket: str | None,
    directory: Path | None,
    keys: Path | None,
    anchors: tuple[str, ...],
    as_of: datetime | None,
    retention_days: int,
    reads_letters: bool,
    as_json: bool,
) -> None:
    """Walk the chain of digests and check every object; name the first broken or missing one, then all others.

    Without --keys and --anchor it shows that the archive hangs together; with them, who signed it, and that nothing which
    was anchored is cut off or changed. The last line says which, and how much was looked at and how much not. Ends with 0 where all is as the digests say, with 1 on any
    finding and where there is no digest at all. Notes (an object that waits for the next digest, a digest that asserts
    silence, what expired or is in cold storage, a gap) are not findings.
    """
    if bucket and directory:
        raise click.UsageError("give --bucket or --directory, not both")
    letters = _letters() if reads_letters else None
    found = asyncio.run(
        _verify(Asked(bucket, directory, key_ring(keys), anchors, _ages(directory, as_of, retention_days), letters))
    )
    if as_json:
        click.echo(orjson.dumps({"ok": found.ok, **asdict(found)}, option=orjson.OPT_INDENT_2).decode())
    else:
        _print(found, has_keys=keys is not None, has_anchors=bool(anchors))
    if not found.digests:
        click.echo("there is no digest here, so nothing is proven", err=True)
    sys.exit(0 if found.ok and found.digests else FAILED)


async def _verify(asked: Asked) -> Verification:
    heads = await _heads(asked.anchors)
    if asked.directory:
        return await verify(
            Directory(asked.directory), keys=asked.keys, anchors=heads, ages=asked.ages, lying=asked.letters
        )
    async with opened(asked.bucket) as (source, _):
        return await verify(source, keys=asked.keys, anchors=heads, ages=asked.ages, lying=asked.letters)


async def _heads(anchors: Sequence[str]) -> list[Head]:
    """All heads of all anchors. An anchor that is empty shows nothing, which is a failure and no success."""
    heads: list[Head] = []
    for given in anchors:
        if head := read_head(given):
            heads.append(head)
            continue
        try:
            there = place(given)
        except ValueError as error:
            raise click.BadParameter(f"{given!r} is not NUMBER:HASH; else {error}", param_hint="--anchor") from error
        if isinstance(there, LogPlace):
            raise click.BadParameter("give the NUMBER:HASH of a line `audit_head`", param_hint="--anchor")
        async with Clients(os.environ) as clients:
            try:
                found = await (await open_anchor(there, clients)).heads()
            except ValueError as error:
                raise Failed(str(error)) from error
        if not found:
            raise Failed(f"{given} holds no head")
        heads += found
    return heads


def _letters() -> Sequence[Lying]:
    """Reads the whole queue and gives everything back. Raises Failed where not all of it was seen: what is not seen must not count as lost."""
    found: list[Lying] = []
    others = 0

    def meet(letter: DeadLetter) -> None:
        nonlocal others
        record = lying(letter.body, DEAD_LETTERS)
        if record is None:
            others += 1
        else:
            found.append(record)

    try:
        _, _, seen = looked_through(desk(), DEAD_LETTERS, Filters(), meet=meet)
    except (NoSuchQueue, NotDeadLetters, OddAttributes, OtherPlace, OwnPolicy) as error:
        raise Failed(str(error)) from error
    if not seen.complete:
        raise Failed(f"{DEAD_LETTERS} was not read to its end, so gaps cannot be told from losses: try again")
    if others:
        say(f"{others} letters of {DEAD_LETTERS} name no record: a pointer, a body kept in S3, or no record at all")
    return found


def _ages(directory: Path | None, as_of: datetime | None, retention_days: int) -> Ages | None:
    """A copy has no clock of its own. Digests come at least every AUDIT_DIGEST_SECONDS."""
    if directory is not None and as_of is None:
        return None
    settings = read_settings(PeriodSettings, os.environ)
    return Ages(
        now=datetime.now(UTC) if as_of is None else as_of.replace(tzinfo=UTC),
        waits=max(PATIENCE, timedelta(seconds=3 * settings.audit_digest_seconds)),
        retention=timedelta(days=retention_days),
    )


def _print(found: Verification, *, has_keys: bool, has_anchors: bool) -> None:
    for finding in found.findings:
        click.echo(f"{finding.kind}: {finding.where}{f' ({finding.detail})' if finding.detail else ''}")
    for note in found.notes:
        click.echo(
            f"note: {note.kind}: {note.where}{f' ({note.detail})' if note.kind in {'gap', 'dead letter'} else ''}",
            err=True,
        )
    looked_at = f"{found.digests} digests, {found.objects} objects, {found.rows} rows"
    faults = len(found.findings)
    verdict = f"{faults} finding{'s' * (faults != 1)} in" if faults else "all as the digests say:"
    signed = f"signed {_until(found.signed)}" if has_keys else "signatures not looked at (--keys)"
    anchored = f"anchored {_until(found.anchored)}" if has_anchors else "no anchor (--anchor)"
    click.echo(f"{verdict} {looked_at}; {_not_seen(found.unseen)}; {signed}; {anchored}")


def _not_seen(unseen: Unseen) -> str:
    parts = [
        f"{unseen.cold_objects} objects with {unseen.cold_rows} rows in cold storage" if unseen.cold_objects else "",
        f"{unseen.cold_digests} digests in cold storage" if unseen.cold_digests else "",
        f"{unseen.expired_objects} objects with {unseen.expired_rows} rows that expired"
        if unseen.expired_objects
        else "",
        f"{unseen.pending_objects} objects that wait for a digest" if unseen.pending_objects else "",
    ]
    return f"not looked at: {', '.join(filter(None, parts)) or 'nothing'}{_gaps(unseen)}"


def _gaps(unseen: Unseen) -> str:
    if not unseen.open_gaps and not unseen.filled_gaps and unseen.lying_gaps is None:
        return ""
    lying = "" if unseen.lying_gaps is None else f", {unseen.lying_gaps} of them in the dead-letter queue"
    others = f", {unseen.dead_letters} records there that are neither" if unseen.dead_letters else ""
    return f"; {unseen.open_gaps} gaps{lying}, {unseen.filled_gaps} filled{others}"


def _until(standing: Standing | None) -> str:
    return "nowhere" if standing is None else f"up to digest {standing.sequence}, {standing.until.isoformat()}"
