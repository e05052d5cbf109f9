"""A plan carried out: exactly the planned letters, to the right place, in small steps first, at the promised rate."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from shared.message.identity import REPLAY
from tests.fleet.dead_letters import letters
from tests.fleet.dead_letters.conftest import Ground, Lines
from tests.fleet.dead_letters.schemas import valid
from tests.fleet.dead_letters.worker import Worker

ACT = ("--yes", "--reason", "the endpoint is back")

# Through the shim as well: what AWS renews on every move is nothing to tell letters apart by.
both_identities = pytest.mark.parametrize("renew", [False, True], ids=["plain", "renewed identities"])


@pytest.mark.slow
@both_identities
def test_a_letter_that_had_its_effect_has_none_again(ground: Ground, cli: Lines, *, renew: bool) -> None:
    """Parked, replayed, and the same message parked once more: a double that only its key gives away."""
    ground.park({"order": 7}, attributes={"idempotency-key": {"DataType": "String", "StringValue": "order-7"}})
    with Worker(ground, renew=renew) as worker:
        for _ in range(2):
            cli("dlq", "plan", ground.name, "-o", cli.plan())
            cli("dlq", "replay", cli.plan(), *ACT)
            ground.park({"order": 7}, attributes={"idempotency-key": {"DataType": "String", "StringValue": "order-7"}})
        worker.until_handled(2)
    assert (worker.effects, worker.handled) == ({"order-7"}, 2)


@pytest.mark.slow
@pytest.mark.e2e
@both_identities
def test_exactly_the_planned_letters_are_sent_whatever_arrives_later(
    twelve: Ground, cli: Lines, *, renew: bool
) -> None:
    [planned] = cli.json("plan", twelve.name, "--error", "ConnectTimeout", "-o", cli.plan())
    valid("dlq-planned", planned)
    valid("dlq-plan", json.loads(Path(cli.plan()).read_text()))
    twelve.park(*({"late": number} for number in range(5)))
    [result] = cli.json("replay", cli.plan(), *ACT)
    valid("dlq-replay", result)
    assert (result["planned"], result["sent"], result["deleted"], result["remaining"]) == (7, 7, 7, 0)
    assert twelve.counts() == (10, 0)
    assert len(twelve.content(twelve.source)) == 7
    keys = {each["idempotency_key"] for each in json.loads(Path(cli.plan()).read_text())["letters"]}
    with Worker(twelve, renew=renew) as worker:
        worker.until_handled(7)
    assert (worker.effects, worker.handled, len(keys)) == (keys, 7, 7)


def test_a_replay_without_yes_changes_nothing(twelve: Ground, cli: Lines) -> None:
    cli("dlq", "plan", twelve.name, "-o", cli.plan())
    result = cli("dlq", "replay", cli.plan())
    assert "would send 12 letters" in result.stdout
    assert "estimate" in result.stdout
    assert (twelve.counts(), twelve.counts(twelve.source)) == ((12, 0), (0, 0))
    assert cli.audit() == []


def test_a_replay_without_a_reason_is_wrong_usage(twelve: Ground, cli: Lines) -> None:
    cli("dlq", "plan", twelve.name, "-o", cli.plan())
    cli("dlq", "replay", cli.plan(), "--yes", exits=2)
    assert twelve.counts() == (12, 0)


def test_a_plan_for_nothing_is_not_written(twelve: Ground, cli: Lines) -> None:
    cli("dlq", "plan", twelve.name, "--error", "NoSuchError", "-o", cli.plan(), exits=3)
    assert not Path(cli.plan()).exists()


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        (["--error", "ConnectTimeout"], 7),
        (["--error", "ConnectTimeout", "--error", "SignatureError"], 10),
        (["--worker", "webhook-delivery"], 10),
        (["--tenant", "t1"], 5),
        (["--since", "2026-11-20T08:00:00Z", "--until", "2026-11-20T09:00:01"], 10),
        (["--since", "2026-11-20T09:00:01Z", "--until", "1m", "--error", "ConnectTimeout"], 0),
        (["--body", "order.total=0"], 4),
        (["--body", "order.total=0", "--tenant", "t1"], 3),
        (["--error", "SignatureError", "--tenant", "t1"], 0),
        (["--shape", "sqs", "--limit", "3"], 3),
    ],
)
def test_filters_are_joined_by_and(filters: list[str], count: int, twelve: Ground, cli: Lines) -> None:
    result = cli.json("plan", twelve.name, *filters, "-o", cli.plan(), exits=0 if count else 3)
    assert [each["planned"] for each in result] == ([count] if count else [])


def test_ids_travel_through_a_pipe(twelve: Ground, cli: Lines) -> None:
    ids = cli("dlq", "list", twelve.name, "--ids").stdout.splitlines()[:3]
    [result] = [
        json.loads(
            cli("dlq", "plan", twelve.name, "--ids", "-", "-o", cli.plan(), "--json", stdin="\n".join(ids)).stdout
        )
    ]
    assert result["planned"] == 3
    assert {each["id"] for each in json.loads(Path(cli.plan()).read_text())["letters"]} == set(ids)


def test_a_letter_of_ids_only_cannot_be_planned_and_a_mixture_is_planned_in_part(twelve: Ground, cli: Lines) -> None:
    twelve.put(letters.bus_record()[0])
    result = cli("dlq", "plan", twelve.name, "--shape", "eventbridge-bus", "-o", cli.plan(), "--json", exits=5)
    [left_out] = json.loads(result.stdout)["refused"]
    assert "ids only" in left_out["why_not"]
    assert "archive" in result.stderr
    assert not Path(cli.plan()).exists()
    mixed = cli("dlq", "plan", twelve.name, "-o", cli.plan(), "--json", exits=4)
    assert json.loads(mixed.stdout)["planned"] == 12
    assert left_out["id"] in mixed.stderr


def test_a_changed_plan_is_refused(twelve: Ground, cli: Lines) -> None:
    cli("dlq", "plan", twelve.name, "-o", cli.plan())
    path = Path(cli.plan())
    path.write_text(path.read_text().replace('"keep": false', '"keep": true'))
    result = cli("dlq", "replay", cli.plan(), *ACT, exits=5)
    assert "was changed" in result.stderr
    assert [each["outcome"] for each in cli.audit()] == ["refused"]


def test_an_event_that_a_rule_could_not_deliver_goes_to_its_target_to_the_byte(ground: Ground, cli: Lines) -> None:
    target = ground.aws.queue("target")
    body, attributes = letters.bus_event(ground.arn_of(target))
    ground.put(body, attributes=letters.typed(attributes))
    cli("dlq", "plan", ground.name, "-o", cli.plan())
    cli("dlq", "replay", cli.plan(), *ACT)
    [arrived] = ground.content(target)
    assert arrived["Body"] == body
    assert set(arrived["MessageAttributes"]) == {REPLAY}


def test_nine_attributes_of_every_type_arrive_as_they_were(ground: Ground, cli: Lines) -> None:
    nine: dict[str, Any] = {f"text-{number}": {"DataType": "String", "StringValue": "ü"} for number in range(5)}
    nine |= {
        "number": {"DataType": "Number", "StringValue": "1.50"},
        "mine": {"DataType": "Number.int", "StringValue": "7"},
    }
    nine |= {
        "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
        "zip": {"DataType": "Binary.gz", "BinaryValue": b"\x1f"},
    }
    ground.park({"a": 1}, attributes=nine)
    cli("dlq", "plan", ground.name, "-o", cli.plan())
    cli("dlq", "replay", cli.plan(), *ACT)
    [arrived] = ground.content(ground.source)
    found = arrived["MessageAttributes"]
    assert {name: found[name] for name in nine} == nine
    assert set(found) - set(nine) == {REPLAY}


@pytest.mark.long  # the times are the emulator's: it must not be at work for others meanwhile
def test_a_rate_is_kept_from_the_first_to_the_last_send(ground: Ground, cli: Lines) -> None:
    ground.park(*({"order": number} for number in range(600)))
    cli("dlq", "plan", ground.name, "--rate", "50", "-o", cli.plan())
    cli("dlq", "replay", cli.plan(), *ACT)
    times = sorted(int(each["Attributes"]["SentTimestamp"]) / 1000 for each in ground.content(ground.source))
    assert len(times) == 600
    assert times[-1] - times[0] == pytest.approx(12, rel=0.1)
    fullest = max(sum(start <= each < start + 1 for each in times) for start in times)
    assert fullest <= 55


def test_keeping_copies_to_a_test_queue_and_leaves_the_originals(twelve: Ground, cli: Lines) -> None:
    test_queue = twelve.aws.queue("test")
    cli("dlq", "plan", twelve.name, "--error", "ConnectTimeout", "--keep", "-o", cli.plan(), exits=2)
    name = test_queue.rpartition("/")[2]
    cli("dlq", "plan", twelve.name, "--error", "ConnectTimeout", "--keep", "--to", name, "-o", cli.plan())
    [result] = cli.json("replay", cli.plan(), *ACT)
    assert (result["sent"], result["deleted"], result["remaining"]) == (7, 0, 0)
    assert (len(twelve.content(test_queue)), twelve.counts()) == (7, (12, 0))


def test_resume_sends_nothing_of_a_plan_that_was_never_replayed_nor_without_yes_and_a_reason(
    twelve: Ground, cli: Lines
) -> None:
    cli("dlq", "plan", twelve.name, "--error", "ConnectTimeout", "-o", cli.plan())
    assert "never begun" in cli("dlq", "resume", cli.plan(), *ACT, exits=5).stderr
    cli("dlq", "resume", cli.plan(), "--yes", exits=2)
    cli("dlq", "resume", cli.plan(), exits=5)
    assert (twelve.counts(), twelve.counts(twelve.source)) == ((12, 0), (0, 0))


def test_cancel_without_a_runner_is_refused_and_stops_no_later_run(twelve: Ground, cli: Lines) -> None:
    cli("dlq", "plan", twelve.name, "--error", "ConnectTimeout", "-o", cli.plan())
    cli("dlq", "cancel", cli.plan(), exits=5)
    cli("dlq", "cancel", cli.plan(), *ACT, exits=5)
    [result] = cli.json("replay", cli.plan(), *ACT)
    assert (result["sent"], result["cancelled"]) == (7, False)


@pytest.mark.slow
def test_only_one_runner_holds_a_plan_and_cancel_stops_it_within_two_seconds(ground: Ground, cli: Lines) -> None:
    ground.park(*({"order": number} for number in range(50)))
    cli("dlq", "plan", ground.name, "--rate", "2", "-o", cli.plan())
    with cli.process("dlq", "replay", cli.plan(), *ACT, "--json") as running:
        until_sent(cli, 2)
        cli("dlq", "replay", cli.plan(), *ACT, exits=5)
        assert "within two seconds" in cli("dlq", "cancel", cli.plan(), "--yes", "--reason", "too fast").stderr
        asked = time.time()
        result = json.loads(running.communicate(timeout=60)[0])
    [journal] = cli.home.glob("p.*.journal")
    sent = [each["at"] for each in map(json.loads, journal.read_text().splitlines()) if each.get("state") == "sent"]
    assert (running.returncode, max(sent) < asked + 2) == (4, True)
    assert result["cancelled"] is True
    assert 0 < result["sent"] < 15
    assert ground.counts() == (50 - result["deleted"], 0)
    status = cli.json("status", cli.plan())
    assert (status[0]["sent"], status[0]["running"]) == (result["sent"], False)


def until_sent(cli: Lines, count: int) -> None:
    deadline = time.monotonic() + 60
    while cli.json("status", cli.plan())[0]["sent"] < count:
        assert time.monotonic() < deadline
