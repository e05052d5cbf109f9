"""A thousand queues are not asked one after the other."""

from threading import Barrier
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from fleet.dead_letters.queues.catalog import AT_ONCE, Catalog


class Sqs:
    """Queues of which none answers before sixteen are asked."""

    def __init__(self, queues: int) -> None:
        self.urls = [f"http://127.0.0.1:1/000000000000/q{number:03}-dlq" for number in range(queues)]
        self._together = Barrier(AT_ONCE)

    def get_paginator(self, _: str) -> Any:
        return self

    def paginate(self) -> list[dict[str, Any]]:
        return [{"QueueUrls": self.urls[:20]}, {"QueueUrls": self.urls[20:]}, {}]

    def get_queue_attributes(self, *, QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:
        assert AttributeNames == ["All"]
        self._together.wait(30)
        name = QueueUrl.rpartition("/")[2]
        numbers = ("MessageRetentionPeriod", "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        return {"Attributes": {"QueueArn": f"arn:aws:sqs:us-east-1:0:{name}", **dict.fromkeys(numbers, "0")}}


def test_sixteen_queues_are_asked_side_by_side_and_told_in_their_order() -> None:
    sqs: Any = Sqs(3 * AT_ONCE)
    found = Catalog(sqs, {}).dead_letter_queues()
    assert [each.url for each in found] == sqs.urls


def test_a_queue_that_may_not_be_described_is_named_and_hides_no_other() -> None:
    class Denies(Sqs):
        def get_queue_attributes(self, *, QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:
            found = super().get_queue_attributes(QueueUrl=QueueUrl, AttributeNames=AttributeNames)
            if QueueUrl.endswith("q001-dlq"):
                raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetQueueAttributes")
            return found

    sqs: Any = Denies(AT_ONCE)
    catalog = Catalog(sqs, {})
    assert [each.url for each in catalog.dead_letter_queues()] == [sqs.urls[0], *sqs.urls[2:]]
    [unread] = catalog.unread
    assert unread.startswith("q001-dlq may not be read: An error occurred (AccessDenied)")


def test_of_a_stage_only_the_queues_that_it_names_are_looked_at_and_one_that_is_gone_hides_no_other() -> None:
    class Gone(Sqs):
        meta = SimpleNamespace(region_name="us-east-1")

        def get_queue_attributes(self, *, QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:
            found = super().get_queue_attributes(QueueUrl=QueueUrl, AttributeNames=AttributeNames)
            if QueueUrl.endswith("q001-dlq"):
                raise ClientError({"Error": {"Code": "QueueDoesNotExist"}}, "GetQueueAttributes")
            return found

    sqs: Any = Gone(3 * AT_ONCE)
    named = {f"Q{number}_DLQ_URL": url for number, url in enumerate(sqs.urls[:AT_ONCE])}
    catalog = Catalog(sqs, {**named, "DLQ_QUEUES": "named"})
    assert [each.url for each in catalog.dead_letter_queues()] == [sqs.urls[0], *sqs.urls[2:AT_ONCE]]
    assert catalog.unread == ["q001-dlq is named by the environment, and not there"]
