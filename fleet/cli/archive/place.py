"""Which bucket a command means, and the clients for it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import click

from shared.clients import Clients
from shared.settings import Settings, read_settings
from workers.audit_archive.store.bucket import S3Bucket

bucket_option = click.option("--bucket", metavar="NAME", help="The bucket; else AUDIT_BUCKET_NAME.")


class ArchiveSettings(Settings):
    """The bucket, where no option names one."""

    audit_bucket_name: str


@asynccontextmanager
async def opened(bucket: str | None) -> AsyncIterator[tuple[S3Bucket, Clients]]:
    """The bucket, and clients for whatever stands beside it. Raises SettingsError where no bucket is named."""
    name = bucket or read_settings(ArchiveSettings, os.environ).audit_bucket_name
    async with Clients(os.environ) as clients:
        yield S3Bucket(await clients.open("s3"), name=name), clients
