"""What a real stream says, by the way a pipe says it, is read into rows without loss."""

from typing import Any

import orjson

from fleet.dev.stand_ins.stream_pipe import pipe_message
from tests.aws import Aws
from tests.fakes import delivery
from tests.waiting import until
from tests.workers.audit_archive.fakes import HIDE
from workers.audit_archive.event import RowChanged, decode
from workers.audit_archive.rules import audit_row

ITEM: dict[str, Any] = {
    "sessionId": {"S": "s-1"},
    "number": {"N": "12345678901234567890123456789012345678"},
    "binary": {"B": b"\x00\xff"},
    "yes": {"BOOL": True},
    "nothing": {"NULL": True},
    "map": {"M": {"list": {"L": [{"N": "1"}, {"M": {}}]}}},
    "strings": {"SS": ["a", "b"]},
    "numbers": {"NS": ["1", "2.5"]},
    "binaries": {"BS": [b"\x01"]},
}


async def test_an_items_life_is_three_rows_and_reading_it_again_gives_the_same_ones(aws: Aws) -> None:
    table = aws.table("sessionId", label="sessions", stream=True)
    aws.dynamodb.put_item(TableName=table, Item=ITEM)
    aws.dynamodb.put_item(TableName=table, Item=ITEM | {"yes": {"BOOL": False}})
    aws.dynamodb.delete_item(TableName=table, Key={"sessionId": {"S": "s-1"}})

    bodies = await until(lambda: three(pipe_messages(aws, table)), what="three stream records")
    rows = [orjson.loads(line(body)) for body in bodies]
    assert [row["activity"] for row in rows] == ["create", "update", "delete"]
    assert rows[0]["new"] == orjson.loads(orjson.dumps(ITEM | {"binary": {"B": "AP8="}, "binaries": {"BS": ["AQ=="]}}))
    assert rows[1]["diff"] == {"yes": {"old": {"BOOL": True}, "new": {"BOOL": False}}}
    assert {row["table"] for row in rows} == {table}
    assert [line(body) for body in pipe_messages(aws, table)] == [line(body) for body in bodies]


def line(body: str) -> bytes:
    event = decode(delivery(body))
    assert isinstance(event, RowChanged)
    return audit_row(event.record, hide=HIDE).line


def three(bodies: list[str]) -> list[str]:
    return bodies if len(bodies) == 3 else []


def pipe_messages(aws: Aws, table: str) -> list[str]:
    """The whole stream from its oldest record, as messages."""
    arn = aws.dynamodb.describe_table(TableName=table)["Table"]["LatestStreamArn"]
    bodies: list[str] = []
    for shard in aws.streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        iterator = aws.streams.get_shard_iterator(
            StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        bodies += [pipe_message(record, arn) for record in aws.streams.get_records(ShardIterator=iterator)["Records"]]
    return bodies
