"""A letter as one line of JSON, to the byte: for export, import and the archive; pure."""

from __future__ import annotations

import base64
from typing import Any

import orjson

from fleet.dead_letters.model.letter import DeadLetter
from fleet.dead_letters.model.view import instant
from shared.message.delivery import Attribute

VERSION = 1


def document(letter: DeadLetter) -> dict[str, Any]:
    """Schema dlq-record, version 1. `body` is the text itself, so that any script can mend it."""
    return {
        "version": VERSION,
        "id": letter.id,
        "body": letter.body,
        "body_sha256": letter.digest,
        "idempotency_key": letter.key,
        "attributes": {name: _attribute(value) for name, value in letter.attributes.items()},
        "sent_at": letter.sent_at,
        "sent": instant(letter.sent_at),
        "moved_from": letter.moved_from,
        "group": letter.group,
    }


def line(letter: DeadLetter) -> bytes:
    return orjson.dumps(document(letter), option=orjson.OPT_APPEND_NEWLINE)


def read(content: bytes | str) -> DeadLetter:
    """Raises ValueError where the line is no record."""
    told = orjson.loads(content)
    try:
        return DeadLetter(
            id=str(told["id"]),
            body=_text(told["body"]),
            attributes={name: _read(value) for name, value in told["attributes"].items()},
            sent_at=float(told["sent_at"]),
            moved_from=str(told["moved_from"]),
            group=str(told["group"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("the line is no record of a letter") from error


def _attribute(value: Attribute) -> dict[str, str]:
    if value.binary is not None:
        return {"data_type": value.data_type, "binary": base64.b64encode(value.binary).decode()}
    return {"data_type": value.data_type, "text": value.text or ""}


def _read(told: dict[str, str]) -> Attribute:
    if "binary" in told:
        return Attribute(told["data_type"], binary=base64.b64decode(told["binary"], validate=True))
    return Attribute(told["data_type"], told["text"])


def _text(value: Any) -> str:
    """A body that a script wrote as JSON instead of text means that JSON."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()
