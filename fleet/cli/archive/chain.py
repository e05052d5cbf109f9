"""`fleet archive digest` and `head`: the end of the chain, lengthened or told."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import click

from fleet.cli.archive.place import bucket_option, opened
from fleet.cli.archive.subject import HashKeys, read_with_keys
from fleet.cli.command import Command, Failed, env_file_option
from workers.audit_archive.chain.chain import Chain, Maker, Unsigned
from workers.audit_archive.chain.digest import Digest, Head
from workers.audit_archive.evidence.places import EvidenceSettings, open_anchors, open_signing, vouching_of


class DigestSettings(EvidenceSettings, HashKeys):
    """What makes a digest the worker's."""


@click.command("digest", cls=Command, short_help="Write the next digest now.")
@env_file_option
@bucket_option
def write_digest(*, bucket: str | None) -> None:
    """Write the next digest now, for all objects that none lists yet. Prints its key, or nothing where none was needed.

    AUDIT_HASH_KEYS tells the workers' objects from others. It is signed with AUDIT_SIGNING_KEY and its head is anchored in AUDIT_ANCHORS, as the worker does it.
    """
    try:
        made = asyncio.run(_digest(bucket))
    except Unsigned as error:
        raise Failed(str(error)) from error
    if made is None:
        click.echo("no digest was needed", err=True)
        return
    click.echo(made.key)
    if made.signature is None:
        click.echo("it is not signed: AUDIT_SIGNING_KEY names no key", err=True)


@click.command("head", cls=Command, short_help="Print the newest digest's number and hash, for an anchor.")
@env_file_option
@bucket_option
def write_head(*, bucket: str | None) -> None:
    """Print NUMBER:HASH of the newest digest. Kept elsewhere, it is what `verify --anchor` takes."""
    head = asyncio.run(_head(bucket))
    if head is None:
        raise Failed("there is no digest yet")
    click.echo(str(head))


async def _digest(bucket: str | None) -> Digest | None:
    settings, rotating = await read_with_keys(DigestSettings)
    async with opened(bucket) as (place, clients):
        sign = await open_signing(settings.audit_signing_key, clients)
        chain = Chain(
            maker=Maker(
                bucket=place,
                now=_now,
                sign=sign,
                seals=rotating.seals,
                vouching=vouching_of(settings.audit_signing_key, rotating.seals, clients),
            ),
            every=timedelta(0),
            anchors=await open_anchors(settings.audit_anchors, clients),
        )
        return await chain.lengthen(asked=True)


async def _head(bucket: str | None) -> Head | None:
    async with opened(bucket) as (place, _):
        return await Maker(bucket=place, now=_now).head()


def _now() -> datetime:
    return datetime.now(UTC)
