"""A message whose body lies in S3: the pointer's wire form, which pointers are followed, and what they must bring; pure.

The form is that of the Amazon SQS Extended Client Libraries (Java `SQSExtendedClientConstants`, Python
`sqs_extended_client`): a consumer or producer that uses one of them may stand at the other end of the queue.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import orjson

from shared.message.delivery import LARGEST_MESSAGE, MOST_ATTRIBUTES, Attribute, Delivery
from shared.outcome import Reject

MARK = "ExtendedPayloadSize"
"""The attribute, a Number, that makes a body a pointer: bytes of the whole body in UTF-8."""
MARKS = (MARK, "SQSLargePayloadSize")
"""The names that are read: today's and that of old clients."""
KIND = "software.amazon.payloadoffloading.PayloadS3Pointer"
KINDS = (KIND, "com.amazon.sqs.javamessaging.MessageS3Pointer")
"""What stands first in a pointer: today's class name and that of old clients."""

OFF = "its body is in S3 (ExtendedPayloadSize), and CLAIM_CHECK_BUCKET_NAME is not set: set it, then replay"

_POINTER = 2_048
"""Bytes that the longest pointer and its mark take."""

_KEY = re.compile(r"[A-Za-z0-9._/-]{1,1024}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_OURS = re.compile(r"sha256-([0-9a-f]{64})")


class TooLarge(Reject):
    """A message that no queue takes, now or later: the text names its size, the limit and the setting."""


@dataclass(frozen=True, slots=True)
class Pointer:
    """Where a body lies; `size` in bytes, as the sender says."""

    bucket: str
    key: str
    size: int

    @property
    def body(self) -> str:
        """What the message carries instead."""
        return orjson.dumps([KIND, {"s3BucketName": self.bucket, "s3Key": self.key}]).decode()

    @property
    def mark(self) -> Attribute:
        return Attribute("Number", str(self.size))

    @property
    def is_plain(self) -> bool:
        """True where bucket and key are spelt as such names are: then they hold nothing that could not be shown."""
        steps = self.key.split("/")
        odd = ".." in steps or "." in steps
        return _BUCKET.fullmatch(self.bucket) is not None and _KEY.fullmatch(self.key) is not None and not odd


class Payloads(Protocol):
    """The bodies in S3. `threshold`: the bytes of body and attributes above which a body goes there."""

    @property
    def threshold(self) -> int: ...
    async def check_in(self, body: str, attributes: Mapping[str, Attribute]) -> tuple[str, dict[str, Attribute]]: ...
    async def unpack(self, delivery: Delivery) -> Delivery: ...


def size(body: str, attributes: Mapping[str, Attribute]) -> int:
    """Bytes of a message as SQS counts them: the body in UTF-8, and name, type and value of each attribute."""
    return len(body.encode()) + sum(value.size(name) for name, value in attributes.items())


def is_pointer(attributes: Mapping[str, Attribute]) -> bool:
    """True where the body is only a pointer."""
    return MARKS[0] in attributes or MARKS[1] in attributes


def without_marks(attributes: Mapping[str, Attribute]) -> dict[str, Attribute]:
    """What is left when the body is not a pointer any more."""
    return {name: value for name, value in attributes.items() if name not in MARKS}


def weight(delivery: Delivery) -> int:
    """Bytes that this delivery will take in memory, by what it says itself."""
    stated = next((delivery.text(name) for name in MARKS if name in delivery.attributes), None)
    return int(stated) if stated is not None and re.fullmatch("[0-9]{1,15}", stated) else delivery.size


def key_of(content: bytes, *, prefix: str) -> str:
    """The same content has the same key: however often it is sent, one object lies there, and its key tells its digest."""
    return f"{prefix}sha256-{hashlib.sha256(content).hexdigest()}"


def belongs_in_s3(size_in_bytes: int, attributes: Mapping[str, Attribute], *, threshold: int) -> bool:
    """Whether the body of a message of so many bytes goes to S3: what may not, and fits the queue, stays in the message."""
    may = len(attributes) < MOST_ATTRIBUTES and not is_pointer(attributes)
    return size_in_bytes > threshold and (may or size_in_bytes > LARGEST_MESSAGE)


def too_large(size_in_bytes: int) -> TooLarge:
    """Why a message of so many bytes is not sent while bodies may not go to S3."""
    return TooLarge(
        f"a message of {size_in_bytes} bytes is above the queue's limit of {LARGEST_MESSAGE}:"
        " set CLAIM_CHECK_BUCKET_NAME to send its body through S3"
    )


def check_storable(bytes_of_body: int, attributes: Mapping[str, Attribute], *, most: int) -> None:
    """Raises TooLarge where a body may not go to S3, or its message would not fit the queue all the same."""
    if bytes_of_body > most:
        raise TooLarge(f"a body of {bytes_of_body} bytes is above CLAIM_CHECK_MAX_BYTES, {most}")
    if is_pointer(attributes):
        raise TooLarge(f"its attributes hold {' or '.join(MARKS)}, which is what marks a body in S3")
    if len(attributes) >= MOST_ATTRIBUTES:
        raise TooLarge(f"a body in S3 needs the attribute {MARK}, and all {MOST_ATTRIBUTES} are taken")
    if (taken := size("", attributes)) > LARGEST_MESSAGE - _POINTER:
        raise TooLarge(f"its attributes take {taken} bytes of {LARGEST_MESSAGE}: only a body can go to S3")


def read_pointer(body: str, attributes: Mapping[str, Attribute]) -> Pointer:
    """Read a pointer as any of the clients writes it. Raises Reject where it is not one."""
    stated = next((attributes[name].text for name in MARKS if name in attributes), None)
    if stated is None or not re.fullmatch("[0-9]{1,15}", stated):
        raise Reject(f"{MARK} is not a number of bytes")
    try:
        opened = orjson.loads(body) if len(body) <= _POINTER else None
    except ValueError:
        opened = None
    match opened:
        case [str(kind), {"s3BucketName": str(bucket), "s3Key": str(key)}] if kind in KINDS:
            return Pointer(bucket, key, int(stated))
        case _:
            raise Reject(f"{MARK} is there, and the body is not a pointer to S3")


def check_permitted(pointer: Pointer, *, bucket: str, prefix: str, most: int) -> None:
    """Raises Reject for all but the fleet's own bucket: who may send a message must not choose what the fleet reads."""
    if not pointer.is_plain:
        raise Reject("its body is in S3, in a bucket or under a key that is spelt as none of ours")
    if pointer.bucket != bucket:
        raise Reject(f"its body is in the bucket {pointer.bucket}, and only CLAIM_CHECK_BUCKET_NAME is read")
    if not pointer.key.startswith(prefix):
        raise Reject("its body is in S3, but not below CLAIM_CHECK_PREFIX")
    if pointer.size > most:
        raise Reject(f"its body in S3 has {pointer.size} bytes, above CLAIM_CHECK_MAX_BYTES, {most}")


def check_size(pointer: Pointer, found: int) -> None:
    """Raises Reject where the object is not as large as the message says."""
    if found != pointer.size:
        raise Reject(f"its body in S3 has {found} bytes, and {MARK} says {pointer.size}")


def open_body(content: bytes, pointer: Pointer) -> str:
    """The text that the pointer stands for. Raises Reject where it is not what was sent."""
    check_size(pointer, len(content))
    ours = _OURS.fullmatch(pointer.key.rpartition("/")[2])
    if ours is not None and hashlib.sha256(content).hexdigest() != ours[1]:
        raise Reject("its body in S3 is not what was sent: another SHA-256 than its key tells")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise Reject("its body in S3 is not UTF-8") from None


def with_body(delivery: Delivery, body: str) -> Delivery:
    """The delivery as if the body had come with the message."""
    return replace(delivery, body=body, attributes=without_marks(delivery.attributes))
