"""docs/webhook-worker.md: code without an event loop publishes as it says."""

import re
from pathlib import Path
from typing import Any

import pytest

from shared import bus_event
from tests.aws import Aws
from tests.docs.test_example_producer import listened

PAGE = (Path(__file__).parents[2] / "docs" / "webhook-worker.md").read_text()


def test_the_example_publishes_without_an_event_loop(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    bus, queue = listened(aws)
    named = {"WEBHOOKS_TABLE_NAME": aws.table_like("webhooks"), "EVENT_BUS_NAME": bus}
    for name, value in {**aws.environment, **named}.items():
        monkeypatch.setenv(name, value)
    found = re.search("<!-- executed by tests/docs/test_blocking.py -->\n```python\n(.*?)```", PAGE, re.DOTALL)
    assert found
    names: dict[str, Any] = {}
    exec(found[1], names)
    assert names["webhook_id"].startswith("msg_")
    got = aws.sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20)["Messages"]
    assert [bus_event(each["Body"]).key for each in got] == ["order-43"]
