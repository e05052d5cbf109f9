"""A queue by ARN or URL is that queue, and not one of the same name somewhere else."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from fleet.dead_letters.queues.catalog import Catalog, NoSuchQueue, OtherPlace
from tests.aws import Aws
from tests.fleet.dead_letters.conftest import Ground, Lines, cli, ground
from tests.sqs_server.running import sqs_server

pytestmark = pytest.mark.slow  # the whole command on the emulator, some seconds a story

__all__ = ["cli", "ground"]


@pytest.fixture
def queue(aws: Aws) -> tuple[Catalog, str, str]:
    url = aws.queue("named-dlq")
    arn = aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return Catalog(aws.sqs, {}), url, arn


def test_its_own_name_url_and_arn_find_it(queue: tuple[Catalog, str, str]) -> None:
    catalog, url, arn = queue
    assert {catalog.queue(given).arn for given in (url, arn, arn.rpartition(":")[2])} == {arn}


def test_the_arn_or_url_of_another_region_or_account_does_not(queue: tuple[Catalog, str, str]) -> None:
    catalog, _, arn = queue
    _, _, _, region, account, name = arn.split(":")
    for given in (
        f"arn:aws:sqs:eu-west-9:{account}:{name}",
        f"arn:aws:sqs:{region}:111111111111:{name}",
        f"https://sqs.eu-west-9.amazonaws.com/{account}/{name}",
        f"https://sqs.{region}.amazonaws.com/111111111111/{name}",
    ):
        with pytest.raises((OtherPlace, NoSuchQueue)):  # an emulator may know accounts
            catalog.dead_letter_queue(given)
        if not given.startswith("arn:"):
            with pytest.raises((OtherPlace, NoSuchQueue)):
                catalog.destination(given)


@pytest.mark.parametrize(
    "words",
    [
        ("ls", "URL"),
        ("list", "URL"),
        ("plan", "URL", "-o", "PLAN"),
        ("archive", "URL", "--yes", "--reason", "why"),
        ("restore", "URL", "--bucket", "archive"),
        ("purge", "URL", "--yes", "--reason", "why"),
        ("plan", "HERE", "--to", "URL", "-o", "PLAN"),
    ],
    ids=" ".join,
)
def test_a_url_of_another_endpoint_is_refused_by_every_command_though_a_queue_of_that_name_is_here(
    words: tuple[str, ...], ground: Ground, cli: Lines
) -> None:
    ground.park({"n": 1})
    with sqs_server() as other:
        url = other.make(ground.name)
        given = {"URL": url, "PLAN": cli.plan(), "HERE": ground.name}
        refused = cli("dlq", *(given.get(each, each) for each in words), exits=5).stderr
    assert f"endpoint 127.0.0.1:{other.port} in it, {ground.aws.url.rpartition('/')[2]} here" in refused
    assert ground.counts() == (1, 0)


def test_an_environment_of_another_endpoint_is_named_by_ls_and_left_out(ground: Ground, cli: Lines) -> None:
    with sqs_server() as other:
        cli.environment["WEBHOOKS_DLQ_URL"] = other.make(ground.name)
        cli("dlq", "ls", "--quick", exits=None)
        assert "left out: http://127.0.0.1" in cli.last.stderr
        assert "in it," in cli("dlq", "ls", "webhooks", exits=5).stderr


class Without:
    """SQS at an emulator that lacks the call which names the sources of dead letters."""

    def __init__(self, sqs: Any) -> None:
        self._sqs = sqs

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sqs, name)

    def get_paginator(self, name: str) -> Any:
        if name == "list_dead_letter_source_queues":
            raise ClientError({"Error": {"Code": "InvalidAction"}}, "ListDeadLetterSourceQueues")
        return self._sqs.get_paginator(name)


@pytest.mark.parametrize("lacks", [False, True])
def test_the_sources_of_dead_letters_are_found_also_where_each_queue_has_to_be_asked(aws: Aws, *, lacks: bool) -> None:
    dead = aws.queue("fed-dlq")
    arn = aws.sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sources = [
        aws.queue("feeds", RedrivePolicy=json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 3}))
        for _ in range(2)
    ]
    sqs: Any = Without(aws.sqs) if lacks else aws.sqs
    found = Catalog(sqs, {}).dead_letter_queue(arn)
    assert sorted(found.fed_by) == sorted(f"queue {url.rpartition('/')[2]}" for url in sources)
