import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from shared.clients import Clients
from shared.settings import SettingsError, read_settings
from tests.aws import Aws
from tests.bench.units.counting import CountingClients
from tests.fakes import delivery
from tests.lambda_events import FakeContext
from tests.waiting import until
from tests.workers.webhook_delivery.egress.servers import answering, response, serving
from tests.workers.webhook_delivery.fakes import SECRET, endpoint
from tests.workers.webhook_delivery.table import row
from workers.webhook_delivery.app import (
    APP,
    HANDLER_SECONDS,
    LEASE_SECONDS,
    SLOTS,
    WebhookSettings,
    lambda_handler,
    open_workers,
)
from workers.webhook_delivery.rules import STANDARD_WEBHOOKS
from workers.webhook_delivery.signing import verify

EVENT = (Path(__file__).parents[2] / "events/bus-upload-completed.json").read_text()
NAMES = {"WEBHOOKS_TABLE_NAME": "fleet-webhooks-dev", "EVENT_BUS_NAME": "fleet-events-dev"}


def settings(**environment: str) -> WebhookSettings:
    return read_settings(WebhookSettings, NAMES | environment)


def test_the_defaults_are_the_specification_s_and_the_safe_ones() -> None:
    plain = settings()
    assert plain.webhook_retry_schedule == STANDARD_WEBHOOKS.delays
    assert plain.webhook_timeout_seconds == 15
    assert plain.webhook_allow_loopback is False


def test_a_schedule_is_a_comma_list_of_seconds() -> None:
    assert settings(WEBHOOK_RETRY_SCHEDULE="0, 0.5,5").webhook_retry_schedule == (0, 0.5, 5)
    assert settings(WEBHOOK_RETRY_SCHEDULE="").webhook_retry_schedule == STANDARD_WEBHOOKS.delays


@pytest.mark.parametrize(
    "wrong",
    [
        {"WEBHOOK_RETRY_SCHEDULE": "0,soon"},
        {"WEBHOOK_RETRY_SCHEDULE": "0,-1"},
        {"WEBHOOK_RETRY_SCHEDULE": "0,nan"},
        {"WEBHOOK_RETRY_SCHEDULE": "0,inf"},
        {"WEBHOOK_RETRY_SCHEDULE": ","},
        {"WEBHOOK_RETRY_SCHEDULE": ",".join("1" * 101)},
        {"WEBHOOK_TIMEOUT_SECONDS": "0"},
        {"WEBHOOK_TIMEOUT_SECONDS": "21"},
        {"WEBHOOK_BREAKER_SECONDS": "0"},
        {"WEBHOOK_BREAKER_SECONDS": "901"},
        {"WEBHOOK_ALLOW_LOOPBACK": "perhaps"},
        {"WEBHOOKS_TABLE_NAME": ""},
        {"EVENT_BUS_NAME": ""},
    ],
)
def test_a_setting_that_makes_no_sense_is_named(wrong: Mapping[str, str]) -> None:
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        settings(**wrong)


def test_a_lease_outlives_the_longest_handler_and_that_the_longest_post() -> None:
    longest_post = 20
    assert longest_post + 5 < HANDLER_SECONDS < LEASE_SECONDS


@pytest.fixture
def environment(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """This run's stack, with a table of the test's own; short retries to endpoints on this machine."""
    made = aws.environment | {
        "WEBHOOKS_TABLE_NAME": aws.table_like("webhooks"),
        "WEBHOOK_EVENTS_QUEUE_URL": aws.queue("webhook-events"),
        "WEBHOOK_DELIVERIES_QUEUE_URL": aws.queue("webhook-deliveries"),
        "WEBHOOK_ALLOW_LOOPBACK": "true",
        "WEBHOOK_RETRY_SCHEDULE": "0,1",
    }
    for name, value in made.items():
        monkeypatch.setenv(name, value)
    return made


async def jobs(aws: Aws, environment: Mapping[str, str]) -> list[str]:
    queue = environment["WEBHOOK_DELIVERIES_QUEUE_URL"]
    return await until(lambda: aws.bodies(queue), what="a job on webhook-deliveries")


async def test_an_event_becomes_a_signed_post_and_a_failure_a_second_one(aws: Aws, environment: dict[str, str]) -> None:
    async with serving(answering(response(500, b"not yet"), response(200))) as server, Clients(environment) as clients:
        there = endpoint(url=server.url())
        aws.dynamodb.put_item(TableName=environment["WEBHOOKS_TABLE_NAME"], Item=row(there, "upload.*"))
        async with open_workers(environment, clients) as (events, deliveries):
            await handle(events, EVENT)
            for _ in range(2):
                (body,) = await jobs(aws, environment)
                await handle(deliveries, body)
        first, second = server.requests
        for request in (first, second):
            verify([SECRET], request.headers, request.body, now=int(request.headers["webhook-timestamp"]))
        assert first.body == second.body
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert int(second.headers["webhook-timestamp"]) >= int(first.headers["webhook-timestamp"]) + 1
        assert json.loads(first.body)["data"]["sessionId"] == "session-1"


@pytest.mark.parametrize("wants", [None, "order.*"])
async def test_events_that_nobody_takes_cost_one_read_in_five_seconds(
    aws: Aws, environment: dict[str, str], wants: str | None
) -> None:
    if wants:
        aws.dynamodb.put_item(TableName=environment["WEBHOOKS_TABLE_NAME"], Item=row(endpoint(), wants))
    async with CountingClients(environment) as clients, open_workers(environment, clients) as (events, _):
        for number in range(3):
            await handle(events, EVENT.replace("event-1", f"event-{number}"))
        calls = clients.tally.of(1).per_message()
    assert {name: count for name, count in calls.items() if name[0].isupper()} == {"Query": 1}


async def handle(worker: Any, body: str) -> None:
    await worker.do.handle(worker.decode(delivery(body, queue=worker.queue)))


async def test_the_app_reads_both_queues_with_room_for_slow_endpoints(environment: dict[str, str]) -> None:
    async with Clients(environment) as clients, open_workers(environment, clients) as workers:
        assert tuple(worker.queue for worker in workers) == APP.queues
        assert {worker.name for worker in workers} == {APP.name}
        assert [worker.limits.timeout for worker in workers] == [HANDLER_SECONDS, HANDLER_SECONDS]
        assert workers[1].limits.concurrency == SLOTS


def test_the_lambda_door_takes_nothing_but_sqs_events() -> None:
    with pytest.raises(TypeError):
        lambda_handler({}, FakeContext())
