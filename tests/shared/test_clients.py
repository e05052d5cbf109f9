"""The clients of one process: opened once, closed together, and a missing variable is named before anything opens."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from shared.clients import Clients
from shared.road.failure.breakers import OPENS_AT
from shared.road.ledger import Claimed
from shared.settings import SettingsError, variable
from shared.sqs.sender import Message
from shared.worker import Fifo, Worker
from tests.aws import Aws
from tests.made import make_worker
from tests.sqs_server.running import SqsServer
from tests.waiting import until


@pytest.fixture
def environment(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """What a worker process is given; endpoint and credentials are read by botocore itself."""
    for name, value in aws.endpoint.environment.items():
        monkeypatch.setenv(name, value)
    return aws.environment


def refusal(error: pytest.ExceptionInfo[SettingsError]) -> str:
    return str(error.value).removeprefix("set or mend these environment variables: ")


async def test_a_fifo_queue_is_opened_only_for_a_worker_that_keeps_its_order() -> None:
    def worker(**options: Any) -> Worker[Any]:
        return make_worker(name="sample", queue="orders", decode=lambda each: each, handle=_handle, **options)

    given = {
        "ORDERS_QUEUE_URL": "http://127.0.0.1:9/1/orders.fifo",
        "ORDERS_DLQ_URL": "http://127.0.0.1:9/1/orders-dlq.fifo",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    async with Clients(given) as clients:
        with pytest.raises(
            SettingsError, match=r"ORDERS_QUEUE_URL names a FIFO queue; the worker sample needs order=Fifo\(\)"
        ):
            await clients.queue_for(worker())
        with pytest.raises(SettingsError, match="AWS_DEFAULT_REGION"):  # it goes on to open a client
            await clients.queue_for(worker(order=Fifo()))


async def _handle(_event: object) -> None:
    """Succeeds."""


async def test_a_service_is_opened_once_also_by_many_at_the_same_time(environment: Mapping[str, str]) -> None:
    async with Clients(environment) as clients:
        opened = await asyncio.gather(*(clients.open("sqs") for _ in range(5)))
        assert len({id(client) for client in opened}) == 1
        assert await clients.open("dynamodb") is not opened[0]


async def test_another_endpoint_is_another_client(environment: Mapping[str, str]) -> None:
    async with Clients(environment) as clients:
        plain = await clients.open("sqs")
        other = await clients.open("sqs", endpoint_url="http://127.0.0.1:9")
        assert other is await clients.open("sqs", endpoint_url="http://127.0.0.1:9")
        assert (other is plain, other.meta.endpoint_url) == (False, "http://127.0.0.1:9")


async def test_queue_sender_and_ledger_are_found_by_their_variables(aws: Aws, environment: Mapping[str, str]) -> None:
    scratch = {
        "AUDIT_EXTRA_QUEUE_URL": aws.queue(),
        "AUDIT_EXTRA_DLQ_URL": aws.queue(),
        "LEDGER_TABLE_NAME": aws.table("key"),
    }
    async with Clients({**environment, **scratch}) as clients:
        queue, send, ledger = (
            await clients.queue("audit-extra"),
            await clients.sender("audit-extra"),
            await clients.ledger(),
        )
        await send([Message("hello")])
        [found] = await queue.receive(limit=1, wait=5, visibility=30)
        assert (queue.name, found.queue, found.body) == ("audit-extra", "audit-extra", "hello")
        assert await ledger.claim("k", owner="a", now=1_800_000_000, lease=60, fingerprint="f") == Claimed()


async def test_the_pool_is_larger_than_all_that_runs_at_once(environment: Mapping[str, str]) -> None:
    async with Clients(environment) as clients:
        config = (await clients.open("sqs")).meta.config
        assert config.max_pool_connections == 100
        assert config.read_timeout > 20, "a long poll must not time out on our side"


async def test_a_queue_without_its_variables_names_them_all_and_opens_nothing() -> None:
    async with Clients({}) as clients:
        with pytest.raises(SettingsError) as error:
            await clients.queue("webhook-events")
        assert refusal(error) == (
            "WEBHOOK_EVENTS_QUEUE_URL is not set: the URL of the queue webhook-events; "
            "WEBHOOK_EVENTS_DLQ_URL is not set: the URL of the dead-letter queue of webhook-events"
        )
        assert clients._opened == {}


async def test_an_empty_variable_is_a_missing_one() -> None:
    async with Clients({"UPLOADS_QUEUE_URL": "http://127.0.0.1/q", "UPLOADS_DLQ_URL": ""}) as clients:
        with pytest.raises(SettingsError) as error:
            await clients.queue("uploads")
        assert refusal(error) == "UPLOADS_DLQ_URL is not set: the URL of the dead-letter queue of uploads"


async def test_sender_and_ledger_name_what_they_miss() -> None:
    async with Clients({}) as clients:
        with pytest.raises(SettingsError) as error:
            await clients.sender("reminders")
        assert refusal(error) == "REMINDERS_QUEUE_URL is not set: the URL of the queue reminders"
        with pytest.raises(SettingsError) as error:
            await clients.ledger()
        assert refusal(error) == "LEDGER_TABLE_NAME is not set: the DynamoDB table where claims are kept"


async def test_a_missing_region_is_named_like_any_other_variable() -> None:
    async with Clients({}) as clients:
        with pytest.raises(SettingsError) as error:
            await clients.open("sqs")
        assert (
            refusal(error)
            == "AWS_DEFAULT_REGION is not set: the AWS region, such as eu-central-1, in the process's own environment"
        )


@pytest.mark.parametrize("calls", ["fast", "aioboto3"])
async def test_a_region_that_is_none_is_not_blamed_on_the_endpoint(calls: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1 ")
    async with Clients({"AWS_CALLS": calls}) as clients:
        with pytest.raises(SettingsError) as error:
            await clients.open("sqs")
    assert [*error.value.faults] == ["AWS_DEFAULT_REGION"]
    assert "ENDPOINT" not in refusal(error)


async def test_all_connections_are_closed_together(environment: Mapping[str, str], server: SqsServer) -> None:
    def connections() -> int:
        return int(server.control.stats()["connections"])

    server.control.hang_up()  # those of earlier tests
    async with Clients(environment) as clients:
        for host in ("127.0.0.1", "localhost"):
            client = await clients.open("sqs", endpoint_url=f"http://{host}:{server.port}")
            await client.list_queues()
        assert connections() == 2
    await until(lambda: connections() == 0, what="the end of all connections")


@pytest.fixture
def queue_of_ours(server: SqsServer, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    url, dead_letter_url = server.make_pair("orders")
    return {**server.environment, "ORDERS_QUEUE_URL": url, "ORDERS_DLQ_URL": dead_letter_url}


@pytest.mark.guarantee("R9")
async def test_the_queue_that_is_read_has_no_breaker_for_its_polls_say_nothing_of_its_deletes(
    server: SqsServer, queue_of_ours: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.road.failure.breakers.UNANSWERED", 0.0)
    async with Clients(queue_of_ours) as clients:
        queue = await clients.queue("orders")
        server.sqs.send_message(QueueUrl=queue_of_ours["ORDERS_QUEUE_URL"], MessageBody="a")
        found = await queue.receive(limit=1, wait=0, visibility=30)
        await queue.extend(found, seconds=30)
        server.control.fault("timeout", "ChangeMessageVisibilityBatch", seconds=60)
        for _ in range(OPENS_AT):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await queue.extend(found, seconds=30)
        assert not clients.breakers.open, "its own health says which call fails"


@pytest.mark.guarantee("R1")
async def test_a_queue_that_takes_no_messages_is_a_dependency_that_is_down_until_it_takes_one(
    server: SqsServer, queue_of_ours: Mapping[str, str]
) -> None:
    async with Clients(queue_of_ours) as clients:
        queue, send = await clients.queue("orders"), await clients.sender("orders")
        await send([Message("a")])
        server.control.fault("denied", "SendMessageBatch")
        for _ in range(OPENS_AT):
            with pytest.raises(ClientError):
                await send([Message("b")])
            await queue.receive(limit=1, wait=0, visibility=30)
        assert clients.breakers.describe("sqs") == "sqs: refuses (AccessDenied)"
        server.control.heal()
        await send([Message("c")])
        assert not clients.breakers.open


async def test_closing_what_was_never_opened_is_not_an_error() -> None:
    async with Clients({}):
        """Nothing is opened."""


@pytest.mark.parametrize(("queue", "spelt"), [("reminder-ticks", "REMINDER_TICKS"), ("audit", "AUDIT")])
def test_a_logical_queue_is_spelt_in_capitals_in_the_environment(queue: str, spelt: str) -> None:
    assert variable(queue) == spelt


async def test_bodies_in_s3_are_off_without_a_bucket_and_one_thing_with_it(environment: Mapping[str, str]) -> None:
    without = {name: value for name, value in environment.items() if name != "CLAIM_CHECK_BUCKET_NAME"}
    async with Clients(without) as clients:
        assert await clients.payloads() is None
    async with Clients({**environment, "CLAIM_CHECK_BUCKET_NAME": "payloads"}) as clients:
        kept = await clients.payloads()
        assert kept is not None
        assert kept is await clients.payloads()
        assert kept.threshold == 1_048_576


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CLAIM_CHECK_BUCKET_NAME", "arn:aws:s3:::payloads"),
        ("CLAIM_CHECK_PREFIX", "/payloads"),
        ("CLAIM_CHECK_THRESHOLD_BYTES", "1048577"),
        ("CLAIM_CHECK_MAX_BYTES", "1048575"),
    ],
)
async def test_a_claim_check_setting_that_cannot_work_is_named_before_anything_is_received(
    aws: Aws, environment: Mapping[str, str], name: str, value: str
) -> None:
    given = {**environment, "UPLOADS_QUEUE_URL": aws.queue(), name: value}
    async with Clients(given) as clients:
        with pytest.raises(SettingsError, match=name):
            await clients.sender("uploads")


async def test_a_queue_whose_dead_letter_queue_is_itself_is_refused() -> None:
    async with Clients({"UPLOADS_QUEUE_URL": "http://127.0.0.1/q", "UPLOADS_DLQ_URL": "http://127.0.0.1/q"}) as clients:
        with pytest.raises(SettingsError, match="UPLOADS_DLQ_URL is UPLOADS_QUEUE_URL"):
            await clients.queue("uploads")


@pytest.mark.parametrize("given", [True, False])
async def test_an_endpoint_that_is_no_url_is_refused_by_the_name_of_its_setting(
    monkeypatch: pytest.MonkeyPatch,
    given: bool,  # noqa: FBT001  # as listed
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9" if given else "garbage")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    async with Clients({}) as clients:
        with pytest.raises(SettingsError, match="the endpoint given for it" if given else "AWS_ENDPOINT_URL") as error:
            await clients.open("dynamodb", endpoint_url="::::" if given else None)
    assert "garbage" not in str(error.value)
