"""Joins the worker: settings, clients and handler; the container's door and Lambda's both start here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from operator import attrgetter
from typing import Any

from opentelemetry.metrics import get_meter
from pydantic import Field

from shared import App, Clients, Each, Limits, Settings, Worker, make_lambda_handler, read_settings
from shared.telemetry.metrics import Counter
from workers.upload_notification.event import UploadFinished, UploadScanned, decode
from workers.upload_notification.gateway import ApiGateway, endpoint_url
from workers.upload_notification.handler import handle
from workers.upload_notification.objects import S3Objects
from workers.upload_notification.ports import Count, Ports
from workers.upload_notification.scans import ScanPolicy
from workers.upload_notification.store.sessions import DynamoDbSessions


class UploadSettings(Settings):
    """What this worker reads from the environment."""

    sessions_table_name: str = Field(description="the DynamoDB table of upload sessions")
    upload_bucket_name: str = Field(description="the bucket that browsers upload to")
    event_bus_name: str = Field(description="the bus that finished uploads are announced on")
    ws_api_endpoint: str = Field(description="the WebSocket API that tells browsers, with or without a scheme")
    upload_unknown_scan: ScanPolicy = Field(
        default="reject",
        description="what becomes of a file whose malware scan tells nothing (failed, unsupported): reject or complete",
    )
    upload_tag_threats: bool = Field(
        default=False, description="whether each object in which threats were found is tagged `fleet-quarantine`"
    )
    upload_tell_checksum: bool = Field(
        default=False,
        description="whether S3 is asked for the SHA-256 of each file that is told, by one HeadObject more",
    )


@asynccontextmanager
async def open_workers(environment: Mapping[str, str], clients: Clients) -> AsyncIterator[tuple[Worker[Any], ...]]:
    """Open the clients and yield the one worker of this app. Raises SettingsError."""
    settings = read_settings(UploadSettings, environment)
    # Three attempts at an API that is silent would take the handler's whole time, and the bus would not be told.
    where = endpoint_url(settings.ws_api_endpoint)
    gateway = await clients.open("apigatewaymanagementapi", endpoint_url=where, attempts=1)
    objects = S3Objects(await clients.open("s3"))
    ports = Ports(
        store=DynamoDbSessions(await clients.open("dynamodb"), table=settings.sessions_table_name),
        post=ApiGateway(gateway).post,
        head=objects.head,
        checksum=objects.checksum if settings.upload_tell_checksum else _unasked,
        quarantine=objects.quarantine if settings.upload_tag_threats else _leave,
        unknown_scan=settings.upload_unknown_scan,
        put_event=(await clients.bus(settings.event_bus_name)).put,
        count=counter(),
        now=partial(datetime.now, UTC),
    )
    yield (
        Worker(
            name=APP.name,
            queue="uploads",
            decode=partial(decode, bucket=settings.upload_bucket_name),
            do=Each(partial(handle, ports=ports)),
            correlation=attrgetter("session_id"),
            limits=Limits(timeout=15.0, poll_interval=0.01),  # less than the lease of an announcement; a browser waits
        ),
    )


async def _leave(_upload: UploadFinished | UploadScanned) -> None:
    """The row says what was found; the object stays as it is."""


async def _unasked(_upload: UploadFinished) -> str:
    """Nobody wants a checksum."""
    return ""


def counter() -> Count:
    """Counts outcomes as `fleet.uploads`: alarm on `orphaned` and `websocket_forbidden`."""
    uploads = Counter(get_meter("sqs-worker-fleet"), "fleet.uploads", unit="{upload}")

    def count(outcome: str) -> None:
        uploads.add(1, {"fleet.outcome": outcome})

    return count


APP = App("upload-notification", ("uploads",), open_workers, settings=(UploadSettings,))
lambda_handler = make_lambda_handler(APP)
