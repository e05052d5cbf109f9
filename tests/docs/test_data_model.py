"""Every example of docs/data-model.md is read by the model that reads the real thing."""

import importlib
import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer

from shared.container.controls import orders_of
from shared.message.dead_letter import letter
from shared.outcome import Dead
from shared.road.ledger import AlreadyDone, Reused, judge_held
from tests.fakes import delivery
from workers.audit_archive.event import decode as audit_event
from workers.reminder_dispatch.schedule import occurrence
from workers.reminder_dispatch.table import keys
from workers.upload_notification.event import decode as upload_events
from workers.upload_notification.rules import OPEN
from workers.webhook_delivery.rules import Failed
from workers.webhook_delivery.signing import Secret
from workers.webhook_delivery.store import endpoint_items, items

PAGE = (Path(__file__).parents[2] / "docs" / "data-model.md").read_text()
EXAMPLES = re.findall(r"<!-- validates: (\S+) -->\n```json\n(.*?)```", PAGE, re.DOTALL)

Row = Mapping[str, Any]


def typed(row: Row) -> dict[str, Any]:
    """A plain row in DynamoDB's typed form."""
    serializer = TypeSerializer()
    return {name: serializer.serialize(value) for name, value in row.items()}


def session(row: Row) -> None:
    assert row["status"] in OPEN
    assert row["uploadKey"].startswith(f"session-uploads/{row['sessionId']}/")
    assert len(row["sequencer"]) == 64


def endpoint(row: Row) -> None:
    read = endpoint_items.endpoint(typed(row), tenant_id="acme", endpoint_id="ep-1", at=0.0)
    assert (read.url, read.enabled, len(read.secrets)) == (row["url"], True, 2)
    for secret in read.secrets:
        Secret.read(secret)
    subscription = endpoint_items.subscription(typed(row))
    assert subscription is not None
    assert list(subscription.event_types) == row["eventTypes"]


def attempt(row: Row) -> None:
    read = items.attempt(typed(row))
    assert isinstance(read, Failed)
    assert (read.status, read.settled) == (503, False)


def occurrence_row(row: Row) -> None:
    due_at = keys.read_due(row["dueAt"])
    assert keys.identity_of(keys.Key(row["PK"], row["SK"])) == (row["reminderId"], due_at)
    assert {name: row[name] for name in ("GSI1PK", "GSI1SK")} == keys.index_keys(row["reminderId"], due_at)
    assert occurrence.read_state(row).status == "PENDING"
    assert occurrence.read_content(row).channel == "push"
    assert occurrence.read_series(row) is not None


def uploads(body: Row) -> None:
    [change] = upload_events(delivery(json.dumps(body)), bucket="fleet-uploads-dev").changes
    assert (change.session_id, change.key) == ("s-7f3a", "session-uploads/s-7f3a/holiday photo.jpg")


def audit(body: Row) -> None:
    audit_event(delivery(json.dumps(body)))


def failure(envelope: Row) -> None:
    dead = Dead("ValidationError", "attempt: missing", "117bf8745ebfe061")
    made = letter(delivery(), dead, worker="w", now=keys.read_due("2026-11-21T09:00:00Z"), correlation_id="order-42")
    assert set(json.loads(made.attributes["fleet-failure"].text or "")) == set(envelope)


def claim(item: Row) -> None:
    done = AlreadyDone(item["result"])
    assert judge_held(typed(item), now=0.0, fingerprint=item["fingerprint"]) == done
    assert judge_held(typed(item), now=0.0, fingerprint="another") == Reused()
    assert item.keys() >= {"key", "owner", "state", "expiresAt"}


def orders(item: Row) -> None:
    read = orders_of(
        typed({name: Decimal(str(each)) if isinstance(each, float) else each for name, each in item.items()})
    )
    assert (read.paused, read.concurrency, read.rate) == (item["paused"], item["concurrency"], item["rate"])


READERS: Mapping[str, Callable[[Row], None]] = {
    "session": session,
    "endpoint": endpoint,
    "attempt": attempt,
    "occurrence": occurrence_row,
    "uploads": uploads,
    "audit": audit,
    "failure": failure,
    "claim": claim,
    "orders": orders,
}


@pytest.mark.parametrize(("reader", "example"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_the_example_is_what_its_reader_reads(reader: str, example: str) -> None:
    body = json.loads(example)
    if reader in READERS:
        READERS[reader](body)
        return
    module, _, name = reader.partition(":")
    reads = getattr(importlib.import_module(module), name)
    if hasattr(reads, "model_validate_json"):
        reads.model_validate_json(example)
    else:
        reads(delivery(example))


def test_every_queue_and_table_of_the_topology_has_its_section() -> None:
    template = json.loads((Path(__file__).parents[2] / "infra" / "templates" / "messaging.json").read_text())
    kinds = {"AWS::SQS::Queue": "QueueName", "AWS::DynamoDB::Table": "TableName"}
    names = [
        json.dumps(resource["Properties"][kinds[resource["Type"]]])
        for resource in template["Resources"].values()
        if resource["Type"] in kinds
    ]
    resources = {match[1] for name in names if (match := re.search(r"\}-([a-z-]+)-\$\{", name))}
    sections = set(re.findall(r"^### `([a-z-]+)`", PAGE, re.MULTILINE))
    assert {each for each in resources if not each.endswith("-dlq")} - {"events-undelivered"} == sections


def test_every_json_block_is_validated() -> None:
    assert PAGE.count("```json") == len(EXAMPLES)
