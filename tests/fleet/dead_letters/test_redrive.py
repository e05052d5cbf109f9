"""SQS's own redrive, where an emulator has it."""

import pytest

from tests.fleet.dead_letters.conftest import Ground, Lines

ACT = ("--yes", "--reason", "all of it")


@pytest.mark.localstack
def test_sqs_itself_moves_a_whole_queue_back(ground: Ground, cli: Lines) -> None:
    ground.die({"a": 1}, {"a": 2})
    result = cli("dlq", "plan", ground.name, "--via", "aws", "-o", cli.plan())
    assert "at most 36 hours" in result.stdout
    [moved] = cli.json("replay", cli.plan(), *ACT)
    assert (moved["planned"], moved["sent"]) == (2, 2)
    assert ground.counts() == (0, 0)
    assert len(ground.content(ground.source)) == 2
    assert [each["outcome"] for each in cli.audit()] == ["begun", "done"]


def test_a_selection_is_nothing_for_sqs_own_redrive(twelve: Ground, cli: Lines) -> None:
    result = cli("dlq", "plan", twelve.name, "--error", "ConnectTimeout", "--via", "aws", "-o", cli.plan(), exits=5)
    assert "cannot select" in result.stderr
    assert "no way back" in result.stderr
