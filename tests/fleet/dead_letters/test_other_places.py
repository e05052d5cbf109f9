"""One queue has many names; another one of the same name is told from it by endpoint, region and account."""

import pytest

from fleet.dead_letters.model.named import elsewhere

ARN = "arn:aws:sqs:eu-west-1:123456789012:orders-dlq"
PATH = "123456789012/orders-dlq"
AWS = "https://sqs.eu-west-1.amazonaws.com"


@pytest.mark.parametrize(
    ("given", "own"),
    [
        ("orders-dlq", AWS),
        (ARN, AWS),
        ("arn:aws:sqs:::orders-dlq", AWS),
        (f"{AWS}/{PATH}", AWS),
        (f"https://queue.eu-west-1.amazonaws.com/{PATH}", AWS),
        (f"https://eu-west-1.queue.amazonaws.com/{PATH}", AWS),
        (f"https://sqs.eu-west-1.api.aws/{PATH}", AWS),
        (f"https://sqs-fips.eu-west-1.amazonaws.com/{PATH}", AWS),
        (f"https://vpce-0a1-2b.sqs.eu-west-1.vpce.amazonaws.com/{PATH}", AWS),
        (f"http://localhost:4566/{PATH}", "http://127.0.0.1:4566"),
        (f"http://sqs.eu-west-1.localhost.localstack.cloud:4566/{PATH}", "http://127.0.0.1:4566"),
        (f"http://localstack:4566/queue/eu-west-1/{PATH}", "http://localstack:4566"),
    ],
)
def test_one_queue_has_many_names(given: str, own: str) -> None:
    assert elsewhere(given, arn=ARN, own=[own]) == ""


@pytest.mark.parametrize(
    ("given", "own", "told"),
    [
        (ARN.replace("eu-", "us-"), AWS, "region us-west-1 in it, eu-west-1 here"),
        (ARN.replace("123456789012", "9"), AWS, "account 9 in it, 123456789012 here"),
        ("arn:aws:sqs", AWS, "queue none in it, orders-dlq here"),
        (f"https://queue.amazonaws.com/{PATH}", AWS, "region us-east-1 in it, eu-west-1 here"),
        (f"https://us-west-2.queue.amazonaws.com/{PATH}", AWS, "region us-west-2 in it, eu-west-1 here"),
        (f"https://sqs.us-west-2.amazonaws.com/{PATH}", AWS, "region us-west-2 in it, eu-west-1 here"),
        (f"{AWS}/9/orders-dlq", AWS, "account 9 in it, 123456789012 here"),
        (
            f"{AWS}/{PATH}",
            "http://127.0.0.1:4566",
            "endpoint sqs.eu-west-1.amazonaws.com:443 in it, 127.0.0.1:4566 here",
        ),
        (f"http://127.0.0.1:4566/{PATH}", AWS, "endpoint 127.0.0.1:4566 in it, sqs.eu-west-1.amazonaws.com:443 here"),
        (
            f"http://127.0.0.1:4567/{PATH}",
            "http://127.0.0.1:4566",
            "endpoint 127.0.0.1:4567 in it, 127.0.0.1:4566 here",
        ),
        (f"https://sqs.eu-west-1.amazonaws.com.evil.example/{PATH}", AWS, "endpoint sqs.eu-west-1.amazonaws.com.evil"),
    ],
)
def test_another_place_is_told_from_this_one(given: str, own: str, told: str) -> None:
    assert told in elsewhere(given, arn=ARN, own=[own])
