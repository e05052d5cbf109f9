"""Over the wire, a message of another shape costs itself on both roads, and its neighbours are received."""

import itertools
import json
import os
from typing import Any

import pytest
from structlog.testing import capture_logs

from shared.clients import Clients
from shared.sqs.queue import SqsQueue
from tests.shared.aws.contract.answers import Odd, whole
from tests.shared.aws.contract.stub import stub


def message(name: str, **fields: Any) -> dict[str, Any]:
    return {"MessageId": name, "ReceiptHandle": f"r-{name}", "Body": "{}", **fields}


ODD = {
    "null": None,
    "a text": "x",
    "a list": [1],
    "a number": 7,
    "attributes in a text": message("b", MessageAttributes="x"),
    "attributes in a list": message("b", MessageAttributes=["x"]),
    "no handle": {"MessageId": "b", "Body": "{}"},
    "an attribute that is a text": message("b", MessageAttributes={"a": "x"}),
    "a binary that is a number": message("b", MessageAttributes={"a": {"DataType": "Binary", "BinaryValue": 7}}),
    "system attributes in a text": message("b", Attributes="x"),
    "system attributes in a list": message("b", Attributes=[1]),
    "a count in a list": message("b", Attributes={"ApproximateReceiveCount": []}),
}


@pytest.mark.parametrize("calls", ["fast", "aioboto3"])
async def test_a_message_of_another_shape_costs_only_itself(calls: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hours = itertools.count(0, 3_600)
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "eu-west-1"}
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    async with stub(Odd(whole(b"{}"))) as serving, Clients({**os.environ, "AWS_CALLS": calls}) as clients:
        client = await clients.open("sqs", endpoint_url=serving.url, attempts=1)
        queue = SqsQueue(
            client, name="orders", url=f"{serving.url}/1/orders", dead_letter_url="x", clock=lambda: next(hours)
        )
        assert await queue.receive(limit=10, wait=0, visibility=30) == []
        for case, odd in ODD.items():
            serving.now = Odd(whole(json.dumps({"Messages": [message("a"), odd, message("c")]}).encode()))
            with capture_logs() as logs:
                received = await queue.receive(limit=10, wait=0, visibility=30)
            assert [each.message_id for each in received] == ["a", "c"], case
            assert [each["event"] for each in logs] == ["message_unreadable"], f"{case}: and no client steps aside"
