"""An event that a producer publishes, refused with the field's name where it would become no webhook, or two."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from shared import BusEntry, Reject, correlation_id, json_members
from workers.webhook_delivery.client.registration import name_fault
from workers.webhook_delivery.client.terms import LONGEST_TYPE, WrongField, check_types
from workers.webhook_delivery.event import event_id
from workers.webhook_delivery.filters import LONGEST_CHANNEL

LARGEST_EVENT: Final = 262_144
"""Bytes of an event as EventBridge counts them.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html#eb-event-entry-size
"""
MOST_CHANNELS: Final = 5
LONGEST_KEY: Final = 256
"""Characters."""

OURS: Final = {
    "id": "key",
    "tenantId": "tenant_id",
    "occurredAt": "occurred_at",
    "correlationId": "correlation_id",
    "webhookChannels": "channels",
}
"""Names in `detail` that have a field of their own here."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event of one tenant. `key` is the caller's: tenant, source, type and key are one event, however often they are published.

    `occurred_at` has its zone; without it customers are told when the bus took the event. Its repr does not tell `detail`.
    """

    tenant_id: str
    event_type: str
    key: str
    detail: Mapping[str, Any] = field(default_factory=dict, repr=False)
    source: str = "producer"
    occurred_at: datetime | None = None
    correlation_id: str = ""
    channels: tuple[str, ...] = ()

    @property
    def webhook_id(self) -> str:
        """The `webhook-id` of all its deliveries, which `fleet webhooks show` takes."""
        return event_id(self.tenant_id, self.source, self.event_type, self.key)

    def entry(self) -> BusEntry:
        """What is put on the bus, also by a caller's own PutEvents. Raises WrongField."""
        if why := self._key_fault():
            raise WrongField("detail.id", why)
        check_types(Event, self)
        for name, why in (
            ("tenantId", name_fault(self.tenant_id)),
            ("detail-type", self._type_fault()),
            ("source", self._source_fault()),
            ("detail", self._detail_fault()),
            ("detail.occurredAt", self._time_fault()),
            ("detail.correlationId", self._correlation_fault()),
            ("detail.webhookChannels", self._channels_fault()),
        ):
            if why:
                raise WrongField(name, why)
        entry = BusEntry(self.source, self.event_type, self._text())
        if entry.size > LARGEST_EVENT:
            raise WrongField(
                "detail", f"the whole event has at most {LARGEST_EVENT:,} bytes: publish where the rest lies"
            )
        return entry

    def _text(self) -> str:
        whole: dict[str, Any] = {"id": self.key, "tenantId": self.tenant_id}
        if self.occurred_at:
            whole["occurredAt"] = self.occurred_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
        if self.correlation_id:
            whole["correlationId"] = self.correlation_id
        if self.channels:
            whole["webhookChannels"] = [*self.channels]
        try:
            _check_names(self.detail)
            text = json.dumps(whole | {**self.detail}, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
            text.encode()
        except (TypeError, ValueError, RecursionError):
            raise WrongField(
                "detail", "JSON alone: texts, numbers but nan, lists, and maps with texts as names"
            ) from None
        try:
            json_members(f'{{"detail":{text}}}')
        except Reject as error:  # as the worker would, of the whole event
            raise WrongField("detail", f"what the worker takes: the {error}") from None
        return text

    def _type_fault(self) -> str | None:
        if not 1 <= len(self.event_type) <= LONGEST_TYPE or not self.event_type.isprintable():
            return f"1 to {LONGEST_TYPE} printable characters, such as order.placed"
        return "'webhook.*' is what this fleet tells of its own" if self.event_type.startswith("webhook.") else None

    def _source_fault(self) -> str | None:
        if not 1 <= len(self.source) <= 256 or not self.source.isprintable():
            return "1 to 256 printable characters: which system says so"
        return "'aws.' belongs to AWS, whose bus refuses it" if self.source.startswith("aws.") else None

    def _key_fault(self) -> str | None:
        is_text = isinstance(self.key, str)  # a number and its text would be two events
        right = is_text and 1 <= len(self.key) <= LONGEST_KEY and self.key.isprintable()
        return (
            None
            if right
            else f"a text of 1 to {LONGEST_KEY} characters (str(number) for a number): the same for the same event"
        )

    def _detail_fault(self) -> str | None:
        if not all(isinstance(name, str) for name in self.detail):
            return "its names are texts"
        taken = next((name for name in OURS if name in self.detail), None)
        return f"{taken} is given as {OURS[taken]}, and not here" if taken else None

    def _time_fault(self) -> str | None:
        return "with its zone, as datetime.now(UTC)" if self.occurred_at and self.occurred_at.tzinfo is None else None

    def _correlation_fault(self) -> str | None:
        right = correlation_id(self.correlation_id) == self.correlation_id
        return None if right else "1 to 256 visible ASCII characters without blanks: it goes into headers"

    def _channels_fault(self) -> str | None:
        right = all(1 <= len(each) <= LONGEST_CHANNEL for each in self.channels) and len(self.channels) <= MOST_CHANNELS
        return None if right else f"at most {MOST_CHANNELS}, each of 1 to {LONGEST_CHANNEL} characters"


def _check_names(value: object) -> None:
    """At every depth: `json` would write 1 and "1" as one name, twice. Raises TypeError."""
    if isinstance(value, Mapping):
        if not all(isinstance(name, str) for name in value):
            raise TypeError("a name is no text")
        value = [*value.values()]
    if isinstance(value, list | tuple):
        for each in value:
            _check_names(each)
