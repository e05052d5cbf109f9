"""What a pipe or a stream mapping could only point to is read again by the worker, past empty pages, or leaves a gap."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from botocore.exceptions import ClientError

from shared.outcome import Later, Reject
from tests.fakes import delivery
from tests.fleet.dead_letters import letters
from tests.virtual_time import virtual
from tests.workers.audit_archive.fakes import FakeStream, World, hiding
from workers.audit_archive.chain.chain import Chain, Maker
from workers.audit_archive.chain.report import Unseen
from workers.audit_archive.chain.verify import verify
from workers.audit_archive.event import RowsPointedTo, Span, decode
from workers.audit_archive.handler import handle_batch
from workers.audit_archive.store.stream import EMPTY_PAGES, NotReached, StreamReader

ARN = "arn:aws:dynamodb:eu-central-1:111122223333:table/fleet-sessions-dev/stream/2026-11-21T00:00:00.000"
SPAN = Span(ARN, "shardId-1", "101", "104")
POINTER = RowsPointedTo(SPAN, datetime(2026, 11, 21, 12, tzinfo=UTC))


def record(number: int) -> dict[str, Any]:
    """As the SDK answers it."""
    return {
        "eventID": f"e{number}",
        "eventName": "INSERT",
        "dynamodb": {
            "ApproximateCreationDateTime": datetime(2026, 11, 21, 12, tzinfo=UTC),
            "Keys": {"id": {"S": "a"}},
            "NewImage": {"id": {"S": "a"}, "raw": {"B": b"\x00"}},
            "SequenceNumber": str(number),
        },
    }


@dataclass
class FakeShard:
    """A stream's client with one shard: `pages` of sequence numbers; of its iterators `refused` ones are answered with a code."""

    pages: Sequence[Sequence[int]]
    refused: Mapping[str, str] = field(default_factory=dict)
    is_open: bool = False
    asked: list[str] = field(default_factory=list)

    @property
    def exceptions(self) -> Any:
        return type("Exceptions", (), {"ClientError": ClientError})

    async def get_shard_iterator(self, **asked: Any) -> dict[str, Any]:
        kind = asked["ShardIteratorType"]
        self.asked.append(kind)
        if kind in self.refused:
            raise ClientError({"Error": {"Code": self.refused[kind]}}, "GetShardIterator")
        return {"ShardIterator": "0"}

    async def get_records(self, *, ShardIterator: str) -> dict[str, Any]:
        place = int(ShardIterator)
        found = [record(number) for number in self.pages[place]] if place < len(self.pages) else []
        follows = self.is_open or place + 1 < len(self.pages)
        return {"Records": found} | ({"NextShardIterator": str(place + 1)} if follows else {})


async def read(shard: FakeShard) -> tuple[list[int], list[float]]:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    reader = StreamReader(shard, pause=pause)  # type: ignore[arg-type]  # stands in for the client
    pages = [page async for page in reader.read(SPAN)]
    return [int(each["dynamodb"]["SequenceNumber"]) for page in pages for each in page], pauses


async def test_the_end_is_looked_for_behind_empty_pages_and_never_beyond() -> None:
    shard = FakeShard([[99, 101], [], [], [102], [], [103, 104, 105], [106]], is_open=True)
    assert await read(shard) == ([101, 102, 103, 104], [0.2] * 3)
    assert await read(FakeShard([[101, 102], [103]])) == ([101, 102, 103], [])
    with pytest.raises(NotReached):
        await read(FakeShard([[101]], is_open=True))


async def test_what_may_still_come_behind_a_trimmed_beginning_is_not_given_up_in_silence() -> None:
    trimmed = {"AT_SEQUENCE_NUMBER": "TrimmedDataAccessException"}
    with pytest.raises(NotReached):
        await read(FakeShard([[103]], trimmed, is_open=True))
    assert await read(FakeShard([[103], [], [104]], trimmed, is_open=True)) == ([103, 104], [0.2])


async def test_of_what_is_trimmed_the_rest_is_read_and_a_stream_that_is_gone_has_none() -> None:
    trimmed = {"AT_SEQUENCE_NUMBER": "TrimmedDataAccessException"}
    shard = FakeShard([[103, 104]], trimmed)
    assert await read(shard) == ([103, 104], [])
    assert shard.asked == ["AT_SEQUENCE_NUMBER", "TRIM_HORIZON"]
    found, pauses = await read(FakeShard([], trimmed, is_open=True))
    assert (found, len(pauses)) == ([], EMPTY_PAGES)
    assert await read(FakeShard([[101]], {"AT_SEQUENCE_NUMBER": "ResourceNotFoundException"})) == ([], [])
    with pytest.raises(ClientError):
        await read(FakeShard([], {"AT_SEQUENCE_NUMBER": "InternalServerError"}))


async def handled(
    world: World, stream: FakeStream, keep: Any = None, *, pointer: RowsPointedTo | None = None
) -> Exception | None:
    (result,) = await handle_batch(
        [pointer or POINTER],
        hiding=hiding,
        keep=keep or world.worker().keep,
        stream=stream,
        digests=Chain(maker=Maker(bucket=world.bucket, now=world.clock), every=timedelta(0)),
    )
    world.clock.advance(60)
    return result


