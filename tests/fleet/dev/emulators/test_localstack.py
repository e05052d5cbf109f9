"""LocalStack as a guest meets it: the ready hook's topology, driven through localstack-client with no name given.

Runs under `make e2e-localstack`, which starts LocalStack or takes the one that answers at AWS_ENDPOINT_URL.
"""

import asyncio
import json
import os
import sys
import uuid
from asyncio.subprocess import PIPE
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import localstack_client.session
import pytest

from fleet.dead_letters.queues.stack import variable
from fleet.dev.deploy import template
from fleet.dev.emulators.ministack import Endpoint
from tests.waiting import until

pytestmark = pytest.mark.localstack
HOOK = Path(__file__).parents[4] / "localstack-init" / "ready.d" / "deploy.py"
STACK = "fleet-messaging-dev"


@pytest.fixture
def session(emulator: Endpoint) -> Any:
    place = emulator.url.removeprefix("http://")
    keys = (emulator.access_key_id, emulator.secret_access_key)
    return localstack_client.session.Session(*keys, localstack_host=place, region_name=emulator.region)


@pytest.fixture
async def names(emulator: Endpoint, session: Any) -> dict[str, str]:
    """What the hook deploys, by the workers' variables; the hook runs again, for a LocalStack that was started without."""
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL": emulator.url,
        "FLEET_TEMPLATE": str(template()),
        "FLEET_ACCESS_KEY_ID": emulator.access_key_id,
        "FLEET_SECRET_ACCESS_KEY": emulator.secret_access_key,
    }
    hook = await asyncio.create_subprocess_exec(sys.executable, HOOK, env=environment, stdout=PIPE, stderr=PIPE)
    said, complained = await hook.communicate()
    assert hook.returncode == 0, complained.decode()
    assert f"{STACK} is deployed" in said.decode()
    outputs = session.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]["Outputs"]
    return {variable(output["OutputKey"]): output["OutputValue"] for output in outputs}


@pytest.fixture
def left_empty(session: Any, names: dict[str, str]) -> Iterator[None]:
    yield
    session.client("sqs").purge_queue(QueueUrl=names["UPLOADS_QUEUE_URL"])


@pytest.mark.usefixtures("left_empty")
async def test_an_object_put_by_any_client_becomes_a_message(session: Any, names: dict[str, str]) -> None:
    key = f"session-uploads/{uuid.uuid4()}/a file.txt"
    session.client("s3").put_object(Bucket=names["UPLOAD_BUCKET_NAME"], Key=key, Body=b"hello")

    def announced() -> bool:
        received = session.client("sqs").receive_message(QueueUrl=names["UPLOADS_QUEUE_URL"], MaxNumberOfMessages=10)
        bodies = [json.loads(message["Body"]) for message in received.get("Messages", [])]
        keys = [record["s3"]["object"]["key"] for body in bodies for record in body.get("Records", [])]
        return any(key.rpartition("/")[0] in found for found in keys)

    await until(announced, seconds=20, what="the upload's notification")


async def test_every_queue_redrives_to_its_own_dead_letter_queue(session: Any, names: dict[str, str]) -> None:
    sqs = session.client("sqs")
    for name in (name for name in names if name.endswith("_QUEUE_URL") and name != "EVENTS_UNDELIVERED_QUEUE_URL"):
        attributes = sqs.get_queue_attributes(QueueUrl=names[name], AttributeNames=["RedrivePolicy"])["Attributes"]
        expected = names[name.replace("_QUEUE_URL", "_DLQ_ARN")]
        assert json.loads(attributes["RedrivePolicy"])["deadLetterTargetArn"] == expected


async def test_a_written_item_is_seen_on_the_tables_stream(session: Any, names: dict[str, str]) -> None:
    session.client("dynamodb").put_item(TableName=names["SESSIONS_TABLE_NAME"], Item={"sessionId": {"S": "seen"}})
    streams, stream = session.client("dynamodbstreams"), names["SESSIONS_STREAM_ARN"]

    def records() -> list[Any]:
        found: list[Any] = []
        for shard in streams.describe_stream(StreamArn=stream)["StreamDescription"]["Shards"]:
            first = streams.get_shard_iterator(
                StreamArn=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            page = streams.get_records(ShardIterator=first)
            found += page["Records"] + streams.get_records(ShardIterator=page["NextShardIterator"])["Records"]
        return [record for record in found if record["dynamodb"]["Keys"] == {"sessionId": {"S": "seen"}}]

    await until(records, seconds=20, what="the stream record of the item")
