"""The stream pipe: every record of a table's stream becomes one message, in order, whatever the emulator does."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from fleet.dev.stand_ins.stream_pipe import StreamPipe, pipe_message
from shared.message.envelope import stream_record
from shared.sqs.sender import Message
from tests.aws import Aws
from tests.waiting import until

ARN = "arn:aws:dynamodb:eu-central-1:000000000000:table/things/stream/2026-11-21T00:00:00.000"


class Outbox:
    """A queue that takes everything, except while `broken`."""

    def __init__(self, *, failures: int = 0) -> None:
        self.failures = failures
        self.bodies: list[str] = []
        self.sizes: list[int] = []

    async def __call__(self, messages: Sequence[Message]) -> None:
        if self.failures:
            self.failures -= 1
            raise EndpointConnectionError(endpoint_url="http://127.0.0.1")
        self.sizes.append(len(messages))
        self.bodies += [message.body for message in messages]

    @property
    def numbers(self) -> list[str]:
        return [json.loads(body)["dynamodb"]["SequenceNumber"] for body in self.bodies]


class Streams:
    """A stream of shards as DynamoDB serves it, one shard or stream in a page; iterators are `shard@position`."""

    def __init__(self, shards: dict[str, tuple[str | None, list[str], bool]], faults: Sequence[str] = ()) -> None:
        self.shards = shards
        self.faults = list(faults)

    async def list_streams(self, TableName: str, ExclusiveStartStreamArn: str = "") -> dict[str, Any]:
        if not ExclusiveStartStreamArn:
            return {"Streams": [{"StreamArn": "old"}], "LastEvaluatedStreamArn": "old"}
        return {"Streams": [{"StreamArn": ARN}]} if TableName == "things" else {"Streams": []}

    async def describe_stream(self, StreamArn: str, ExclusiveStartShardId: str = "", **_: Any) -> dict[str, Any]:
        status = "ENABLED" if StreamArn == ARN else "DISABLED"
        names = sorted(self.shards)
        place = names.index(ExclusiveStartShardId) + 1 if ExclusiveStartShardId else 0
        parent = self.shards[names[place]][0]
        shard = {"ShardId": names[place]} | ({"ParentShardId": parent} if parent else {})
        more = {"LastEvaluatedShardId": names[place]} if place + 1 < len(names) else {}
        return {"StreamDescription": {"StreamStatus": status, "Shards": [shard], **more}}

    async def get_shard_iterator(
        self, StreamArn: str, ShardId: str, ShardIteratorType: str, SequenceNumber: str = ""
    ) -> dict[str, str]:
        trimmed = ShardIteratorType == "TRIM_HORIZON"
        return {"ShardIterator": f"{ShardId}@{0 if trimmed else self.shards[ShardId][1].index(SequenceNumber) + 1}"}

    async def get_records(self, ShardIterator: str) -> dict[str, Any]:
        if self.faults:
            raise ClientError({"Error": {"Code": self.faults.pop(0), "Message": ""}}, "GetRecords")
        shard, _, position = ShardIterator.partition("@")
        _, numbers, closed = self.shards[shard]
        page = numbers[int(position) : int(position) + 25]
        following = int(position) + len(page)
        ended = closed and following == len(numbers)
        return {"Records": [record(number) for number in page]} | (
            {} if ended else {"NextShardIterator": f"{shard}@{following}"}
        )


def record(number: str, **changes: Any) -> dict[str, Any]:
    change = {"Keys": {"id": {"S": "1"}}, "SequenceNumber": number, "StreamViewType": "NEW_AND_OLD_IMAGES", **changes}
    return {"eventID": f"event-{number}", "eventName": "INSERT", "awsRegion": "eu-central-1", "dynamodb": change}


@asynccontextmanager
async def pumping(pipe: StreamPipe) -> AsyncIterator[None]:
    task = asyncio.create_task(pipe.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def soon(_: float) -> None:
    await asyncio.sleep(0)


def pipe(streams: Any, outbox: Outbox, table: str = "things") -> StreamPipe:
    return StreamPipe(table, streams, outbox, sleep=soon)


async def test_children_are_read_after_their_parents_in_batches_of_ten() -> None:
    parent, child = [f"{n:03}" for n in range(33)], [f"{n:03}" for n in range(33, 40)]
    streams = Streams({"shard-b": (None, parent, True), "shard-a": ("shard-b", child, False)})
    outbox = Outbox()
    async with pumping(pipe(streams, outbox)):
        await until(lambda: len(outbox.bodies) >= 40)
    assert outbox.numbers == parent + child
    assert max(outbox.sizes) == 10


async def test_a_shard_whose_parent_was_trimmed_away_is_read() -> None:
    outbox = Outbox()
    async with pumping(pipe(Streams({"shard-a": ("long-gone", ["1"], False)}), outbox)):
        await until(lambda: outbox.numbers == ["1"])


async def test_a_send_that_fails_is_made_again_and_nothing_is_skipped_or_doubled() -> None:
    numbers = [f"{n:03}" for n in range(30)]
    outbox = Outbox(failures=3)
    async with pumping(pipe(Streams({"shard": (None, numbers, False)}), outbox)):
        await until(lambda: len(outbox.bodies) >= 30)
    assert outbox.numbers == numbers


@pytest.mark.parametrize("code", ["ExpiredIteratorException", "TrimmedDataAccessException", "ThrottlingException"])
async def test_faults_of_the_emulator_are_waited_out(code: str) -> None:
    outbox = Outbox()
    async with pumping(pipe(Streams({"shard": (None, ["1", "2"], False)}, [code, code]), outbox)):
        await until(lambda: outbox.numbers == ["1", "2"])


async def test_a_table_without_a_stream_is_asked_again_and_again() -> None:
    waits: list[float] = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(0)

    async with pumping(StreamPipe("other", Streams({}), Outbox(), sleep=wait)):  # type: ignore[arg-type]  # a fake
        await until(lambda: len(waits) > 8)
    assert waits[0] == 0.2
    assert waits[-1] == 5.0


def test_a_record_reads_as_a_pipe_writes_it() -> None:
    at = datetime(2026, 11, 21, 9, tzinfo=UTC)
    image = {"photo": {"B": b"\x00\xff"}, "many": {"L": [{"BS": [b"a"]}]}, "n": {"N": "1" * 38}, "yes": {"BOOL": True}}
    given = record("9" * 25, NewImage=image, ApproximateCreationDateTime=at, SizeBytes=7) | {
        "userIdentity": {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}
    }
    body = json.loads(pipe_message(given, ARN))
    assert body["eventSource"] == "aws:dynamodb"
    assert body["eventSourceARN"] == ARN
    assert body["userIdentity"] == {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
    assert body["dynamodb"]["ApproximateCreationDateTime"] == int(at.timestamp())
    assert body["dynamodb"]["NewImage"] == {
        "photo": {"B": "AP8="},
        "many": {"L": [{"BS": ["YQ=="]}]},
        "n": {"N": "1" * 38},
        "yes": {"BOOL": True},
    }


@pytest.mark.slow
async def test_what_happens_to_a_row_arrives_as_the_archiver_reads_it(aws: Aws) -> None:
    table = aws.table("id", label="piped", stream=True)
    outbox = Outbox()
    async with aws.open("dynamodbstreams") as streams, pumping(StreamPipe(table, streams, outbox)):
        await until(lambda: aws.dynamodb.describe_table(TableName=table))
        aws.dynamodb.put_item(TableName=table, Item={"id": {"S": "ü"}, "photo": {"B": b"\x00"}})
        aws.dynamodb.put_item(TableName=table, Item={"id": {"S": "ü"}, "n": {"N": "12345678901234567890123456789"}})
        aws.dynamodb.delete_item(TableName=table, Key={"id": {"S": "ü"}})
        await until(lambda: len(outbox.bodies) >= 3)
    inserted, modified, removed = (stream_record(body) for body in outbox.bodies)
    assert [inserted.event_name, modified.event_name, removed.event_name] == ["INSERT", "MODIFY", "REMOVE"]
    assert inserted.table == table
    assert inserted.new == {"id": {"S": "ü"}, "photo": {"B": "AA=="}}
    assert modified.old == inserted.new
    assert removed.old == {"id": {"S": "ü"}, "n": {"N": "12345678901234567890123456789"}}
    assert removed.keys == {"id": {"S": "ü"}}


async def test_a_pipe_that_starts_late_reads_from_the_oldest_record(aws: Aws) -> None:
    table = aws.table("id", label="late", stream=True)
    for number in range(25):
        aws.dynamodb.put_item(TableName=table, Item={"id": {"S": str(number)}})
    outbox = Outbox()
    async with aws.open("dynamodbstreams") as streams, pumping(StreamPipe(table, streams, outbox)):
        await until(lambda: len(outbox.bodies) >= 25)
    assert [stream_record(body).keys["id"]["S"] for body in outbox.bodies] == [str(number) for number in range(25)]
