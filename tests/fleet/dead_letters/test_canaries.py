"""A few letters first: what comes back stops the rest, and what nobody handles has no verdict."""

import json
from pathlib import Path

import pytest

from tests.aws import Aws
from tests.fleet.dead_letters.conftest import Ground, Lines
from tests.fleet.dead_letters.worker import Worker

ACT = ("--yes", "--reason", "the endpoint is back")
both_identities = pytest.mark.parametrize("renew", [False, True], ids=["plain", "renewed identities"])


@pytest.mark.slow
@pytest.mark.e2e
@both_identities
def test_a_canary_whose_worker_is_still_broken_stops_the_rest(ground: Ground, cli: Lines, *, renew: bool) -> None:
    ground.park(*({"order": number} for number in range(100)))
    cli("dlq", "plan", ground.name, "--canary", "1,5,20", "--watch", "20", "-o", cli.plan())
    with Worker(ground, broken=True, renew=renew) as worker:
        [result] = cli.json("replay", cli.plan(), *ACT, exits=4)
    assert (result["sent"], result["returned"], result["remaining"]) == (1, 1, 99)
    assert [each["verdict"] for each in result["steps"]] == ["bad", None, None, None]
    assert worker.handled == 1
    assert ground.counts() == (100, 0)
    assert "canary came back" in cli("dlq", "resume", cli.plan(), *ACT, exits=5).stderr


@pytest.mark.slow
@pytest.mark.e2e
@both_identities
def test_a_canary_whose_worker_was_mended_lets_the_rest_through(ground: Ground, cli: Lines, *, renew: bool) -> None:
    ground.park(*({"order": number} for number in range(100)))
    cli("dlq", "plan", ground.name, "--canary", "1,5,20", "--watch", "20", "-o", cli.plan())
    with Worker(ground, renew=renew) as worker:
        [result] = cli.json("replay", cli.plan(), *ACT)
        worker.until_handled(100)
    assert (result["sent"], result["remaining"]) == (100, 0)
    assert [(each["sent"], each["verdict"]) for each in result["steps"]] == [
        (1, "good"),
        (5, "good"),
        (20, "good"),
        (74, "good"),
    ]
    assert (len(worker.effects), worker.handled) == (100, 100)


@pytest.mark.slow
def test_a_twin_that_was_not_planned_is_no_canary_that_came_back(ground: Ground, cli: Lines) -> None:
    ground.park({"same": 1}, {"same": 1}, {"same": 1})
    cli("dlq", "plan", ground.name, "--limit", "1", "--canary", "1", "--watch", "20", "-o", cli.plan())
    with Worker(ground):
        [result] = cli.json("replay", cli.plan(), *ACT)
    assert (result["steps"][0]["verdict"], result["returned"], ground.counts()) == ("good", 0, (2, 0))


@pytest.mark.slow
def test_a_twin_that_came_before_the_replay_did_not_come_back_however_few_letters_there_are(
    ground: Ground, cli: Lines
) -> None:
    ground.park({"same": 1}, {"other": 2})
    cli("dlq", "plan", ground.name, "--canary", "1", "--watch", "20", "-o", cli.plan())
    last = json.loads(Path(cli.plan()).read_text())["letters"][1]["id"]
    [first] = [each for each in cli.json("list", ground.name) if each["id"] != last]
    body = next(each["Body"] for each in ground.content() if each["MessageId"] == first["id"])
    cli("dlq", "purge", ground.name, "--ids", last, "--confirm", ground.name, *ACT)
    ground.park(body)
    with Worker(ground):
        [result] = cli.json("replay", cli.plan(), *ACT, exits=4)
    assert (result["steps"][0]["verdict"], result["returned"], result["gone"]) == ("good", 0, 1)


@pytest.mark.slow
def test_a_canary_that_nobody_handles_has_no_verdict(ground: Ground, cli: Lines) -> None:
    ground.park({"a": 1}, {"a": 2})
    cli("dlq", "plan", ground.name, "--canary", "1", "--watch", "2", "-o", cli.plan())
    [result] = cli.json("replay", cli.plan(), *ACT, exits=4)
    assert (result["sent"], result["remaining"], result["steps"][0]["verdict"]) == (1, 1, "none")
    ground.aws.bodies(ground.source)
    [resumed] = cli.json("resume", cli.plan(), *ACT)
    assert (resumed["sent"], resumed["remaining"]) == (2, 0)


def test_a_worker_that_writes_down_what_it_finished_settles_a_canary_though_the_queue_is_busy(
    ground: Ground, cli: Lines, aws: Aws
) -> None:
    table = aws.table("key", label="ledger")
    ground.park({"a": 1})
    ground.put("somebody else's message", to=ground.source)
    [planned] = cli.json("plan", ground.name, "--canary", "1", "--watch", "20", "-o", cli.plan())
    [letter] = cli.json("list", ground.name)
    mark = {"key": {"S": f"replay#{planned['plan_id']}#{letter['id']}"}, "state": {"S": "DONE"}}
    aws.dynamodb.put_item(TableName=table, Item=mark)
    [result] = cli.json("replay", cli.plan(), *ACT, LEDGER_TABLE_NAME=table)
    assert result["steps"][0]["verdict"] == "good"
