"""Subjects and their keys: the table as searches open it, and `fleet archive erase`, which destroys a key so that hashes lead to nobody."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import click
from pydantic import BeforeValidator

from fleet.cli.command import env_file_option
from fleet.cli.dlq.frame import DlqCommand, Record, answer, audited, begin, desk, given_reason, mutation_options
from shared import Secret
from shared.clients import Clients
from shared.configuration.stored import read_environment
from shared.settings import Settings, read_settings
from workers.audit_archive.redaction.keys import HashKey, hash_keys
from workers.audit_archive.store.rotating import RotatingKeys
from workers.audit_archive.store.subject_keys import CACHE_SECONDS, NAME, DynamoDbSubjects, Known, SubjectKeys


class HashKeys(Settings):
    """Every key that hashed what may be searched for, in AUDIT_HASH_KEYS or the secret that holds it."""

    audit_hash_keys: Annotated[tuple[HashKey, ...], BeforeValidator(hash_keys)]


class SearchSettings(HashKeys):
    audit_hash_keys: Annotated[tuple[HashKey, ...], BeforeValidator(hash_keys)] = ()


class SubjectSettings(HashKeys):
    """The table too; under each of the keys a subject may stand in it."""

    subject_keys_table_name: str


Read = TypeVar("Read", bound=HashKeys)


async def read_with_keys(model: type[Read]) -> tuple[Read, RotatingKeys]:
    """The settings of the environment, and their keys: where a secret holds these, `again` has those of the version before it too. Raises
    SettingsError.
    """
    environment = await read_environment(os.environ)
    settings = read_settings(model, environment)
    return settings, _rotating(environment, settings.audit_hash_keys)


async def search_keys() -> Sequence[HashKey]:
    """None where AUDIT_HASH_KEYS is not set: then only what is in clear is found. Raises SettingsError."""
    environment = await read_environment(os.environ)
    keys = read_settings(SearchSettings, environment).audit_hash_keys
    return await _rotating(environment, keys).again() if keys else ()


def _rotating(environment: Mapping[str, str], keys: Sequence[HashKey]) -> RotatingKeys:
    return RotatingKeys(Secret.of(environment, "AUDIT_HASH_KEYS"), keys)


@asynccontextmanager
async def subject_keys() -> AsyncIterator[SubjectKeys]:
    """Raises SettingsError."""
    settings, rotating = await read_with_keys(SubjectSettings)
    keys = await rotating.again()
    async with Clients(os.environ) as clients:
        table = DynamoDbSubjects(await clients.open("dynamodb"), table=settings.subject_keys_table_name)
        yield SubjectKeys(table, keys, lambda: datetime.now(UTC))


async def known_subject(value: str) -> Known:
    """What is known of a subject. Raises SettingsError."""
    async with subject_keys() as keys:
        return await keys.known(value)


@click.command("erase", cls=DlqCommand, short_help="Destroy a subject's key: their hashes lead to nobody any more.")
@env_file_option
@click.argument("subject")
@mutation_options
def erase_subject(*, subject: str, yes: bool, reason: str | None) -> None:
    """Destroy the key of SUBJECT in SUBJECT_KEYS_TABLE_NAME: an id as AUDIT_SUBJECTS' attributes hold it, or the name that the
    evidence of an earlier erasure gives. No object changes, and the chain still verifies.

    Without --yes it tells what would be done. With it, the audit log has a line before and one after, with the subject's
    name as the table has it, an HMAC. What comes of the subject later is hidden with keys that nobody keeps. It cannot be undone.
    """
    if not subject.strip():
        raise click.BadParameter("is empty", param_hint="SUBJECT")
    why = given_reason(reason) if yes else ""
    names, alive, erased = asyncio.run(_standing(subject))
    if not yes:
        answer(f"would erase {alive} keys ({erased} erased before); act with --yes --reason ...")
        return
    tools = desk()
    with audited(tools, "archive erase", queue="", reason=why) as entry:
        entry.ids = [*names]
        begin(tools, "archive erase", Record(ids=[*names]), reason=why)
        gone = asyncio.run(_erased(names))
        entry.counts = {"erased": gone, "erased_before": erased}
    answer(f"{gone} keys erased ({erased} erased before); every worker knows it within {CACHE_SECONDS:.0f} s")


async def _standing(subject: str) -> tuple[Sequence[str], int, int]:
    """The subject's names, keys that stand there, and tombstones."""
    async with subject_keys() as keys:
        names = [subject] if NAME.fullmatch(subject) else [*keys.names(subject)]
        return names, *await keys.standing(names)


async def _erased(names: Sequence[str]) -> int:
    async with subject_keys() as keys:
        return await keys.erase(names)
