"""`fleet archive new-key` and `public-key`: what digests are signed with, and what an auditor needs."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import click

from fleet.cli.command import Command, Failed, Misconfigured, env_file_option
from shared.clients import Clients
from shared.settings import SettingsError, read_settings
from workers.audit_archive.evidence.places import EvidenceSettings, public_key
from workers.audit_archive.evidence.signing import FileKey, KeyRing

keys_option = click.option(
    "--keys",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Public keys in PEM that may sign digests, as `fleet archive public-key` prints them.",
)


def key_ring(path: Path | None) -> KeyRing | None:
    """What `--keys` names."""
    try:
        return None if path is None else KeyRing.read(path.read_bytes())
    except ValueError as error:
        raise click.BadParameter(f"{path}: {error}", param_hint="--keys") from error


@click.command("new-key", cls=Command, short_help="Make an ed25519 signing key in a file.")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def new_key(*, file: Path) -> None:
    """Make an ed25519 signing key in FILE, readable by you alone, for AUDIT_SIGNING_KEY=file:FILE. Prints the public key.

    For emulators, and where there is no KMS: who can read the file can sign. A file that is there is not overwritten.
    """
    key = FileKey.new()
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
            opened.write(key.to_pem())
    except FileExistsError as error:
        raise Failed(f"{file}: {error.strerror}") from error
    except OSError as error:
        raise Misconfigured(f"{file}: {error.strerror}") from error
    click.echo(key.public_pem(), nl=False)


@click.command("public-key", cls=Command, short_help="Print the public half of AUDIT_SIGNING_KEY.")
@env_file_option
def write_public_key() -> None:
    """Print the public half of AUDIT_SIGNING_KEY in PEM, its fingerprint above: what `verify --keys` takes.

    A key file may hold several: those of retired keys stay in it for as long as their digests are to be checked.
    """
    click.echo(asyncio.run(_public_key()), nl=False)


async def _public_key() -> str:
    settings = read_settings(EvidenceSettings, os.environ)
    if settings.audit_signing_key is None:
        raise SettingsError(
            "AUDIT_SIGNING_KEY is not set: `kms:alias/NAME` or `file:PATH` of the key that signs digests"
        )
    async with Clients(os.environ) as clients:
        return await public_key(settings.audit_signing_key, clients)
