"""examples/produce.py feeds an emulated AWS: a form, a reminder, an event; an order that comes again makes no second one."""

import json
import runpy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shared import bus_event
from tests.aws import Aws
from tests.waiting import until

FILE = Path(__file__).parents[2] / "examples" / "produce.py"


def listened(aws: Aws) -> tuple[str, str]:
    """A bus of the test's own, and the URL of a queue that gets its orders."""
    queue = aws.queue()
    bus = queue.rpartition("/")[2]
    arn = aws.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    aws.events.create_event_bus(Name=bus)
    aws.events.put_rule(Name=bus, EventBusName=bus, EventPattern='{"detail-type": ["order.placed"]}')
    aws.events.put_targets(Rule=bus, EventBusName=bus, Targets=[{"Id": "1", "Arn": arn}])
    return bus, queue


@pytest.mark.slow
async def test_the_producer_feeds_the_fleet(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bus, queue = listened(aws)
    tables = {f"{name.upper()}_TABLE_NAME": aws.table_like(name) for name in ("sessions", "reminders", "webhooks")}
    for name, value in {**aws.environment, **tables, "EVENT_BUS_NAME": bus}.items():
        monkeypatch.setenv(name, value)
    produce: dict[str, Any] = runpy.run_path(str(FILE))
    at = f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%dT09:00}"
    await produce["main"]("order-42", at)
    form, *said = capsys.readouterr().out.splitlines()
    assert aws.names["UPLOAD_BUCKET_NAME"] in form
    assert said == ["reminder scheduled", "order.placed published"]
    [body] = await until(lambda: aws.bodies(queue), what="the event")
    assert (bus_event(body).detail_type, bus_event(body).key) == ("order.placed", "order-42")
    await produce["main"]("order-42", at)
    assert "reminder was there" in capsys.readouterr().out
    kept = aws.dynamodb.scan(TableName=tables["REMINDERS_TABLE_NAME"])["Items"]
    assert json.dumps(kept).count('"PENDING"') == 1
