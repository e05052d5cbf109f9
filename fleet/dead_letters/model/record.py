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
    """Raises ValueError where the line is not a record."""
    fields = orjson.loads(content)
    try:
        return DeadLetter(
            id=str(fields["id"]),
            body=_text(fields["body"]),
            attributes={name: _read(value) for name, value in fields["attributes"].items()},
            sent_at=float(fields["sent_at"]),
            moved_from=str(fields["moved_from"]),
            group=str(fields["group"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("the line is not the record of a letter") from error


def changed(letter: DeadLetter, given: DeadLetter) -> list[str]:
    """The fields in which a record differs from the letter that is in the queue, but for its body: they are locked."""
    pairs = {
        "attributes": (dict(letter.attributes), dict(given.attributes)),
        "sent_at": (letter.sent_at, given.sent_at),
        "moved_from": (letter.moved_from, given.moved_from),
        "group": (letter.group, given.group),
    }
    return [name for name, (here, there) in pairs.items() if here != there]


def _attribute(value: Attribute) -> dict[str, str]:
    if value.binary is not None:
        return {"data_type": value.data_type, "binary": base64.b64encode(value.binary).decode()}
    return {"data_type": value.data_type, "text": value.text or ""}


def _read(fields: dict[str, str]) -> Attribute:
    if "binary" in fields:
        return Attribute(fields["data_type"], binary=base64.b64decode(fields["binary"], validate=True))
    return Attribute(fields["data_type"], fields["text"])


def _text(value: Any) -> str:
    """A body that a script wrote as JSON instead of text means that JSON."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()
