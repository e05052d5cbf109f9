"""The webhook worker put together: two queues, one HTTP session, one table."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from operator import attrgetter
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

from shared import App, Clients, Each, Limits, Settings, Worker, make_lambda_handler, read_settings
from workers.webhook_delivery.egress.bulkhead import FIRST_PAUSE, LONGEST_PAUSE, Bulkhead
from workers.webhook_delivery.event import DeliveryJob, Published, job_or_event, published
from workers.webhook_delivery.fan_out import fan_out
from workers.webhook_delivery.handler import deliver
from workers.webhook_delivery.life import DISABLE_AFTER
from workers.webhook_delivery.ports import Ports
from workers.webhook_delivery.rules import STANDARD_WEBHOOKS, Schedule
from workers.webhook_delivery.signing import SecretsKey, open_seals
from workers.webhook_delivery.store.kept import KeptSettings, open_kept
from workers.webhook_delivery.store.shared_reads import FRESH, SharedReads, recent_pages
from workers.webhook_delivery.store.table import DynamoDbStore

HANDLER_SECONDS: Final = 30.0
"""For one delivery: the POST's own limit (20 s at most) and four DynamoDB calls."""
LEASE_SECONDS: Final = HANDLER_SECONDS + 5.0
"""Of a claimed attempt: longer than a handler can run, so that no attempt is made twice while its first maker lives."""
SLOTS: Final = 50
"""Deliveries at once: they wait for other people's servers."""
POLL_SECONDS: Final = 0.01
"""Between two receives of a trickle: an event passes two queues on its way to its endpoints."""


def _listed(given: Any) -> Any:
    return [part.strip() for part in given.split(",")] if isinstance(given, str) else given


Delay = Annotated[float, Field(ge=0, le=14 * 86_400, allow_inf_nan=False)]


class WebhookSettings(Settings):
    """Of this worker; times in seconds. The schedule's first entry is the delay of the first attempt."""

    webhooks_table_name: str = Field(description="the DynamoDB table of endpoints and deliveries")
    event_bus_name: str = Field(description="the bus that disabled endpoints are announced on")
    webhook_allow_loopback: bool = Field(
        default=False, description="whether endpoints on this machine are posted to: for development only"
    )
    webhook_timeout_seconds: float = Field(
        default=15.0, gt=0, le=20, description="what an endpoint may take for its answer, where it sets no limit itself"
    )
    webhook_breaker_seconds: float = Field(
        default=FIRST_PAUSE, gt=0, le=LONGEST_PAUSE, description="the first pause of an endpoint that keeps failing"
    )
    webhook_disable_after_seconds: float = Field(
        default=DISABLE_AFTER,
        ge=60,
        le=365 * 86_400,
        description="how long an endpoint may fail without a success before it is disabled",
    )
    webhook_retry_schedule: Annotated[
        tuple[Delay, ...], BeforeValidator(_listed), Field(min_length=1, max_length=100)
    ] = Field(
        default=STANDARD_WEBHOOKS.delays, description="delays of the attempts, with commas; first of the first one"
    )
    webhook_secrets_key: SecretsKey = Field(
        default=None, description="the KMS key that endpoints' secrets are sealed with, where they are"
    )
    concurrency: int | None = Field(default=None, ge=1, le=1000, description="deliveries at once, in place of 50")


@asynccontextmanager
async def open_workers(environment: Mapping[str, str], clients: Clients) -> AsyncIterator[tuple[Worker[Any], ...]]:
    # Imported when it is used: it brings aiohttp, half of what a Lambda sandbox would load at first.
    from workers.webhook_delivery.egress.sender import open_sender

    settings = read_settings(WebhookSettings, environment)
    schedule = Schedule(settings.webhook_retry_schedule)
    seals = await open_seals(settings.webhook_secrets_key, lambda: clients.open("kms"))
    dynamodb = await clients.open("dynamodb")
    store = DynamoDbStore(dynamodb, table=settings.webhooks_table_name, fresh=FRESH, seals=seals)
    kept = await open_kept(environment, clients, now=_now)
    bus = await clients.bus(settings.event_bus_name)
    send = await clients.sender("webhook-deliveries")
    async with open_sender(
        allow_loopback=settings.webhook_allow_loopback,
        seconds=settings.webhook_timeout_seconds,
        connections=max(SLOTS, settings.concurrency or 0),
    ) as post:
        bulkhead = Bulkhead(settings.concurrency or SLOTS, first_pause=settings.webhook_breaker_seconds)
        ports = Ports(
            store,
            post,
            bulkhead,
            send=send,
            put_event=bus.put,
            now=_now,
            dice=random.random,
            disable_after=settings.webhook_disable_after_seconds,
        )
        subscriptions = recent_pages(SharedReads(store.subscriptions), fresh=FRESH)
        spread = partial(fan_out, subscriptions=subscriptions, keep=kept.keep, send=send, schedule=schedule, now=_now)

        async def attempt_or_go_on(job: DeliveryJob | Published) -> None:
            if isinstance(job, Published):
                await spread(job)
            else:
                await deliver(job, ports=ports, schedule=schedule, lease=LEASE_SECONDS)

        yield (
            Worker[Published](
                name="webhook-delivery",
                queue="webhook-events",
                decode=published,
                correlation=attrgetter("correlation_id"),
                do=Each(spread),
                limits=Limits(timeout=HANDLER_SECONDS, poll_interval=POLL_SECONDS),
            ),
            Worker[DeliveryJob | Published](
                name="webhook-delivery",
                queue="webhook-deliveries",
                decode=job_or_event,
                correlation=attrgetter("correlation_id"),
                do=Each(attempt_or_go_on),
                limits=Limits(timeout=HANDLER_SECONDS, concurrency=SLOTS, poll_interval=POLL_SECONDS),
            ),
        )


def _now() -> datetime:
    return datetime.now(UTC)


APP = App(
    "webhook-delivery", ("webhook-events", "webhook-deliveries"), open_workers, settings=(WebhookSettings, KeptSettings)
)
lambda_handler = make_lambda_handler(APP)
