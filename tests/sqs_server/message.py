"""One message as the server keeps it: most of its answer is written when it is sent."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import orjson

from tests.sqs_server.content import attributes_md5, md5, written


class State(Enum):
    DELAYED = "delayed"
    READY = "ready"
    IN_FLIGHT = "in flight"
    GONE = "gone"


@dataclass(slots=True, eq=False)
class Message:
    """Times are epoch seconds of the server's clock.

    `receipt` numbers the latest receive, `visible_at` ends its lease (or the delay), and `twins` holds the ends of
    earlier leases that live on because a fault handed the message out twice.
    """

    message_id: str
    body: str
    md5_of_body: str
    attributes: Mapping[str, Any]
    system: dict[str, str]
    sent_at: float
    group: str | None = None
    number: int = 0
    state: State = State.GONE
    visible_at: float = 0.0
    receipt: int = 0
    receives: int = 0
    received_at: float = 0.0
    first_received: int = 0
    twins: dict[int, float] = field(default_factory=dict)
    written_body: bytes = b""
    written_attributes: bytes = b""
    written_system: bytes = b""

    @property
    def reference(self) -> tuple[str, int]:
        """How the ledger names the message and its latest receive."""
        return self.message_id, self.receipt

    @property
    def source(self) -> str:
        """The ARN of the queue that it was moved from for having been received too often; or nothing."""
        return self.system.get("DeadLetterQueueSourceArn", "")

    def write(self) -> None:
        """Write down what every receive will answer the same."""
        self.written_body = b'{"MessageId":"%b","MD5OfBody":"%b","Body":%b' % (
            self.message_id.encode(),
            self.md5_of_body.encode(),
            orjson.dumps(self.body),
        )
        self.written_system = orjson.dumps(self.system)[1:-1]
        self.written_attributes = members_of(self.attributes)


def members_of(attributes: Mapping[str, Any]) -> bytes:
    """Message attributes and their MD5, as members of a received message."""
    if not attributes:
        return b""
    return b',"MessageAttributes":%b,"MD5OfMessageAttributes":"%b"' % (
        orjson.dumps({name: written(value) for name, value in attributes.items()}),
        attributes_md5(attributes).encode(),
    )


def new_id() -> str:
    """A random UUID; the system's entropy would be the dearest part of a send."""
    digits = f"{random.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def new_message(
    body: str,
    *,
    encoded: bytes,
    attributes: Mapping[str, Any],
    system: dict[str, str],
    sent_at: float,
    group: str | None,
) -> Message:
    message = Message(
        message_id=new_id(),
        body=body,
        md5_of_body=md5(encoded),
        attributes=attributes,
        system=system,
        sent_at=sent_at,
        group=group,
    )
    message.write()
    return message
