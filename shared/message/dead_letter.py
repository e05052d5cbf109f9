"""The failure envelope: what is written on a message when it is put into the dead-letter queue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from shared.message.delivery import LARGEST_MESSAGE, MOST_ATTRIBUTES, Attribute, Delivery
from shared.message.identity import ATTRIBUTE, REPLAY, idempotency_key, json_object
from shared.message.pointer import MARKS, size
from shared.outcome import Dead

LINEAGE = ("replayed_from", "plan_id", "edited_from", "times_replayed", "seal")
"""What of REPLAY goes into the envelope when a replayed message dies again; `seal` is for whoever replays, who has its key."""

VERSION = 1

_MOST_OF_IT = (
    *(
        "stack",
        "message",
        "sent_at",
        "trace_id",
        "correlation_id",
        "source_queue",
        "attempts",
        "first_failure",
        "last_failure",
    ),
    *LINEAGE,  # the plan's journal knows
)
LEFT_OUT = (
    (),
    ("stack",),
    ("stack", "message", "sent_at"),
    _MOST_OF_IT,
    (*_MOST_OF_IT, "idempotency_key"),  # can be derived again, but not where a replay wrote it down: so it goes last
)
"""What is left out of the envelope, step by step, where a message is nearly as large as SQS allows."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter, ready to send: the original body to the byte, or the pointer to it, the original attributes, and
    the reason; `shortened` where the message left no room for all of that.
    """

    body: str
    attributes: Mapping[str, Attribute]
    group: str | None
    trace_header: str | None
    message_id: str = ""
    shortened: bool = field(default=False, compare=False)


def done_mark(plan_id: str, letter_id: str) -> str:
    """The ledger's key under which a worker writes down that a replayed letter is done: a replay's canary asks for it."""
    return f"replay#{plan_id}#{letter_id}"


def replay_mark(attributes: Mapping[str, Attribute]) -> str:
    """The `done_mark` that a message's `fleet-replay` asks for; "" where it was not replayed."""
    note = json_object(attributes.get(REPLAY))
    plan_id, letter_id = note.get("plan_id"), note.get("replayed_from")
    return done_mark(plan_id, letter_id) if isinstance(plan_id, str) and isinstance(letter_id, str) else ""


def letter(
    delivery: Delivery,
    failure: Dead,
    *,
    worker: str,
    now: datetime,
    trace_id: str = "",
    correlation_id: str = "",
    key: str = "",
    stored: tuple[str, Mapping[str, Attribute]] | None = None,
) -> Letter:
    """Write the reason on a message. `key` is the one that the worker gives the event, if it gives any; `stored` is what
    the message carries (body, attributes) once its body lies in S3.

    Nothing of the original is given up: where all ten attributes are taken, the smallest moves into the envelope
    (`displaced`); where the message is nearly as large as SQS allows, the envelope is shortened. A message that
    leaves no room at all is buried as it came, and only the log tells why.
    """
    body, original = stored or (delivery.body, delivery.attributes)
    attributes = dict(original)
    envelope = _envelope(delivery, failure, worker=worker, now=now, trace_id=trace_id)
    if correlation_id:
        envelope["correlation_id"] = correlation_id
    envelope["idempotency_key"] = idempotency_key(delivery.body, delivery.attributes, own=key)
    if (earlier := attributes.pop(ATTRIBUTE, None)) is not None:
        envelope |= _inherited(earlier)
    if (replayed := json_object(attributes.get(REPLAY))).get("plan_id"):
        del attributes[REPLAY]
        # Anybody may have written it: what nests too deep is no JSON.
        plain = {name: replayed.get(name) for name in LINEAGE}
        envelope |= {name: value for name, value in plain.items() if value and isinstance(value, str | int)}
    if len(attributes) >= MOST_ATTRIBUTES:
        movable = [each for each in attributes if each not in MARKS]  # a pointer without its mark is not one
        name = min(movable, key=lambda each: attributes[each].size(each))
        envelope["displaced"] = _displaced(name, attributes.pop(name))
    room = LARGEST_MESSAGE - size(body, attributes) - Attribute("String").size(ATTRIBUTE)
    text = _fit(envelope, room=room)
    if text is None:
        attributes = dict(original)
    else:
        attributes[ATTRIBUTE] = Attribute("String", text=text)
    shortened = text is None or len(text) < len(_write(envelope))
    return Letter(body, attributes, delivery.group, delivery.trace_header, delivery.message_id, shortened)


def _envelope(delivery: Delivery, failure: Dead, *, worker: str, now: datetime, trace_id: str) -> dict[str, Any]:
    first = delivery.first_received_at
    return {
        "version": VERSION,
        "worker": worker,
        "source_queue": delivery.queue,
        "error_type": failure.error_type,
        "message": failure.message.encode(errors="replace").decode(),  # half a surrogate pair is not UTF-8
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
    match json_object(earlier).get("displaced"):
        case dict() as found if all(isinstance(each, str | None) for each in found.values()):
            return {"died_before": True, "displaced": found}
        case _:
            return {"died_before": True}


def _fit(envelope: dict[str, Any], *, room: int) -> str | None:
    for left_out in LEFT_OUT:
        text = _write({name: value for name, value in envelope.items() if name not in left_out})
        if len(text.encode()) <= room:
            return text
    return None


def _write(envelope: dict[str, Any]) -> str:
    # JSON escapes control characters by itself; these two are the rest of what SQS refuses in a text.
    return orjson.dumps(envelope).decode().translate({0xFFFE: "\\ufffe", 0xFFFF: "\\uffff"})


def _displaced(name: str, value: Attribute) -> dict[str, Any]:
    binary = value.binary.hex() if value.binary is not None else None
    return {"name": name, "data_type": value.data_type, "text": value.text, "binary_hex": binary}
