"""The records that a pointer letter points to, read again from the DynamoDB stream while it still has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fleet.dead_letters.model.plan.outgoing import Parcel
from fleet.dead_letters.model.shapes import Pointer
from workers.audit_archive.event import Span
from workers.audit_archive.store.stream import NotReached, StreamReader, message, number_of

if TYPE_CHECKING:
    from types_aiobotocore_dynamodbstreams import DynamoDBStreamsClient


async def records(client: DynamoDBStreamsClient, pointer: Pointer, *, letter_id: str) -> list[Parcel]:
    """One parcel for each record from `pointer.start` to `pointer.end`, both included, in the shape that a pipe sends.

    Empty where the stream no longer has them all: half a batch would look like the whole.
    """
    span = Span(stream=pointer.stream, shard=pointer.shard, first=pointer.start, last=pointer.end)
    found: list[Mapping[str, Any]] = []
    try:
        async for page in StreamReader(client).read(span):
            found += page
    except (NotReached, client.exceptions.ExpiredIteratorException):
        return []
    if not found or number_of(found[0]) != int(pointer.start) or number_of(found[-1]) != int(pointer.end):
        return []
    return [Parcel(letter_id, message(each, pointer.stream)) for each in found]
