"""What may be in a message, what it weighs, and its MD5s as clients check them."""

import base64
import hashlib
import re
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from tests.sqs_server.errors import SqsError, bad_parameter, no_parameter

FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters outside the set of XML 1.0, which SQS keeps to."""
ATTRIBUTE_NAME = re.compile(r"(?!(?i:aws\.|amazon\.))[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
LOGICAL_TYPES = ("String", "Number", "Binary")
MOST_ATTRIBUTES = 10
LARGEST_CALL = 1_048_576
"""Bytes of one message, and of all messages of one SendMessageBatch."""


def md5(text: bytes) -> str:
    return hashlib.md5(text, usedforsecurity=False).hexdigest()


def checked_body(body: Any, *, limit: int) -> bytes:
    """The body's bytes. Raises where SQS refuses it: empty, forbidden characters, more than `limit` bytes."""
    if not body or not isinstance(body, str):
        raise no_parameter("MessageBody")
    if not body.isprintable() and FORBIDDEN.search(body):
        raise SqsError(
            "InvalidMessageContents", "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | "
            "#x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF",
        )  # fmt: skip
    encoded = body.encode()
    if len(encoded) > limit:
        raise too_long(limit)
    return encoded


def too_long(limit: int) -> SqsError:
    return SqsError(
        "InvalidParameterValue",
        f"One or more parameters are invalid. Reason: Message must be shorter than {limit} bytes.",
    )


def checked_attributes(attributes: Mapping[str, Any]) -> int:
    """The bytes that message attributes weigh: names, types and values. Raises where SQS refuses one."""
    if len(attributes) > MOST_ATTRIBUTES:
        raise SqsError(
            "InvalidParameterValue",
            f"Number of message attributes [{len(attributes)}] exceeds the allowed maximum [{MOST_ATTRIBUTES}].",
        )
    return sum(_checked_attribute(name, value) for name, value in attributes.items())


def _checked_attribute(name: str, value: Mapping[str, Any]) -> int:
    if not ATTRIBUTE_NAME.fullmatch(name) or len(name) > 256:
        raise bad_parameter("MessageAttributeName", name, "The name is not allowed for a message attribute.")
    data_type = str(value.get("DataType", ""))
    if data_type.partition(".")[0] not in LOGICAL_TYPES:
        raise SqsError(
            "InvalidParameterValue",
            f"The type of message (user) attribute '{name}' is invalid. You must use only the following supported "
            "type prefixes: Binary, Number, String.",
        )
    content = raw(value)
    if not content:
        raise SqsError(
            "InvalidParameterValue",
            f"Message (user) attribute '{name}' must contain a non-empty value of type '{data_type}'.",
        )
    if "StringValue" in value and FORBIDDEN.search(value["StringValue"]):
        raise SqsError("InvalidMessageContents", f"Invalid characters found in the attribute {name}.")
    if data_type.startswith("Number") and not _is_number(value["StringValue"]):
        raise SqsError(
            "InvalidParameterValue", f"Can't cast the value of message (user) attribute '{name}' to a number."
        )
    return len(name.encode()) + len(data_type.encode()) + len(content)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def raw(value: Mapping[str, Any]) -> bytes:
    """The bytes of an attribute's value; base64 is how the JSON protocol writes bytes."""
    if value.get("DataType", "").startswith("Binary"):
        return base64.b64decode(value.get("BinaryValue") or "")
    return str(value.get("StringValue") or "").encode()


def attributes_md5(attributes: Mapping[str, Any]) -> str:
    """The MD5 of message attributes: sorted names, each part led by its length in four bytes.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
    """
    parts: list[bytes] = []
    for name in sorted(attributes):
        value = attributes[name]
        kind = b"\x02" if value["DataType"].startswith("Binary") else b"\x01"
        for part in (name.encode(), value["DataType"].encode()):
            parts += [struct.pack(">I", len(part)), part]
        content = raw(value)
        parts += [kind, struct.pack(">I", len(content)), content]
    return md5(b"".join(parts))


def selected(attributes: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Those that a receive asked for: by name, by prefix (`name.*`), or All."""
    if "All" in names or ".*" in names:
        return dict(attributes)
    prefixes = tuple(name[:-2] for name in names if name.endswith(".*"))
    return {
        name: value for name, value in attributes.items() if name in names or (prefixes and name.startswith(prefixes))
    }


def written(value: Mapping[str, Any]) -> dict[str, Any]:
    """One attribute as it is answered: what was sent, without empty members."""
    return {key: value[key] for key in ("DataType", "StringValue", "BinaryValue") if value.get(key) is not None}
