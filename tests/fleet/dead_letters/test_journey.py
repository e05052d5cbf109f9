"""The same journey on a queue of every kind: look, group, plan, dry run, canary, replay, and the proof of it in the audit log."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

import pytest

from tests.aws import Aws
from tests.fleet.dead_letters.conftest import Ground, Lines
from tests.fleet.dead_letters.queues.kinds import COUNT, KINDS, Case, Place, fifo, function, own_policy, standard
from tests.fleet.dead_letters.worker import Worker
from tests.waiting import until

ACT = ("--yes", "--reason", "the endpoint is back")


@pytest.fixture
def place(aws: Aws, cli: Lines) -> Iterator[Place]:
    with ExitStack() as end:
        yield Place(aws, cli, end)


DAILY = (standard, fifo)
"""The other kinds, fed in other ways, take the same road through the tool."""


@pytest.mark.parametrize(
    "kind", [each if each in DAILY else pytest.param(each, marks=pytest.mark.slow, id=each.__name__) for each in KINDS]
)
def test_the_same_journey_runs_on_a_queue_of_each_kind(kind: Callable[[Place], Case], place: Place, cli: Lines) -> None:
    case = kind(place)
    ground = case.ground
    looked = cli("dlq", "list", ground.name, "--json")
    assert f"{ground.name} holds dead letters of {case.fed_by}\n" in looked.stderr
    assert [json.loads(line)["shape"] for line in looked.stdout.splitlines()] == [case.shape] * COUNT
    able = "replayable_with_to" if case.to else "replayable"
    assert sum(each[able] for each in cli.json("groups", ground.name)) == COUNT
    cli("dlq", "plan", ground.name, *case.to, "--canary", "1", "--watch", "60", "-o", cli.plan())
    dry = cli("dlq", "replay", cli.plan())
    assert dry.stdout.startswith(f"would send {COUNT} letters of {ground.name}\n  to {case.goes_to}\n")
    assert (ground.counts(), ground.counts(ground.source)) == ((COUNT, 0), (0, 0))
    with Worker(ground) as worker:
        [report] = cli.json("replay", cli.plan(), *ACT)
    assert [(each["canary"], each["sent"], each["verdict"]) for each in report["steps"]] == [
        (True, 1, "good"),
        (False, 2, "good"),
    ]
    assert ground.counts() == (0, 0)
    assert (worker.handled, len(worker.effects)) == ((COUNT, COUNT) if case.done is None else (0, 0))
    proved = cli("audit", "show", cli.plan())
    assert f"of {ground.name}\nwho      tester\nwhy      {ACT[-1]}\n" in proved.stdout
    assert f"result   done  planned {COUNT}  sent {COUNT}  deleted {COUNT}" in proved.stdout
    if case.done is not None:
        assert sorted(asyncio.run(until(partial(case.written, COUNT), seconds=30, what="the function"))) == [
            *range(COUNT)
        ]


@pytest.mark.slow
def test_a_canary_of_a_function_that_is_still_broken_comes_back_and_nothing_more_is_sent(
    place: Place, cli: Lines
) -> None:
    cli.environment["DLQ_SETTLE_SECONDS"] = "60"
    case = function(place)
    (cli.home / "done.broken").touch()
    cli("dlq", "plan", case.ground.name, "--canary", "1", "--watch", "60", "-o", cli.plan())
    [report] = cli.json("replay", cli.plan(), *ACT, exits=4)
    assert (report["sent"], report["returned"], report["steps"][0]["verdict"]) == (1, 1, "bad")
    assert case.ground.counts() == (COUNT, 0)


@pytest.mark.slow
def test_a_function_gets_the_time_for_its_own_tries_before_it_counts_as_done(place: Place, cli: Lines) -> None:
    del cli.environment["DLQ_SETTLE_SECONDS"]
    case = function(place)
    cli("dlq", "plan", case.ground.name, "--canary", "1", "--watch", "3", "-o", cli.plan())
    [report] = cli.json("replay", cli.plan(), *ACT, exits=4)
    assert (report["sent"], report["steps"][0]["verdict"]) == (1, "none")


def test_below_twenty_receives_of_its_own_policy_no_command_of_the_journey_reads_the_queue(
    place: Place, cli: Lines
) -> None:
    ground = own_policy(place, most=20).ground
    cli("dlq", "plan", ground.name, "-o", cli.plan())
    own_policy_of(ground, 19)
    for words in journey(ground.name, cli.plan()):
        if words[1] == "ls":
            assert cli.json(*words[1:], exits=4)[0]["groups"] is None
            assert "`groups` and `list` are refused until then" in cli.last.stderr
            continue
        refused = cli(*words, exits=5).stderr
        assert f"{ground.name} was not read: its own redrive policy moves a letter to" in refused
        assert "after 19 receives" in refused
    own_policy_of(ground, 20)
    assert receives(ground, ground.dead) == [2] * COUNT


@pytest.mark.slow
def test_on_a_live_queue_every_command_of_the_journey_is_refused_and_nothing_is_received(
    place: Place, cli: Lines
) -> None:
    ground = standard(place).ground
    cli("dlq", "plan", ground.name, "-o", cli.plan())
    before = receives(ground, ground.dead)
    place.aws.sqs.set_queue_attributes(QueueUrl=ground.source, Attributes={"RedrivePolicy": ""})
    for words in journey(ground.name, cli.plan()):
        assert f"{ground.name} is not a dead-letter queue" in cli(*words, exits=5).stderr
    assert receives(ground, ground.dead) == [each + 1 for each in before]
    assert ground.counts(ground.source) == (0, 0)
    assert "result   refused" in cli("audit", "show", cli.plan()).stdout


def journey(queue: str, plan: str) -> list[tuple[str, ...]]:
    """Its commands up to the replay; what it proves is asked of the audit log alone."""
    return [
        ("dlq", "ls", queue),
        ("dlq", "groups", queue),
        ("dlq", "list", queue),
        ("dlq", "plan", queue, "--canary", "1", "--watch", "20", "-o", f"{plan}-new"),
        ("dlq", "replay", plan),
        ("dlq", "replay", plan, *ACT),
    ]


def own_policy_of(ground: Ground, most: int) -> None:
    found = ground.aws.sqs.get_queue_attributes(QueueUrl=ground.dead, AttributeNames=["RedrivePolicy"])["Attributes"]
    policy = json.dumps({**json.loads(found["RedrivePolicy"]), "maxReceiveCount": most})
    ground.aws.sqs.set_queue_attributes(QueueUrl=ground.dead, Attributes={"RedrivePolicy": policy})


def receives(ground: Ground, url: str) -> list[int]:
    """Of each letter, this look included."""
    return sorted(int(each["Attributes"]["ApproximateReceiveCount"]) for each in ground.content(url))
