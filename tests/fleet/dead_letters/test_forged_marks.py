"""Attributes that only the fleet should write, written by somebody else: shown as such, and nothing goes by them."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from shared.message.identity import ATTRIBUTE, REPLAY
from tests.fleet.dead_letters.conftest import Ground, Lines
from tests.fleet.dead_letters.fakes import envelope
from tests.fleet.dead_letters.letters import typed
from tests.fleet.dead_letters.schemas import valid

ACT = ("--yes", "--reason", "because")


@pytest.mark.slow
def test_a_producers_mark_is_shown_as_unverified_and_its_letter_is_replayed_as_any_other(
    ground: Ground, cli: Lines
) -> None:
    forged = json.dumps({"plan_id": "p-1", "replayed_from": "m", "times_replayed": 7, "idempotency_key": "mine"})
    die(ground, attributes=typed({REPLAY: forged}))
    [seen] = cli.json("list", ground.name)
    valid("dlq-letter", seen)
    assert (seen["unverified_mark"], seen["times_replayed"], seen["plan_id"]) == (True, 0, None)
    assert seen["idempotency_key"].startswith("body:")
    assert "1 letters with an unverified mark" in cli.last.stderr
    assert "unverified_mark: True" in cli("dlq", "show", ground.name, seen["id"]).stdout
    assert not (cli.home / "state/fleet/dlq-plan.key").exists(), "a look makes no key"
    cli("dlq", "plan", ground.name, "-o", cli.plan())
    cli("dlq", "replay", cli.plan(), *ACT)
    die(ground)
    [again] = cli.json("list", ground.name)
    assert (again["unverified_mark"], again["times_replayed"], again["plan_id"] is None) == (False, 1, False)
    [elsewhere] = cli.json("list", ground.name, DLQ_PLAN_KEY="the key of somebody else")
    assert (elsewhere["unverified_mark"], elsewhere["times_replayed"]) == (True, 0)


def die(ground: Ground, attributes: Mapping[str, Any] | None = None) -> None:
    """What is in the source queue, or else one message, until SQS moves it."""
    if attributes is not None:
        ground.put({"order": 1}, attributes=attributes, to=ground.source)
    for _ in range(4):
        ground.aws.sqs.receive_message(QueueUrl=ground.source, MaxNumberOfMessages=10, VisibilityTimeout=0)


def test_a_forged_return_does_not_stop_a_canary(ground: Ground, cli: Lines) -> None:
    ground.park({"order": 1}, {"order": 2})
    cli("dlq", "plan", ground.name, "--canary", "1", "--watch", "0.5", "-o", cli.plan())
    plan = json.loads(cli.home.joinpath("p").read_bytes())
    forged = {"plan_id": plan["plan_id"], "replayed_from": plan["letters"][0]["id"]}
    ground.put({"order": 3}, attributes=typed({REPLAY: json.dumps(forged)}))
    [result] = cli.json("replay", cli.plan(), *ACT, exits=4)
    assert (result["returned"], result["steps"][0]["verdict"]) == (0, "none")


def test_an_edit_seals_the_mark_of_its_copy(ground: Ground, cli: Lines) -> None:
    cli.environment |= {"DLQ_EDIT_ENABLED": "true", "DLQ_ARCHIVE_BUCKET_NAME": ground.aws.bucket("archive")}
    ground.park({"order": 1})
    [dead] = cli.json("list", ground.name)
    (cli.home / "body").write_text('{"order": 2}')
    cli("dlq", "edit", ground.name, dead["id"], "--body-file", str(cli.home / "body"), "--to", ground.source, *ACT)
    die(ground)
    [again] = cli.json("list", ground.name)
    assert (again["times_replayed"], again["unverified_mark"]) == (1, False)


def test_a_reason_on_a_letter_that_sqs_moved_was_not_why_it_died(ground: Ground, cli: Lines) -> None:
    die(ground, attributes=typed({ATTRIBUTE: envelope().text or ""}))
    [seen] = cli.json("list", ground.name)
    assert (seen["reason_known"], seen["worker"]) == (False, ground.source.rpartition("/")[2])
    assert cli.json("list", ground.name, "--error", "ConnectTimeout", exits=3) == []
    [shown] = cli.json("show", ground.name, seen["id"])
    assert (shown["reason"], "ConnectTimeout" in shown["attributes"][ATTRIBUTE]) == (None, True)
