"""What a producer may publish, by which field a wrong one is refused, and that the worker reads it as it was meant."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from shared import BusEntry, Reject
from tests.fakes import delivery
from workers.webhook_delivery.client import Event, WrongField
from workers.webhook_delivery.event import Published, published

GOOD = Event("acme", "order.placed", key="order-42", detail={"total": "12.50"})

WRONG: tuple[tuple[str, dict[str, Any]], ...] = (
    ("tenantId", {"tenant_id": ""}),
    ("tenantId", {"tenant_id": "a\nb"}),
    ("detail-type", {"event_type": ""}),
    ("detail-type", {"event_type": "e" * 129}),
    ("detail-type", {"event_type": "webhook.exhausted"}),
    ("source", {"source": ""}),
    ("source", {"source": "aws.orders"}),
    ("detail.id", {"key": ""}),
    ("detail.id", {"key": 42}),
    ("detail.id", {"key": "k" * 257}),
    ("detail", {"detail": {"id": "other"}}),
    ("detail", {"detail": {"tenantId": "other"}}),
    ("detail", {"detail": {1: "a number as name"}}),
    ("detail", {"detail": {"at": datetime(2026, 11, 21, tzinfo=UTC)}}),
    ("detail", {"detail": {"total": float("nan")}}),
    ("detail", {"detail": {"lines": {1: "one", "1": "two"}}}),
    ("detail", {"detail": {"lines": [({None: 1},)]}}),
    ("detail", {"detail": {"half": "\ud83d"}}),
    ("detail", {"detail": {"picture": "p" * 262_144}}),
    ("detail.occurredAt", {"occurred_at": datetime(2026, 11, 21)}),  # noqa: DTZ001 - the missing zone is the subject
    ("detail.correlationId", {"correlation_id": "two words"}),
    ("detail.webhookChannels", {"channels": ("",)}),
    ("detail.webhookChannels", {"channels": tuple("abcdef")}),
)


def came(entry: BusEntry) -> Published:
    """As the rule hands it to the worker."""
    event = {"source": entry.source, "detail-type": entry.detail_type, "time": "2026-11-21T09:00:00Z", "id": "bus-1"}
    return published(delivery(json.dumps({**event, "detail": json.loads(entry.detail)})))


@pytest.mark.parametrize(("field", "given"), WRONG)
def test_what_would_become_no_webhook_or_two_is_refused_by_its_field(field: str, given: dict[str, Any]) -> None:
    with pytest.raises(WrongField) as refused:
        replace(GOOD, **given).entry()
    assert refused.value.field == field
    assert str(refused.value).startswith(f"{field}: ")


def test_the_worker_reads_what_was_published_under_the_webhook_id_that_was_answered() -> None:
    at = datetime(2026, 11, 21, 9, tzinfo=UTC)
    event = replace(GOOD, occurred_at=at, correlation_id="cart-7", channels=("eu",), detail={"name": "Grüße 🎉"})
    read = came(event.entry())
    assert (read.tenant_id, read.event_type, read.correlation_id) == ("acme", "order.placed", "cart-7")
    assert read.event_id == event.webhook_id
    payload = json.loads(read.payload)
    assert payload["timestamp"] == "2026-11-21T09:00:00Z"
    assert payload["data"] == {
        "id": "order-42",
        "tenantId": "acme",
        "occurredAt": "2026-11-21T09:00:00Z",
        "correlationId": "cart-7",
        "webhookChannels": ["eu"],
        "name": "Grüße 🎉",
    }


def test_the_same_key_is_the_same_event_and_another_one_is_another() -> None:
    assert came(GOOD.entry()).event_id == came(replace(GOOD, detail={}).entry()).event_id
    assert came(GOOD.entry()).event_id != came(replace(GOOD, key="order-43").entry()).event_id


def nested(levels: int) -> dict[str, Any]:
    return {"deep": json.loads("[" * levels + "]" * levels)}


def test_what_is_nested_deeper_than_the_worker_reads_is_refused_and_no_dead_letter() -> None:
    came(replace(GOOD, detail=nested(126)).entry())
    with pytest.raises(WrongField, match=r"^detail: .*nested deeper than 128 levels"):
        replace(GOOD, detail=nested(127)).entry()


def test_its_repr_tells_no_detail() -> None:
    assert "12.50" not in repr(GOOD)


def test_an_event_by_hand_without_a_tenant_is_refused_by_the_worker() -> None:
    with pytest.raises(Reject, match="tenantId"):
        came(BusEntry("shop", "order.placed", '{"id": "order-42"}'))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("channels", "vip"),
        ("tenant_id", None),
        ("detail", []),
        ("detail", {1: 2}),
        ("occurred_at", "2026-11-21T09:00:00Z"),
    ],
)
def test_a_value_of_another_type_is_refused_by_its_name(name: str, value: Any) -> None:
    wrong: dict[str, Any] = {name: value}
    with pytest.raises(WrongField, match=f"^{name}: it has to be "):
        replace(GOOD, **wrong).entry()
