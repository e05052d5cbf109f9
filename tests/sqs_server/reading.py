"""Short forms for what these tests ask of a queue all the time."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient


def received(sqs: "SQSClient", url: str, count: int = 10, **options: Any) -> list[Any]:
    """Messages with everything SQS knows of them."""
    answer: Any = sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=count,
        MessageAttributeNames=["All"],
        MessageSystemAttributeNames=["All"],
        **options,
    )
    return list(answer.get("Messages", []))


def bodies(messages: list[Any]) -> list[str]:
    return [message["Body"] for message in messages]


def sent(sqs: "SQSClient", url: str, *texts: str, **options: Any) -> list[str]:
    """Send these bodies one by one; their message ids."""
    return [sqs.send_message(QueueUrl=url, MessageBody=text, **options)["MessageId"] for text in texts]


def error_of(call: Callable[[], Any]) -> Any:
    """Code and message with which SQS refuses."""
    with pytest.raises(ClientError) as caught:
        call()
    return caught.value.response["Error"]
