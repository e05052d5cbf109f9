"""A worker as `fleet new worker` wrote it, behind both doors; run by test_a_new_worker_in_a_copy.py in a copy of the repository that has it."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from fleet.dev.deploy import pipes
from infra.concerns import CONCERNS
from infra.resources.concern import BusEvents, OwnBucket, TableStream
from shared.container import process
from shared.lambda_door.entry import Sandbox
from tests.aws import Aws
from tests.lambda_events import lambda_event
from tests.waiting import until
from workers import roster

[CONCERN] = CONCERNS
VARIABLE = CONCERN.name.upper().replace("-", "_")
PACKAGE = CONCERN.name.replace("-", "_")
MESSAGE = (Path(__file__).parents[2] / "workers" / PACKAGE / "message.json").read_text()


@pytest.fixture
def environment(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    for name, value in aws.endpoint.environment.items():
        monkeypatch.setenv(name, value)
    return {**aws.environment, "HEALTH_PORT": "0", "POLL_WAIT_SECONDS": "1"}


def left(aws: Aws, url: str) -> int:
    kinds: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    return sum(
        int(each) for each in aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=kinds)["Attributes"].values()
    )


def fill(aws: Aws, environment: dict[str, str]) -> None:
    """By its own road, where the emulator has that: a pipe is played by the stand-ins."""
    match CONCERN.filled_by:
        case BusEvents((event, *_)):
            detail, bus = json.dumps({"id": "first"}), environment["EVENT_BUS_NAME"]
            aws.events.put_events(
                Entries=[{"Source": "shop", "DetailType": event, "Detail": detail, "EventBusName": bus}]
            )
        case OwnBucket():
            aws.s3.put_object(Bucket=environment[f"{VARIABLE}_BUCKET_NAME"], Key="first", Body=b"hello")
        case _:
            aws.sqs.send_message(QueueUrl=environment[f"{VARIABLE}_QUEUE_URL"], MessageBody=MESSAGE)


async def test_what_fills_its_queue_is_handled_in_a_container(
    aws: Aws, environment: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    url, dead_letters = (environment[f"{VARIABLE}_{kind}_URL"] for kind in ("QUEUE", "DLQ"))
    await asyncio.to_thread(fill, aws, environment)
    await until(lambda: left(aws, url), what="the message")
    stop = asyncio.Event()
    running = asyncio.create_task(process.run(roster.app(CONCERN.name), environment, stop=stop))
    await until(lambda: left(aws, url) == 0, what="the queue to be empty")
    stop.set()
    await running
    assert f"{PACKAGE}_handled" in "".join(capfd.readouterr())
    assert left(aws, dead_letters) == 0


def test_its_example_is_handled_behind_lambdas_door(aws: Aws, environment: dict[str, str]) -> None:
    url, dead_letters = (environment[f"{VARIABLE}_{kind}_URL"] for kind in ("QUEUE", "DLQ"))
    aws.sqs.send_message(QueueUrl=url, MessageBody=MESSAGE)
    found = aws.sqs.receive_message(QueueUrl=url, MessageSystemAttributeNames=["All"])["Messages"]
    sandbox = Sandbox(roster.app(CONCERN.name), environment)
    event = lambda_event(found, queue_name=url.rsplit("/", 1)[-1])
    assert sandbox.invoke(event, remaining=20) == {"batchItemFailures": []}
    sandbox.close()
    assert left(aws, dead_letters) == 0


def test_a_pipe_that_it_asks_for_is_played_in_development() -> None:
    asked = CONCERN.filled_by
    wanted = {(asked.table, CONCERN.name)} if isinstance(asked, TableStream) else set()
    assert {pipe for pipe in pipes() if pipe[1] != "audit"} == wanted
