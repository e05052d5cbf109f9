"""The records that a pointer letter points to, read again from the DynamoDB stream while it still has them."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson
from botocore.exceptions import ClientError

from fleet.dead_letters.model.plan.outgoing import Parcel
from fleet.dead_letters.model.shapes import Pointer

if TYPE_CHECKING:
    from types_aiobotocore_dynamodbstreams import DynamoDBStreamsClient

_TRIMMED = ("TrimmedDataAccessException", "ResourceNotFoundException", "ExpiredIteratorException")


async def records(client: DynamoDBStreamsClient, pointer: Pointer, *, letter_id: str) -> list[Parcel]:
    """One parcel for each record from `pointer.start` to `pointer.end`, both included, in the shape that a pipe sends.

    Empty where the stream no longer has them all: half a batch would look like the whole.
    """
    try:
        iterator: str | None = (
            await client.get_shard_iterator(
                StreamArn=pointer.stream,
                ShardId=pointer.shard,
                ShardIteratorType="AT_SEQUENCE_NUMBER",
                SequenceNumber=pointer.start,
            )
        )["ShardIterator"]
        found: list[Mapping[str, Any]] = []
        while iterator and not _reached(found, pointer.end):
            answer = await client.get_records(ShardIterator=iterator)
            if not answer["Records"]:
                break
            found += answer["Records"]
            iterator = answer.get("NextShardIterator")
    except ClientError as error:
        if error.response["Error"]["Code"] in _TRIMMED:
            return []
        raise
    wanted = [each for each in found if int(pointer.start) <= _number(each) <= int(pointer.end)]
    if not wanted or _number(wanted[0]) != int(pointer.start) or _number(wanted[-1]) != int(pointer.end):
        return []
    return [Parcel(letter_id, message(each, pointer.stream)) for each in wanted]


def message(record: Mapping[str, Any], arn: str) -> str:
    """As pipes and Lambda write it (https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html)."""
    fields = {
        "eventID": record["eventID"],
        "eventVersion": record.get("eventVersion", "1.1"),
        "dynamodb": record["dynamodb"],
        "awsRegion": record.get("awsRegion", arn.split(":")[3]),
        "eventName": record["eventName"],
        "eventSourceARN": arn,
        "eventSource": "aws:dynamodb",
    }
    if identity := record.get("userIdentity"):
        fields["userIdentity"] = {name[0].lower() + name[1:]: value for name, value in identity.items()}
    return orjson.dumps(_plain(fields)).decode()


def _plain(value: Any) -> Any:
    match value:
        case bytes():
            return base64.b64encode(value).decode()
        case datetime():
            return int(value.timestamp())
        case Mapping():
            return {name: _plain(each) for name, each in value.items()}
        case str():
            return value
        case Sequence():
            return [_plain(each) for each in value]
        case _:
            return value


def _reached(found: Sequence[Mapping[str, Any]], end: str) -> bool:
    return bool(found) and _number(found[-1]) >= int(end)


def _number(record: Mapping[str, Any]) -> int:
    return int(record["dynamodb"]["SequenceNumber"])
