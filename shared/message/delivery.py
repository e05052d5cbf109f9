"""One receipt of one message, read the same from a poll and from a Lambda event."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MOST_ATTRIBUTES = 10  # SQS's limit for one message
LARGEST_MESSAGE = 1_048_576  # bytes, body and attributes together
TEXT_OR_NONE = (str, type(None))


@dataclass(frozen=True, slots=True)
class Attribute:
    """One SQS message attribute; `data_type` is String, Number or Binary, with an optional custom suffix."""

    data_type: str
    text: str | None = None
    binary: bytes | None = None

    def size(self, name: str) -> int:
        """Bytes that this attribute takes of the message's limit under `name`: SQS counts name, type and value."""
        content = len(self.binary) if self.binary is not None else len((self.text or "").encode())
        return len(name.encode()) + len(self.data_type.encode()) + content


@dataclass(frozen=True, slots=True, eq=False)
class Delivery:
    """One receipt of one message: the same message received again is another delivery with another receipt handle.

    `attempt` is ApproximateReceiveCount (1 on the first receipt); times are epoch seconds; `received_at` is the
    clock of the lease, in the seconds of shared/clock.py, and 0.0 where a door knows none (Lambda).
    """

    queue: str
    message_id: str
    receipt_handle: str
    body: str
    attempt: int = 1
    sent_at: float | None = None
    first_received_at: float | None = None
    group: str | None = None
    trace_header: str | None = None
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    received_at: float = 0.0

    @property
    def size(self) -> int:
        """Bytes of the body as SQS counts them (UTF-8)."""
        return len(self.body.encode())

    def text(self, name: str) -> str | None:
        """The text of a message attribute, or None where there is none."""
        attribute = self.attributes.get(name)
        return attribute.text if attribute else None


def to_sqs(attributes: Mapping[str, Attribute]) -> dict[str, Any]:
    """Attributes as SQS takes them in a send."""
    return {
        name: {"DataType": value.data_type, "BinaryValue": value.binary}
        if value.binary is not None
        else {"DataType": value.data_type, "StringValue": value.text or ""}
        for name, value in attributes.items()
    }


def from_poll(message: Mapping[str, Any], *, queue: str, received_at: float) -> Delivery:
    """Read one entry of a ReceiveMessage response; raises as `from_lambda` where it is not one."""
    attributes: dict[str, Attribute] = {}
    if given := message.get("MessageAttributes"):
        for name, value in given.items():
            attributes[name] = _attribute(value["DataType"], value.get("StringValue"), value.get("BinaryValue"))
    names = message["MessageId"], message["ReceiptHandle"], message["Body"]
    return _delivery(queue, names, message.get("Attributes") or {}, attributes, received_at)


def from_lambda(record: Mapping[str, Any], *, queue: str) -> Delivery:
    """Read one record of a Lambda SQS event; raises KeyError, TypeError, ValueError, AttributeError or OverflowError where it is not one."""
    attributes: dict[str, Attribute] = {}
    if given := record.get("messageAttributes"):
        for name, value in given.items():
            binary = base64.b64decode(value["binaryValue"]) if value.get("binaryValue") else None
            attributes[name] = _attribute(value.get("dataType", "String"), value.get("stringValue"), binary)
    names = record["messageId"], record["receiptHandle"], record["body"]
    return _delivery(queue, names, record.get("attributes") or {}, attributes, 0.0)


def _delivery(
    queue: str,
    names: tuple[object, object, object],
    system: Mapping[str, Any],
    attributes: Mapping[str, Attribute],
    received_at: float,
) -> Delivery:
    """By place and not by name, and all fields in one function: this runs once for each message."""
    message_id, receipt_handle, body = names
    group, trace_header = system.get("MessageGroupId"), system.get("AWSTraceHeader")
    if not (isinstance(message_id, str) and isinstance(receipt_handle, str) and isinstance(body, str)):
        raise TypeError("its id, its receipt handle or its body is not text")
    if not message_id or not receipt_handle:
        raise ValueError("it has no id or no receipt handle")
    if not isinstance(group, TEXT_OR_NONE) or not isinstance(trace_header, TEXT_OR_NONE):
        raise TypeError("a system attribute is not text")
    sent_at, first_received_at = system.get("SentTimestamp"), system.get("ApproximateFirstReceiveTimestamp")
    return Delivery(
        queue,
        message_id,
        receipt_handle,
        body,
        int(system.get("ApproximateReceiveCount", "1")),
        int(sent_at) / 1000 if sent_at else None,
        int(first_received_at) / 1000 if first_received_at else None,
        group,
        trace_header,
        attributes,
        received_at,
    )


def _attribute(data_type: object, text: object, binary: object) -> Attribute:
    if not isinstance(data_type, str) or not isinstance(text, str | None) or not isinstance(binary, bytes | None):
        raise TypeError("a message attribute is of another shape")
    return Attribute(data_type, text, binary)