def gaps(world: World) -> Iterator[dict[str, Any]]:
    return (line for line in world.lines() if line["activity"] == "gap")


async def test_what_a_pointer_points_to_is_archived_once_and_leaves_no_gap() -> None:
    world = World()
    whole = FakeStream([[record(101), record(102)], [record(103), record(104)]])
    assert [await handled(world, whole) for _ in range(2)] == [None, None]
    assert sorted(world.archived()) == ["", "e101", "e102", "e103", "e104"]  # and that all of it was read
    assert {line["table"] for line in world.lines()} == {"fleet-sessions-dev"}


async def test_what_the_stream_has_no_longer_is_a_gap_with_its_range() -> None:
    world = World()
    assert await handled(world, FakeStream([[record(103)], [record(104)]])) is None
    assert await handled(world, FakeStream()) is None
    ranges = sorted((line["range"]["first"], line["range"]["last"], line["table"]) for line in gaps(world))
    assert ranges == [("101", "102", "fleet-sessions-dev"), ("101", "104", "fleet-sessions-dev")]
    found = await verify(world.bucket)
    told = [note.detail for note in found.notes if note.kind == "gap"]
    assert "111122223333/eu-central-1/fleet-sessions-dev 101 to 102 of shardId-1: lost: trimmed" in told[0] + told[1]


async def test_a_pointer_that_comes_again_once_its_stream_is_trimmed_is_no_loss() -> None:
    world = World()
    assert await handled(world, FakeStream([[record(101), record(102)], [record(104)]])) is None
    assert await handled(world, FakeStream()) is None  # a day later
    assert await handled(world, FakeStream([[record(104)]])) is None
    assert len([*gaps(world)]) == 2
    assert (await verify(world.bucket)).unseen == Unseen(filled_gaps=2)


async def test_of_a_range_that_was_read_back_in_part_the_rest_stays_a_gap() -> None:
    world = World()
    assert await handled(world, FakeStream([[record(103)], [record(104)]])) is None
    assert await handled(world, FakeStream()) is None
    assert (await verify(world.bucket)).unseen == Unseen(open_gaps=2)


async def test_a_pointer_to_one_record_that_is_archived_is_no_loss() -> None:
    world = World()
    assert await handled(world, FakeStream([[record(101), record(104)]])) is None
    one, other = (replace(POINTER, span=replace(POINTER.span, first=each, last=each)) for each in ("104", "103"))
    for each in (one, other):
        assert (
            await handled(world, FakeStream(), pointer=replace(each, span=replace(each.span, shard="another"))) is None
        )
    unseen = (await verify(world.bucket)).unseen
    assert (unseen.filled_gaps, unseen.open_gaps) == (1, 1)


@dataclass
class SlowStream(FakeStream):
    """Answers after a while of virtual time."""

    seconds: float = 60.0

    async def read(self, span: Span) -> AsyncIterator[Sequence[Mapping[str, Any]]]:
        yield [record(101)]
        await asyncio.sleep(self.seconds)


def test_a_pointer_that_takes_long_costs_the_rows_beside_it_nothing() -> None:
    world = World()
    assert isinstance(virtual(handled(world, SlowStream())), Later)
    assert world.archived() == ["e101"]
    assert [*gaps(world)] == []


async def test_a_pointer_that_cannot_be_read_to_its_end_comes_again() -> None:
    world = World()

    async def keep(rows: Any) -> dict[str, Exception | None]:
        return {each.identity: ConnectionError("no bucket") for each in rows}

    assert isinstance(await handled(world, FakeStream(failure=NotReached("s"))), Later)
    assert isinstance(await handled(world, FakeStream(failure=TimeoutError())), TimeoutError)
    assert isinstance(await handled(world, FakeStream([[record(101)]]), keep), ConnectionError)
    assert isinstance(await handled(world, FakeStream(), keep), ConnectionError)
    assert [*gaps(world)] == []


def test_pointers_of_pipes_and_of_lambda_are_read_and_others_refused() -> None:
    for by in ("context", "requestContext"):
        body, _ = letters.stream_pointer(by=by, startSequenceNumber="101", endSequenceNumber="104")
        event = decode(delivery(body))
        assert isinstance(event, RowsPointedTo)
        assert (event.span.first, event.span.last) == ("101", "104")
        assert event.at is not None
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({"startSequenceNumber": "105", "endSequenceNumber": "104"}, "no range"),
        ({"endSequenceNumber": "x"}, "no range"),
        ({"shardId": ""}, "no stream of a table, or no shard"),
        ({"streamArn": "arn:aws:kinesis:eu-central-1:111122223333:stream/s"}, "no stream of a table"),
    )
    for wrong, why in cases:
        with pytest.raises(Reject, match=why):
            decode(delivery(letters.stream_pointer(**wrong)[0]))
    timeless = orjson.loads(letters.stream_pointer()[0]) | {"timestamp": "noon"}
    event = decode(delivery(orjson.dumps(timeless).decode()))
    assert isinstance(event, RowsPointedTo)
    assert event.at is None
