"""The message that a dead letter becomes again: its own body and attributes, without reasons, with its lineage; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from fleet.dead_letters.model import lambda_record
from fleet.dead_letters.model.letter import RESTORED, UNREADABLE, DeadLetter, lineage_of, sha256
from fleet.dead_letters.model.plan.mark import seal
from fleet.dead_letters.model.shapes import ERROR_ATTRIBUTES, Shape
from shared.message.delivery import LARGEST_MESSAGE, MOST_ATTRIBUTES, Attribute
from shared.message.identity import ATTRIBUTE, REPLAY, idempotency_key
from shared.message.pointer import without_marks

VERSION = 1
PLAN_ID_SIZED = "0" * 32
"""As long as the id of a plan, where the size of what would be sent is all that is asked for."""
_DATA_TYPE = re.compile(r"(String|Number|Binary)(\..{1,249})?")
_PARKED_BY_AWS = frozenset({"eventbridge-rule", "scheduler", "lambda-async", "sns"})


class Unsendable(ValueError):
    """What is written on this letter cannot be read; the text quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message to send for the letter `id`; `group` and `deduplication` are for FIFO queues, or ""."""

    id: str
    body: str = field(repr=False)
    attributes: Mapping[str, Attribute] = field(default_factory=dict, repr=False)
    group: str = ""
    deduplication: str = ""

    @property
    def size(self) -> int:
        """Bytes, as SQS counts them."""
        return len(self.body.encode()) + sum(value.size(name) for name, value in self.attributes.items())


def parcel(
    letter: DeadLetter, *, shape: Shape, plan_id: str, mended: str | None = None, seal_key: bytes = b""
) -> Parcel:
    """What a replay sends. `mended` is the body that a person put in place of the original, or of the pointer to it; `seal_key` is
    the key of plans, without which nobody believes the mark.

    `fleet-replay` tells which letter this was and carries its idempotency key; a message without room for it goes
    without, and is recognised by the key that its content gives. Raises what is in UNREADABLE, and Unsendable where
    a mended body without the mark would be other work.
    """
    attributes = original_attributes(letter, shape)
    if mended is not None:
        attributes = without_marks(attributes)  # the new body is in the message itself
    body = _body(letter, shape) if mended is None else mended
    lineage = _lineage(letter, plan_id, edited=mended is not None)
    lineage["seal"] = seal(lineage, sha256(body), key=seal_key)
    marked = {**attributes, REPLAY: Attribute("String", orjson.dumps(lineage).decode())}
    sized = Parcel(letter.id, body, marked, letter.group, f"{plan_id}-{letter.id}"[:128])
    if len(marked) <= MOST_ATTRIBUTES and sized.size <= LARGEST_MESSAGE:
        return sized
    if mended is not None and idempotency_key(body, attributes) != letter.key:
        raise Unsendable(
            "it has no room for the mark that carries its idempotency key, and its mended body would have another"
        )
    return Parcel(sized.id, body, attributes, sized.group, sized.deduplication)


def has_room(letter: DeadLetter, *, shape: Shape) -> bool:
    """Whether what a replay sends of this letter has room for the mark. Raises what is in UNREADABLE."""
    return REPLAY in parcel(letter, shape=shape, plan_id=PLAN_ID_SIZED).attributes


def fault(letter: DeadLetter, *, shape: Shape) -> str:
    """Why no message can be made of this letter; "" where one can."""
    try:
        parcel(letter, shape=shape, plan_id="")
    except Unsendable as error:
        return str(error)
    except UNREADABLE as error:
        return f"what is written on it cannot be read ({type(error).__name__})"
    return ""


def _body(letter: DeadLetter, shape: Shape) -> str:
    """The message that failed: the letter's body, but for a record in which Lambda wrapped it."""
    return (lambda_record.event(letter.body) if shape == "lambda-async" else "") or letter.body


def copy(letter: DeadLetter, *, plan_id: str = "") -> Parcel:
    """The letter itself once more, reason and all: for a place to look at it, or for its way back from the archive. A FIFO queue
    takes it once within five minutes, and once more for each plan.
    """
    deduplication = f"{plan_id}-{letter.id}" if plan_id else letter.id
    return Parcel(letter.id, letter.body, dict(letter.attributes), letter.group, deduplication[:128])


def original_attributes(letter: DeadLetter, shape: Shape) -> dict[str, Attribute]:
    """The attributes of the original message: without reasons, and with what a burial had displaced put back."""
    kept = {name: value for name, value in letter.attributes.items() if name not in (ATTRIBUTE, RESTORED, REPLAY)}
    if shape in _PARKED_BY_AWS:
        kept = {name: value for name, value in kept.items() if name not in ERROR_ATTRIBUTES}
    match letter.written(ATTRIBUTE).get("displaced"):
        case {"name": str(name), "data_type": str(kind), "binary_hex": str(binary)}:
            kept[name] = _displaced(kind, binary=binary)
        case {"name": str(name), "data_type": str(kind), "text": str(text)}:
            kept[name] = _displaced(kind, text=text)
        case _:
            pass
    return kept


def _displaced(kind: str, *, text: str = "", binary: str = "") -> Attribute:
    """Raises Unsendable where that is not an attribute that SQS takes."""
    try:
        content = bytes.fromhex(binary)
    except ValueError:
        raise Unsendable("its envelope holds a displaced attribute whose bytes are not hexadecimal") from None
    if not _DATA_TYPE.fullmatch(kind) or kind.startswith("Binary") is bool(text) or not (text or content):
        raise Unsendable("its envelope holds a displaced attribute that SQS would not take")
    return Attribute(kind, binary=content) if content else Attribute(kind, text)


def _lineage(letter: DeadLetter, plan_id: str, *, edited: bool) -> dict[str, Any]:
    earlier = lineage_of(letter)
    times = earlier.get("times_replayed")
    edited_from = letter.id if edited else earlier.get("edited_from")
    return {
        "version": VERSION,
        "idempotency_key": letter.key,
        "plan_id": plan_id,
        "replayed_from": letter.id,
        "times_replayed": (times if isinstance(times, int) else 0) + 1,
        **({"edited_from": edited_from} if edited_from else {}),
    }
