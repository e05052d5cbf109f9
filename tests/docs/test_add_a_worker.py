"""The worked example of docs/add-a-worker.md, run as it stands there."""

import asyncio
import importlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import workers
from shared import App
from shared.container import process
from shared.lambda_door.entry import Sandbox
from shared.message.identity import ATTRIBUTE
from tests.aws import Aws
from tests.lambda_events import lambda_event
from tests.waiting import until

PAGE = Path(__file__).parents[2] / "docs" / "add-a-worker.md"
BLOCK = re.compile(r"```python\n# (workers/loyalty_points/\w+\.py)\n(.*?)```", re.DOTALL)


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    """The example's files, imported as a package beside the real workers."""
    written = dict(BLOCK.findall(PAGE.read_text()))
    assert len(written) == 3
    for name, code in written.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
    monkeypatch.setattr(workers, "__path__", [*workers.__path__, str(tmp_path / "workers")])
    yield importlib.import_module("workers.loyalty_points.app").APP
    for name in [name for name in sys.modules if name.startswith("workers.loyalty_points")]:
        del sys.modules[name]


class Shop:
    """The example's queue and table, and a customer."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self.queue_url, self.dead_letter_url = aws.queue("loyalty"), aws.queue("loyalty-dlq")
        self.table = aws.table("customerId", label="customers")
        aws.dynamodb.put_item(TableName=self.table, Item={"customerId": {"S": "anna"}})
        self.environment = {
            **aws.environment,
            "LOYALTY_QUEUE_URL": self.queue_url,
            "LOYALTY_DLQ_URL": self.dead_letter_url,
            "CUSTOMERS_TABLE_NAME": self.table,
            "HEALTH_PORT": "0",
            "POLL_WAIT_SECONDS": "1",
        }

    def order(self, order_id: str, *, customer: str = "anna") -> None:
        detail = {"id": order_id, "customerId": customer, "totalCents": 1250}
        event = {"id": "e", "source": "shop", "detail-type": "order.placed", "time": "2026-11-21T09:00:00Z"}
        self.aws.sqs.send_message(QueueUrl=self.queue_url, MessageBody=json.dumps({**event, "detail": detail}))

    def points(self) -> int:
        item = self.aws.dynamodb.get_item(TableName=self.table, Key={"customerId": {"S": "anna"}})["Item"]
        return int(item.get("points", {"N": "0"})["N"])

    def dead_letters(self) -> list[str]:
        found = self.aws.sqs.receive_message(QueueUrl=self.dead_letter_url, MessageAttributeNames=["All"])
        return [
            str(json.loads(each["MessageAttributes"][ATTRIBUTE]["StringValue"])["message"])
            for each in found.get("Messages", [])
        ]


@pytest.fixture
def shop(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Shop:
    for name, value in aws.endpoint.environment.items():
        monkeypatch.setenv(name, value)
    return Shop(aws)


async def test_the_example_adds_points_once_per_order_in_a_container(app: App, shop: Shop) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(process.run(app, shop.environment, stop=stop))
    for order_id in ("o-1", "o-1", "o-2", "o-1"):
        shop.order(order_id)
    shop.order("o-3", customer="nobody")
    await until(lambda: shop.points() == 24, what="twelve points for each of two orders")
    assert await until(shop.dead_letters, what="the dead letter") == ["no such customer"]
    stop.set()
    await running
    assert shop.points() == 24


def test_the_example_adds_points_once_per_order_behind_lambdas_door(app: App, shop: Shop) -> None:
    sandbox = Sandbox(app, shop.environment)
    for _ in range(3):
        shop.order("o-7")
        received = shop.aws.sqs.receive_message(
            QueueUrl=shop.queue_url, MaxNumberOfMessages=1, MessageSystemAttributeNames=["All"]
        )
        event = lambda_event(received["Messages"], queue_name=shop.queue_url.rsplit("/", 1)[-1])
        assert sandbox.invoke(event, remaining=20) == {"batchItemFailures": []}
    sandbox.close()
    assert shop.points() == 12
