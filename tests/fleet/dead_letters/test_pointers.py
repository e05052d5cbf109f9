"""A letter that only points into a stream: the records are read again while the stream has them."""

from typing import Any

import orjson
import pytest

from tests.aws import Aws
from tests.fakes import delivery
from tests.fleet.dead_letters import letters
from tests.fleet.dead_letters.conftest import Ground, Lines
from workers.audit_archive.event import RowChanged
from workers.audit_archive.event import decode as audit_event

ACT = ("--yes", "--reason", "the archive is back")


@pytest.fixture
def batch(aws: Aws) -> dict[str, Any]:
    """Four changes in a table's stream, and a pointer to the middle two."""
    table = aws.table("id", label="orders", stream=True)
    for number in range(4):
        item: Any = {"id": {"S": f"o-{number}"}, "raw": {"B": b"\x00"}, "tags": {"SS": ["a"]}}
        aws.dynamodb.put_item(TableName=table, Item=item)
    arn = aws.dynamodb.describe_table(TableName=table)["Table"]["LatestStreamArn"]
    [shard, *_] = aws.streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    iterator = aws.streams.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
    records = aws.streams.get_records(ShardIterator=iterator["ShardIterator"])["Records"]
    numbers = [each["dynamodb"]["SequenceNumber"] for each in records]
    assert len(numbers) == 4
    return {
        "stream": arn,
        "shardId": shard["ShardId"],
        "startSequenceNumber": numbers[1],
        "endSequenceNumber": numbers[2],
        "batchSize": 2,
    }


def test_the_records_of_a_fresh_pointer_go_to_the_named_queue_as_a_pipe_sends_them(
    batch: dict[str, Any], ground: Ground, cli: Lines
) -> None:
    ground.put(letters.stream_pointer(by="context", **batch)[0])
    [shown] = cli.json("list", ground.name)
    assert (shown["shape"], shown["pointer"]["start"]) == ("pipe-stream", batch["startSequenceNumber"])
    assert batch["shardId"] in shown["note"]
    cli("dlq", "plan", ground.name, "-o", cli.plan(), exits=5)
    target = ground.aws.queue("audit")
    cli("dlq", "plan", ground.name, "--to", target.rpartition("/")[2], "-o", cli.plan())
    cli("dlq", "replay", cli.plan(), *ACT)
    bodies = ground.aws.bodies(target)
    events = [audit_event(delivery(body)) for body in bodies]
    assert {orjson.loads(body)["dynamodb"]["Keys"]["id"]["S"] for body in bodies} == {"o-1", "o-2"}
    assert all(isinstance(each, RowChanged) for each in events)
    assert ground.counts() == (0, 0)


def test_a_pointer_whose_records_are_gone_is_skipped_and_stays(ground: Ground, cli: Lines) -> None:
    ground.put(letters.stream_pointer()[0])
    target = ground.aws.queue("audit")
    cli("dlq", "plan", ground.name, "--to", target.rpartition("/")[2], "-o", cli.plan())
    [result] = cli.json("replay", cli.plan(), *ACT, exits=4)
    assert (result["sent"], result["skipped"]) == (0, 1)
    assert (ground.counts(), ground.counts(target)) == ((1, 0), (0, 0))


def test_an_expired_pointer_cannot_be_planned(ground: Ground, cli: Lines) -> None:
    ground.put(letters.stream_pointer(hours_old=25)[0], letters.stream_pointer(hours_old=1)[0])
    result = {each["replayable"]: each for each in cli.json("list", ground.name)}
    assert "pointer expired" in result[False]["why_not"]
    assert result[True]["pointer"]["shard"] in result[True]["note"]
    assert result[True]["why_not"].endswith("name the queue that takes them with --to")
    assert (
        "pointer expired"
        in cli("dlq", "plan", ground.name, "--ids", result[False]["id"], "-o", cli.plan(), exits=5).stderr
    )


def test_one_letter_of_every_shape_in_one_queue_is_told_apart(ground: Ground, cli: Lines) -> None:
    queue = ground.arn_of(ground.source)
    ground.die({"a": 1})
    for body, attributes in (
        letters.bus_event(queue),
        letters.bus_record(),
        letters.scheduled(queue),
        letters.stream_pointer(),
        letters.stream_pointer(by="context"),
        letters.invocation(),
        letters.notification(),
    ):
        ground.put(body, attributes=letters.typed(attributes))
    result = {each["shape"]: each["replayable"] for each in cli.json("list", ground.name)}
    assert result == {
        "sqs": True,
        "eventbridge-rule": True,
        "eventbridge-bus": False,
        "scheduler": True,
        "lambda-stream": True,
        "pipe-stream": True,
        "lambda-async": True,
        "sns": True,
    }
