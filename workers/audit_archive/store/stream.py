"""Records of a table's stream, read again while it still has them: DynamoDB keeps them for 24 hours."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

import orjson

from workers.audit_archive.event import Span

if TYPE_CHECKING:
    from types_aiobotocore_dynamodbstreams import DynamoDBStreamsClient

EMPTY_PAGES = 50
"""A shard that takes writes answers with empty pages between its records, and for ever behind the newest."""

BETWEEN_PAGES = 0.2
"""Seconds before an empty page's successor: a shard takes five reads a second."""

_TRIMMED = "TrimmedDataAccessException"
_GONE = "ResourceNotFoundException"


class NotReached(Exception):
    """The stream answered with empty pages alone and did not come to the end of the span."""


class Reader(Protocol):
    """What the worker needs of streams."""

    def read(self, span: Span) -> AsyncIterator[Sequence[Mapping[str, Any]]]:
        """The records of the span that the stream still has, page by page. Raises NotReached."""
        ...


class StreamReader:
    """Reads with dynamodb:GetShardIterator and dynamodb:GetRecords on the streams of its own region."""

    def __init__(
        self, client: DynamoDBStreamsClient, *, pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._client = client
        self._pause = pause

    async def read(self, span: Span) -> AsyncIterator[Sequence[Mapping[str, Any]]]:
        """From the span's first record; where that is trimmed, from the oldest that is left."""
        try:
            iterator = await self._iterator(span, "AT_SEQUENCE_NUMBER")
            may_be_gone = iterator is None
            iterator = iterator or await self._iterator(span, "TRIM_HORIZON")
        except self._client.exceptions.ClientError as error:
            if error.response["Error"]["Code"] == _GONE:
                return
            raise
        empty = 0
        while iterator:
            answer = await self._client.get_records(ShardIterator=iterator)
            page = answer["Records"]
            iterator = answer.get("NextShardIterator")
            wanted = [each for each in page if int(span.first) <= number_of(each) <= int(span.last)]
            if wanted:
                may_be_gone = False  # the oldest go first: what comes behind it is still there
                yield wanted
            if page and number_of(page[-1]) >= int(span.last):
                return
            empty = 0 if page else empty + 1
            if empty > EMPTY_PAGES:
                if may_be_gone:
                    return
                raise NotReached(span.shard)
            if not page:
                await self._pause(BETWEEN_PAGES)

    async def _iterator(self, span: Span, kind: Literal["AT_SEQUENCE_NUMBER", "TRIM_HORIZON"]) -> str | None:
        """None where the record that it is to begin at is trimmed."""
        where = {"SequenceNumber": span.first} if kind == "AT_SEQUENCE_NUMBER" else {}
        try:
            answer = await self._client.get_shard_iterator(
                StreamArn=span.stream, ShardId=span.shard, ShardIteratorType=kind, **where
            )
        except self._client.exceptions.ClientError as error:
            if error.response["Error"]["Code"] == _TRIMMED:
                return None
            raise
        return answer["ShardIterator"]


def message(record: Mapping[str, Any], arn: str) -> str:
    """A record as pipes and Lambda write it (https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html)."""
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


def number_of(record: Mapping[str, Any]) -> int:
    """Its sequence number."""
    return int(record["dynamodb"]["SequenceNumber"])


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
