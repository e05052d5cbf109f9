"""One message of a receive that cannot be read costs itself, and not those that came with it."""

from __future__ import annotations

import json
from typing import Any

from shared.aws.answers.expected import fits


def set_apart(output: Any, body: bytes) -> bytes:
    """The body of a ReceiveMessage answer (`output` is its shape) with `{}` in the place of each message that botocore's parser
    cannot read: the queue sees that there was one, and where it stood.
    """
    try:
        found = json.loads(body.decode())
    except (ValueError, RecursionError):
        return body
    messages = found.get("Messages") if isinstance(found, dict) else None
    if not isinstance(messages, list):
        return body
    one = output.members["Messages"].member
    readable = [each if fits(one, each) else {} for each in messages]
    return body if readable == messages else json.dumps({**found, "Messages": readable}).encode()
