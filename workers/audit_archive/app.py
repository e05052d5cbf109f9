"""The audit worker put together: settings, clients, keys, and its one queue."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import structlog
from pydantic import BeforeValidator, Field

from shared import (
    App,
    BatchResult,
    Clients,
    Limits,
    Secret,
    SettingsError,
    Together,
    Worker,
    make_lambda_handler,
    read_settings,
)
from workers.audit_archive.chain.chain import Chain, Maker
from workers.audit_archive.event import AuditEvent
from workers.audit_archive.evidence.ages import DIGEST_SECONDS
from workers.audit_archive.evidence.places import EvidenceSettings, open_anchors, open_signing, vouching_of
from workers.audit_archive.gap import Refused, decode_or_gap
from workers.audit_archive.handler import handle_batch
from workers.audit_archive.hiding import BySubject
from workers.audit_archive.redaction.keys import HashKey, hash_keys
from workers.audit_archive.redaction.personal import Names
from workers.audit_archive.redaction.public import Public, public_fields
from workers.audit_archive.redaction.redact import Redactor
from workers.audit_archive.redaction.subjects import Subjects, subjects
from workers.audit_archive.store.archive import Archive
from workers.audit_archive.store.bucket import LARGEST, S3Bucket
from workers.audit_archive.store.claims import LEASE, PagedClaims
from workers.audit_archive.store.items import DynamoDbItems
from workers.audit_archive.store.rotating import RotatingKeys
from workers.audit_archive.store.stream import StreamReader
from workers.audit_archive.store.subject_keys import DynamoDbSubjects, SubjectKeys

log = structlog.get_logger()

TIMEOUT = 45.0
"""Seconds for one batch; below the lease, so that a claim's owner is dead when others may doubt it."""

assert TIMEOUT < LEASE


class AuditSettings(EvidenceSettings):
    """What the audit worker reads from the environment. Times in seconds. A secret behind the hash keys may be rotated (store/rotating.py)."""

    audit_bucket_name: str = Field(description="the bucket of the archive")
    ledger_table_name: str = Field(description="the DynamoDB table where claims are kept")
    audit_hash_keys: Annotated[tuple[HashKey, ...], BeforeValidator(hash_keys)] = Field(
        description="`keyid:base64`, several with commas, 32 bytes or more each: the first hashes personal values, the others are for searches"
    )
    audit_personal_fields: str = Field(default="", description="further attributes to be hashed, with commas")
    audit_public_fields: Annotated[Public, BeforeValidator(public_fields)] = Field(
        default=Public(),
        description="`table:name,name;table:name`: where it is set, every value that it does not name is hashed",
    )
    audit_subjects: Annotated[Subjects, BeforeValidator(subjects)] = Field(
        default=Subjects(),
        description="`table:attribute;table:map.attribute`: who each row is about; their own key hides what is theirs",
    )
    subject_keys_table_name: str = Field(default="", description="the DynamoDB table of subjects' keys")
    audit_batch_count: int = Field(default=500, ge=1, le=5000, description="rows that start a batch")
    audit_batch_seconds: float = Field(default=5.0, gt=0, le=300, description="age of the first row that starts one")
    audit_digest_seconds: float = Field(default=DIGEST_SECONDS, gt=0, le=86_400, description="from digest to digest")


@asynccontextmanager
async def open_workers(environment: Mapping[str, str], clients: Clients) -> AsyncIterator[tuple[Worker[Any], ...]]:
    """Raises SettingsError."""
    settings = read_settings(AuditSettings, environment)
    if settings.audit_subjects.tables and not settings.subject_keys_table_name:
        raise SettingsError(
            "set or mend these environment variables: SUBJECT_KEYS_TABLE_NAME is not set: required where AUDIT_SUBJECTS is set"
        )
    bucket = S3Bucket(await clients.open("s3"), name=settings.audit_bucket_name, largest=LARGEST)
    claims = PagedClaims(DynamoDbItems(await clients.open("dynamodb"), table=settings.ledger_table_name))
    names = Names(settings.audit_personal_fields.split(","))
    rotating = RotatingKeys(Secret.of(environment, "AUDIT_HASH_KEYS"), settings.audit_hash_keys)
    subject_keys = await _subject_keys(settings, clients)
    sign = await open_signing(settings.audit_signing_key, clients)
    if sign is None:
        log.warning("audit_digests_unsigned", hint="AUDIT_SIGNING_KEY names no key")
    if len(settings.audit_anchors) < 2:
        log.warning(
            "audit_head_anchored_once", hint="AUDIT_ANCHORS names one place, and who owns it can hide a cut chain"
        )
    chain = Chain(
        maker=Maker(
            bucket=bucket,
            now=_now,
            sign=sign,
            seals=rotating.seals,
            vouching=vouching_of(settings.audit_signing_key, rotating.seals, clients),
        ),
        every=timedelta(seconds=settings.audit_digest_seconds),
        anchors=await open_anchors(settings.audit_anchors, clients),
    )
    keep = Archive(claims=claims, bucket=bucket, now=_now, token=_token, seals=rotating.seals).keep
    stream = StreamReader(await clients.open("dynamodbstreams"))

    async def handle(events: Sequence[AuditEvent | Refused]) -> BatchResult:
        keys = await rotating.now()
        if subject_keys is not None:
            subject_keys.keys = keys
        redactor = Redactor(keys[0], names, settings.audit_public_fields)
        hiding = BySubject(redactor, settings.audit_subjects, subject_keys.of if subject_keys is not None else None)
        return await handle_batch(events, hiding=hiding, keep=keep, stream=stream, digests=chain)

    worker: Worker[AuditEvent | Refused] = Worker(
        name="audit-archive",
        queue="audit",
        decode=decode_or_gap,
        do=Together(
            handle,
            count=settings.audit_batch_count,
            bytes=2 * 1024 * 1024,  # of the smallest values these become fifty times as many
            seconds=settings.audit_batch_seconds,
        ),
        limits=Limits(timeout=TIMEOUT, concurrency=2),  # one batch waits for S3 while the next is packed
    )
    yield (worker,)


async def _subject_keys(settings: AuditSettings, clients: Clients) -> SubjectKeys | None:
    if not settings.audit_subjects.tables:
        return None
    table = DynamoDbSubjects(await clients.open("dynamodb"), table=settings.subject_keys_table_name)
    return SubjectKeys(table, settings.audit_hash_keys, _now)


def _now() -> datetime:
    return datetime.now(UTC)


def _token() -> str:
    return secrets.token_hex(8)


APP = App("audit-archive", ("audit",), open_workers, settings=(AuditSettings,))

lambda_handler = make_lambda_handler(APP)
