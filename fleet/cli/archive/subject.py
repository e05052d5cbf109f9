"""The table of subjects' keys, as the commands that search and erase open it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated

from pydantic import BeforeValidator

from shared import Secret
from shared.clients import Clients
from shared.configuration.stored import read_environment
from shared.settings import Settings, read_settings
from workers.audit_archive.redaction.keys import HashKey, hash_keys
from workers.audit_archive.store.rotating import RotatingKeys
from workers.audit_archive.store.subject_keys import DynamoDbSubjects, Known, SubjectKeys


class HashKeys(Settings):
    """Every key that hashed what may be searched for, in AUDIT_HASH_KEYS or the secret that holds it."""

    audit_hash_keys: Annotated[tuple[HashKey, ...], BeforeValidator(hash_keys)]


class SubjectSettings(HashKeys):
    """The table too; under each of the keys a subject may stand in it."""

    subject_keys_table_name: str


async def hash_keys_of(settings: type[HashKeys]) -> Sequence[HashKey]:
    """Those of the environment; where a secret holds them, with those of the version before it. Raises SettingsError."""
    environment = await read_environment(os.environ)
    keys = read_settings(settings, environment).audit_hash_keys
    return await RotatingKeys(Secret.of(environment, "AUDIT_HASH_KEYS"), keys).again()


@asynccontextmanager
async def subject_keys() -> AsyncIterator[SubjectKeys]:
    """Raises SettingsError."""
    settings = read_settings(SubjectSettings, await read_environment(os.environ))
    keys = await hash_keys_of(SubjectSettings)
    async with Clients(os.environ) as clients:
        table = DynamoDbSubjects(await clients.open("dynamodb"), table=settings.subject_keys_table_name)
        yield SubjectKeys(table, keys, lambda: datetime.now(UTC))


async def known_subject(value: str) -> Known:
    """What is known of a subject. Raises SettingsError."""
    async with subject_keys() as keys:
        return await keys.known(value)
