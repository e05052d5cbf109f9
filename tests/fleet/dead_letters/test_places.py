"""Where a plan holds and where it sends to: any other place is refused, and named, before the first send."""

import boto3
import pytest

from tests.fleet.dead_letters import letters
from tests.fleet.dead_letters.conftest import Ground, Lines
from tests.sqs_server.running import sqs_server

pytestmark = pytest.mark.slow  # the whole command on the emulator, some seconds a story

ACT = ("--yes", "--reason", "the endpoint is back")


def test_a_destination_that_is_not_there_is_refused_before_the_first_send(twelve: Ground, cli: Lines) -> None:
    cli("dlq", "plan", twelve.name, "--to", "nowhere", "-o", cli.plan())
    assert "nowhere" in cli("dlq", "replay", cli.plan(), exits=5).stderr
    assert "nowhere" in cli("dlq", "replay", cli.plan(), *ACT, exits=5).stderr
    assert twelve.counts() == (12, 0)


def test_a_function_that_is_not_there_is_refused_before_the_first_send(ground: Ground, cli: Lines) -> None:
    body, _ = letters.invocation_record("arn:aws:lambda:us-east-1:000000000000:function:no-such-function")
    ground.put(body)
    cli("dlq", "plan", ground.name, "-o", cli.plan())
    for arguments in ((), ACT):
        assert "no-such-function" in cli("dlq", "replay", cli.plan(), *arguments, exits=5).stderr
    assert ground.counts() == (1, 0)


def test_the_dead_letter_queue_itself_is_no_destination(twelve: Ground, cli: Lines) -> None:
    cli("dlq", "plan", twelve.name, "--to", twelve.name, "-o", cli.plan())
    assert "itself" in cli("dlq", "replay", cli.plan(), exits=5).stderr


def test_a_plan_of_another_region_is_refused_and_both_are_named(twelve: Ground, cli: Lines) -> None:
    cli("dlq", "plan", twelve.name, "-o", cli.plan())
    result = cli("dlq", "replay", cli.plan(), exits=5, AWS_REGION="eu-west-1", AWS_DEFAULT_REGION="eu-west-1")
    assert "us-east-1" in result.stderr
    assert "eu-west-1" in result.stderr


def test_a_plan_of_another_endpoint_is_refused_though_a_queue_of_that_name_is_there(twelve: Ground, cli: Lines) -> None:
    cli("dlq", "plan", twelve.name, "-o", cli.plan())
    with sqs_server() as other:
        other.make(twelve.name)
        for arguments in ((), ACT):
            result = cli("dlq", "replay", cli.plan(), *arguments, exits=5, AWS_ENDPOINT_URL=other.endpoint_url)
            assert f"endpoint {twelve.aws.url} in the plan, {other.endpoint_url} here" in result.stderr
    assert (twelve.counts(), cli.audit()[-1]["outcome"]) == ((12, 0), "refused")


def test_a_plan_of_another_account_is_refused_though_a_queue_of_that_name_is_there(twelve: Ground, cli: Lines) -> None:
    cli("dlq", "plan", twelve.name, "-o", cli.plan())
    account = {"AWS_ACCESS_KEY_ID": "111111111111"}  # which is how the emulators tell accounts apart
    client = boto3.client(
        "sqs",
        endpoint_url=twelve.aws.url,
        region_name="us-east-1",
        aws_access_key_id="111111111111",
        aws_secret_access_key=twelve.aws.endpoint.secret_access_key,
    )
    client.create_queue(QueueName=twelve.name)
    for arguments in ((), ACT):
        result = cli("dlq", "replay", cli.plan(), *arguments, exits=5, **account)
        assert "account 000000000000 in the plan, 111111111111 here" in result.stderr
    assert (twelve.counts(), cli.audit()[-1]["outcome"]) == ((12, 0), "refused")


def test_a_destination_elsewhere_is_not_taken_for_the_queue_of_its_name_here(twelve: Ground, cli: Lines) -> None:
    elsewhere = twelve.arn_of(twelve.source).replace("us-east-1", "eu-west-1")
    cli("dlq", "plan", twelve.name, "--to", elsewhere, "-o", cli.plan())
    result = cli("dlq", "replay", cli.plan(), *ACT, exits=5)
    assert elsewhere in result.stderr
    assert twelve.counts(twelve.source) == (0, 0)


@pytest.mark.parametrize("named", [False, True], ids=["its own way", "named with --to"])
def test_a_queue_whose_real_name_is_its_logical_name_is_replayed_to(ground: Ground, cli: Lines, *, named: bool) -> None:
    """Where a look is meant by such a name, it is the fleet's dead-letter queue; where letters go, it is the queue itself."""
    name = ground.source.rpartition("/")[2]
    cli.environment[f"{name.upper().replace('-', '_')}_DLQ_URL"] = ground.dead
    ground.die({"order": 1})
    cli("dlq", "plan", name, *(("--to", name) if named else ()), "-o", cli.plan())
    [result] = cli.json("replay", cli.plan(), "--yes", "--reason", "mended")
    assert (result["sent"], ground.counts(), ground.counts(ground.source)) == (1, (0, 0), (1, 0))


@pytest.mark.parametrize("canary", [(), ("--canary", "1,1", "--watch", "1")], ids=["all at once", "with canaries"])
def test_a_destination_that_is_not_there_stops_its_letters_alone(
    canary: tuple[str, ...], ground: Ground, cli: Lines
) -> None:
    there = ground.arn_of(ground.source)
    for target in (f"{there}-gone", there.replace("000000000000", "222222222222"), there):
        body, attributes = letters.bus_event(target)
        ground.put(body, attributes=letters.typed(attributes))
    cli("dlq", "plan", ground.name, *canary, "-o", cli.plan())
    dry = cli("dlq", "replay", cli.plan(), exits=4)
    assert ("-gone is not there" in dry.stderr, "is not in account" in dry.stderr) == (True, True)
    cli.environment["DLQ_SETTLE_SECONDS"] = "0"
    for words in (("replay",), ("resume",)):
        [result] = cli.json(*words, cli.plan(), *ACT, exits=4)
        assert (result["sent"], result["failed"], result["deleted"]) == (1, 2, 1)
        assert sorted("not there" in each["why"] for each in result["faults"]) == [False, True]
    assert (ground.counts(), ground.counts(ground.source)) == ((2, 0), (1, 0))


@pytest.mark.parametrize("given", ["arn:", "a:b:c:d:e:f", "arn:aws:s3:::bucket", "arn:aws:sqs:us-east-1:1:orders"])
def test_what_is_no_destination_is_refused_before_anything_is_read(given: str, cli: Lines) -> None:
    told = cli("dlq", "plan", "no-such-queue", "--to", given, "-o", cli.plan(), exits=2)
    assert "is not a destination: write a queue's name, arn:aws:sqs:REGION:ACCOUNT:QUEUE" in " ".join(
        told.stderr.split()
    )
