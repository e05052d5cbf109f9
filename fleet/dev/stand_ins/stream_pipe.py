"""EventBridge Pipes for development: what happens in a table's stream becomes one message each on the audit queue."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
import structlog
from botocore.exceptions import BotoCoreError, ClientError

from shared.sqs.sender import Message, Send

if TYPE_CHECKING:
    from types_aiobotocore_dynamodbstreams import DynamoDBStreamsClient

log = structlog.get_logger()

BATCH = 10
"""Records per send, as a pipe with an SQS target has it."""

SHORTEST_PAUSE, LONGEST_PAUSE, LONGEST_BACKOFF = 0.1, 0.5, 5.0
"""Seconds between two looks at a quiet stream, and after a fault."""

POSITION_LOST = frozenset({"TrimmedDataAccessException", "ResourceNotFoundException", "ValidationException"})
"""Codes after which a stored position means nothing: the records are gone, or the emulator began anew."""


@dataclass(slots=True)
class Reading:
    """How far one stream has been read: kept in memory alone, a restart reads again from the oldest record.

    The archiver takes each eventID once, so that reading again does no harm.
    """

    arn: str
    iterators: dict[str, str] = field(default_factory=dict)
    checkpoints: dict[str, str] = field(default_factory=dict)
    finished: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class StreamPipe:
    """Pumps the stream of `table` until cancelled; faults of the emulator are waited out."""

    table: str
    streams: DynamoDBStreamsClient
    send: Send
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def run(self) -> None:
        reading: Reading | None = None
        pause = SHORTEST_PAUSE
        while True:
            try:
                reading = reading or Reading(await self._find())
                moved = await self._round(reading)
            except Exception as error:  # noqa: BLE001 - a door: says what happened and goes on
                reading = _after(error, reading)
                pause = min(pause * 2, LONGEST_BACKOFF)
                log.warning("stream_pipe_waits", table=self.table, error=type(error).__name__, code=_code(error))
            else:
                pause = SHORTEST_PAUSE if moved else min(pause * 1.5, LONGEST_PAUSE)
            await self.sleep(pause)

    async def _find(self) -> str:
        """The table's stream that is open now; a stream that was switched off and on again has a new ARN."""
        page: dict[str, Any] = {}
        while True:
            found = await self.streams.list_streams(TableName=self.table, **page)
            for stream in found.get("Streams", []):
                described = await self.streams.describe_stream(StreamArn=stream["StreamArn"], Limit=1)
                if described["StreamDescription"].get("StreamStatus") in {"ENABLED", "ENABLING"}:
                    return stream["StreamArn"]
            if not (last := found.get("LastEvaluatedStreamArn")):
                raise StreamMissing(self.table)
            page = {"ExclusiveStartStreamArn": last}

    async def _round(self, reading: Reading) -> int:
        """Look once at every shard whose parent has been read to its end; answer the number of records sent."""
        parents = await self._shards(reading.arn)
        reading.finished &= parents.keys()
        for known in (reading.iterators, reading.checkpoints):
            for shard in known.keys() - parents.keys():
                del known[shard]
        moved = 0
        for shard, parent in parents.items():
            parent_pending = parent in parents and parent not in reading.finished
            if shard not in reading.finished and not parent_pending:
                moved += await self._read(reading, shard)
        return moved

    async def _shards(self, arn: str) -> dict[str, str | None]:
        """Every shard with its parent."""
        parents: dict[str, str | None] = {}
        page: dict[str, Any] = {}
        while True:
            described = (await self.streams.describe_stream(StreamArn=arn, **page))["StreamDescription"]
            parents |= {shard["ShardId"]: shard.get("ParentShardId") for shard in described.get("Shards", [])}
            if not (last := described.get("LastEvaluatedShardId")):
                return parents
            page = {"ExclusiveStartShardId": last}

    async def _read(self, reading: Reading, shard: str) -> int:
        iterator = reading.iterators.get(shard) or await self._iterator(reading, shard)
        found = await self.streams.get_records(ShardIterator=iterator)
        records = found.get("Records", [])
        for start in range(0, len(records), BATCH):
            batch = records[start : start + BATCH]
            await self.send([Message(pipe_message(record, reading.arn)) for record in batch])
            reading.checkpoints[shard] = batch[-1]["dynamodb"]["SequenceNumber"]
        if following := found.get("NextShardIterator"):
            reading.iterators[shard] = following
        else:
            reading.finished.add(shard)
        return len(records)

    async def _iterator(self, reading: Reading, shard: str) -> str:
        if (checkpoint := reading.checkpoints.get(shard)) is None:
            answer = await self.streams.get_shard_iterator(
                StreamArn=reading.arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON"
            )
        else:
            answer = await self.streams.get_shard_iterator(
                StreamArn=reading.arn,
                ShardId=shard,
                ShardIteratorType="AFTER_SEQUENCE_NUMBER",
                SequenceNumber=checkpoint,
            )
        return answer["ShardIterator"]


class StreamMissing(Exception):
    """The table has no stream, or is not there (yet)."""


def pipe_message(record: Mapping[str, Any], arn: str) -> str:
    """One stream record as a pipe writes it into a message.

    As Lambda gets it (https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html): times are numbers of epoch seconds,
    binary values are base64 text, userIdentity is spelt in lower case; numbers stay text and are not rounded.
    """
    change = dict(record["dynamodb"])
    if "ApproximateCreationDateTime" in change:
        change["ApproximateCreationDateTime"] = int(change["ApproximateCreationDateTime"].timestamp())
    message = {
        "eventID": record["eventID"],
        "eventVersion": record.get("eventVersion", "1.1"),
        "dynamodb": change,
        "awsRegion": record.get("awsRegion", arn.split(":")[3]),
        "eventName": record["eventName"],
        "eventSourceARN": arn,
        "eventSource": "aws:dynamodb",
    }
    if identity := record.get("userIdentity"):
        message["userIdentity"] = {name[0].lower() + name[1:]: value for name, value in identity.items()}
    return orjson.dumps(_without_bytes(message)).decode()


def _without_bytes(value: Any) -> Any:
    match value:
        case bytes():
            return base64.b64encode(value).decode()
        case Mapping():
            return {name: _without_bytes(each) for name, each in value.items()}
        case str():
            return value
        case Sequence():
            return [_without_bytes(each) for each in value]
        case _:
            return value


def _after(error: Exception, reading: Reading | None) -> Reading | None:
    """What is still worth knowing: nothing where the position is lost, else all but the iterators, which expire."""
    if reading is None or _code(error) in POSITION_LOST:
        return None
    reading.iterators.clear()
    return reading


def _code(error: Exception) -> str:
    if isinstance(error, ClientError):
        return error.response["Error"]["Code"]
    return "unreachable" if isinstance(error, (BotoCoreError, OSError)) else ""
