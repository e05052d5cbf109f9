"""Only queues that something names as the place of its dead letters are touched, and the answer says who names them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.aws import Aws
from tests.fleet.dead_letters.conftest import Ground, Lines

ACT = ("--yes", "--reason", "tidying up")


@pytest.fixture
def live(aws: Aws, ground: Ground) -> Iterator[str]:
    """A queue that workers read, named as carelessly as queues are."""
    url = aws.queue("orders-dlq-live")
    ground.put({"order": 1}, {"order": 2}, to=url)
    yield url
    aws.sqs.delete_queue(QueueUrl=url)


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("ls", "QUEUE"),
        ("ls", "QUEUE", "--quick"),
        ("groups", "QUEUE"),
        ("list", "QUEUE"),
        ("show", "QUEUE", "some-id"),
        ("plan", "QUEUE", "-o", "PLAN"),
        ("export", "QUEUE", *ACT[1:]),
        ("archive", "QUEUE", "--bucket", "any", *ACT),
        ("restore", "QUEUE", "--bucket", "any", *ACT),
        ("purge", "QUEUE", "--confirm", "QUEUE", *ACT),
        ("purge", "QUEUE"),
    ],
    ids=" ".join,
)
def test_a_live_queue_is_refused_by_its_full_name(
    words: tuple[str, ...], live: str, ground: Ground, cli: Lines
) -> None:
    name = live.rpartition("/")[2]
    given = [{"QUEUE": name, "PLAN": cli.plan()}.get(word, word) for word in words]
    refused = cli("dlq", *given, exits=5)
    assert f"{name} is not a dead-letter queue" in refused.stderr
    assert ground.counts(live) == (2, 0)
    assert {each["Attributes"]["ApproximateReceiveCount"] for each in ground.content(live)} == {"1"}


def test_a_plan_whose_queue_is_no_longer_fed_is_refused(ground: Ground, cli: Lines) -> None:
    ground.park({"a": 1})
    cli("dlq", "plan", ground.name, "--to", ground.source, "-o", cli.plan())
    ground.aws.sqs.set_queue_attributes(QueueUrl=ground.source, Attributes={"RedrivePolicy": ""})
    for words in ((), ACT):
        assert "is not a dead-letter queue" in cli("dlq", "replay", cli.plan(), *words, exits=5).stderr
    assert ground.counts() == (1, 0)


def test_a_look_says_whose_dead_letters_they_are(ground: Ground, cli: Lines) -> None:
    ground.park({"a": 1})
    assert "holds dead letters of queue " + ground.source.rpartition("/")[2] in cli("dlq", "list", ground.name).stderr
    [line] = cli.json("ls", ground.name)
    assert line["fed_by"] == ["queue " + ground.source.rpartition("/")[2]]


def test_without_names_only_fed_queues_are_listed_and_the_others_are_named(
    ground: Ground, live: str, cli: Lines
) -> None:
    listed = cli("dlq", "ls", "--quick", "--json")
    names = {json.loads(line)["queue"] for line in listed.stdout.splitlines()}
    other = live.rpartition("/")[2]
    assert ground.name in names
    assert other not in names
    assert f"left out: {other}" in listed.stderr


@pytest.mark.slow
def test_a_rule_and_a_topic_feed_a_dead_letter_queue(aws: Aws, ground: Ground, cli: Lines) -> None:
    url = aws.queue("events-undelivered")
    arn, name = ground.arn_of(url), url.rpartition("/")[2]
    ground.put({"a": 1}, to=url)
    events, topics = aws.events, aws.session.client("sns", endpoint_url=aws.url)
    rule = f"{name}-rule"
    events.put_rule(Name=rule, EventPattern='{"source": ["shop"]}')
    target: Any = {"Id": "1", "Arn": ground.arn_of(ground.source), "DeadLetterConfig": {"Arn": arn}}
    events.put_targets(Rule=rule, Targets=[target])
    assert f"holds dead letters of EventBridge rule default/{rule}" in cli("dlq", "list", name).stderr
    events.remove_targets(Rule=rule, Ids=["1"])
    events.delete_rule(Name=rule)
    cli("dlq", "list", name, exits=5)
    topic = topics.create_topic(Name=f"{name}-topic")["TopicArn"]
    policy = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn})}
    topics.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=ground.arn_of(ground.source), Attributes=policy)
    assert f"holds dead letters of SNS subscription of topic {name}-topic" in cli("dlq", "list", name).stderr
    topics.delete_topic(TopicArn=topic)
    aws.sqs.delete_queue(QueueUrl=url)
