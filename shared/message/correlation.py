"""The correlation id: what a message is about in the business, taken from the message and carried to all that comes of it; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from shared.message.delivery import Attribute

CORRELATION = "correlation-id"
"""The message attribute in which it is stated."""

_PLAIN = re.compile(r"[!-~]{1,256}", re.ASCII)


def correlation_id(found: object) -> str:
    """The id; "" for what is not 1 to 256 visible ASCII characters: it goes into headers, log lines and queries."""
    return found if isinstance(found, str) and _PLAIN.fullmatch(found) else ""


def stated(attributes: Mapping[str, Attribute]) -> str:
    """The id that a message's attribute states, or ""."""
    attribute = attributes.get(CORRELATION)
    return correlation_id(attribute.text) if attribute is not None else ""
