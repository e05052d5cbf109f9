"""The failure envelope: what is written on a message when it is put into the dead-letter queue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from shared.delivery import Attribute, Delivery
from shared.outcome import Dead

ATTRIBUTE = "fleet-failure"
"""The message attribute that carries the envelope, as JSON text."""

VERSION = 1
MOST_ATTRIBUTES = 10  # SQS's limit for one message
LARGEST_MESSAGE = 1_048_576  # bytes, body and attributes together

LEFT_OUT = (
    (),
    ("stack",),
    ("stack", "message", "sent_at"),
    ("stack", "message", "sent_at", "trace_id", "source_queue", "attempts", "first_failure", "last_failure"),
)
"""What is left out of the envelope, step by step, where a message is nearly as large as SQS allows."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter, ready to send: the original body to the byte, the original attributes, and the reason."""

    body: str
    attributes: Mapping[str, Attribute]
    group: str | None
    trace_header: str | None


def letter(delivery: Delivery, failure: Dead, *, worker: str, now: datetime, trace_id: str = "") -> Letter:
    """Write the reason on a message.

    Nothing of the original is given up: where all ten attributes are taken, the smallest moves into the envelope
    (`displaced`); where the message is nearly as large as SQS allows, the envelope is shortened. A message that
    leaves no room at all is buried as it came, and only the log tells why.
    """
    attributes = dict(delivery.attributes)
    envelope = _envelope(delivery, failure, worker=worker, now=now, trace_id=trace_id)
    if (earlier := attributes.pop(ATTRIBUTE, None)) is not None:
        envelope |= _inherited(earlier)
    if len(attributes) >= MOST_ATTRIBUTES:
        name = min(attributes, key=lambda each: attributes[each].size(each))
        envelope["displaced"] = _displaced(name, attributes.pop(name))
    taken = delivery.size + sum(value.size(name) for name, value in attributes.items())
    text = _fitted(envelope, room=LARGEST_MESSAGE - taken - Attribute("String").size(ATTRIBUTE))
    if text is None:
        attributes = dict(delivery.attributes)
    else:
        attributes[ATTRIBUTE] = Attribute("String", text=text)
    return Letter(delivery.body, attributes, delivery.group, delivery.trace_header)


def _envelope(delivery: Delivery, failure: Dead, *, worker: str, now: datetime, trace_id: str) -> dict[str, Any]:
    first = delivery.first_received_at
    return {
        "version": VERSION,
        "worker": worker,
        "source_queue": delivery.queue,
        "error_type": failure.error_type,
        "message": failure.message.encode(errors="replace").decode(),  # half a surrogate pair is no UTF-8
        "fingerprint": failure.fingerprint,
        "stack": list(failure.stack),
        "attempts": delivery.attempt,
        "first_failure": (datetime.fromtimestamp(first, UTC) if first is not None else now).isoformat(),
        "last_failure": now.isoformat(),
        "sent_at": datetime.fromtimestamp(delivery.sent_at, UTC).isoformat() if delivery.sent_at is not None else None,
        "original_message_id": delivery.message_id,
        "trace_id": trace_id,
    }


def _inherited(earlier: Attribute) -> dict[str, Any]:
    """What a letter that died again keeps of its earlier envelope: only the newest reason counts, but an attribute
    that was displaced then has no other place.
    """
    try:
        displaced = orjson.loads(earlier.text or "{}").get("displaced")
    except (ValueError, AttributeError):  # not an envelope of ours
        displaced = None
    return {"died_before": True, **({"displaced": displaced} if displaced else {})}


def _fitted(envelope: dict[str, Any], *, room: int) -> str | None:
    for left_out in LEFT_OUT:
        text = _written({name: value for name, value in envelope.items() if name not in left_out})
        if len(text.encode()) <= room:
            return text
    return None


def _written(envelope: dict[str, Any]) -> str:
    # JSON escapes control characters by itself; these two are the rest of what SQS refuses in a text.
    return orjson.dumps(envelope).decode().translate({0xFFFE: "\\ufffe", 0xFFFF: "\\uffff"})


def _displaced(name: str, value: Attribute) -> dict[str, Any]:
    binary = value.binary.hex() if value.binary is not None else None
    return {"name": name, "data_type": value.data_type, "text": value.text, "binary_hex": binary}
