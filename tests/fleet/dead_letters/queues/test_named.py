"""A queue by ARN or URL is that queue, and not one of the same name somewhere else."""

import pytest

from fleet.dead_letters.queues.catalog import Catalog, NoSuchQueue
from tests.aws import Aws


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
        with pytest.raises(NoSuchQueue):
            catalog.dead_letter_queue(given)
