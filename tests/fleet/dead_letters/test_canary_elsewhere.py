"""A canary that was sent to another queue dies in that queue's own dead-letter queue, and is looked for there."""

import json
from collections.abc import Callable, Iterator

import pytest

from tests.aws import Aws
from tests.fleet.dead_letters.conftest import Ground, Lines
from tests.fleet.dead_letters.worker import Worker

ACT = ("--yes", "--reason", "because")


Other = Callable[..., Ground]


@pytest.fixture
def other(aws: Aws) -> Iterator[Other]:
    """Makes another queue, with a dead-letter queue of its own; `own` is the maxReceiveCount of that one's redrive policy.

    All are deleted afterwards: whoever lists every dead-letter queue would meet one that may not be read.
    """
    made: list[str] = []

    def queue(label: str, **attributes: str) -> str:
        made.append(aws.queue(label, **attributes))
        return made[-1]

    def make(own: int | None = None) -> Ground:
        last = Ground(aws, "", queue("last-stop"))
        policy = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": last.arn, "maxReceiveCount": own})} if own else {}
        ground = Ground(aws, "", queue("other-dlq", **policy))
        feeding = json.dumps({"deadLetterTargetArn": ground.arn, "maxReceiveCount": 3})
        ground.source = queue("other", RedrivePolicy=feeding)
        return ground

    yield make
    for url in made:
        aws.sqs.delete_queue(QueueUrl=url)


@pytest.mark.slow
def test_a_canary_that_dies_elsewhere_came_back(ground: Ground, cli: Lines, other: Other) -> None:
    elsewhere = other()
    ground.park({"n": 1}, {"n": 2}, {"n": 3})
    cli("dlq", "plan", ground.name, "--to", elsewhere.source, "--canary", "1", "--watch", "20", "-o", cli.plan())
    with Worker(elsewhere, broken=True):
        [report] = cli.json("replay", cli.plan(), *ACT, exits=4)
    assert (report["sent"], report["returned"], report["steps"][0]["verdict"]) == (1, 1, "bad")
    assert (ground.counts(), elsewhere.counts()) == ((2, 0), (1, 0))


def test_where_it_may_not_be_looked_for_nothing_is_sent(ground: Ground, cli: Lines, other: Other) -> None:
    elsewhere = other(own=3)
    ground.park({"n": 1})
    cli("dlq", "plan", ground.name, "--to", elsewhere.source, "--canary", "1", "--watch", "20", "-o", cli.plan())
    refused = cli("dlq", "replay", cli.plan(), *ACT, exits=5)
    assert f"{elsewhere.name} was not read" in refused.stderr
    assert (ground.counts(), elsewhere.counts(elsewhere.source)) == ((1, 0), (0, 0))


@pytest.mark.slow
def test_a_canary_that_is_handled_elsewhere_is_good(ground: Ground, cli: Lines, other: Other) -> None:
    elsewhere = other()
    ground.park({"n": 1}, {"n": 2})
    cli("dlq", "plan", ground.name, "--to", elsewhere.source, "--canary", "1", "--watch", "20", "-o", cli.plan())
    with Worker(elsewhere):
        [report] = cli.json("replay", cli.plan(), *ACT)
    assert report["steps"][0]["verdict"] == "good"
