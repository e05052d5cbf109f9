"""What a producer asks of a new session, refused with the field's name where the worker could not keep to it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from shared import mistyped
from workers.upload_notification import rules
from workers.upload_notification.event import instant
from workers.upload_notification.store.updates import typed

LARGEST_OBJECT: Final = 5_368_709_120
"""Bytes that S3 takes in one POST or PUT (https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html)."""
LONGEST_LIFE: Final = 86_400
"""Seconds from a session's opening to its `expiresAt`: a day."""
MOST_TYPES: Final = 100
LEAST_SECRET: Final = 32
"""Characters of a secret that the caller makes."""

_ID: Final = re.compile(r"[A-Za-z0-9._~-]{1,128}", re.ASCII)
_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/(\*|[a-z0-9][a-z0-9!#$&^_.+-]{0,126})", re.ASCII)


class WrongField(ValueError):
    """`field` cannot be so; the text begins with its name, says what to do, and quotes no value."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name}: {why}")
        self.field = name


@dataclass(frozen=True, slots=True)
class Opening:
    """A session to be opened: what it takes (sizes in bytes, None for any; no types for any), and how long it lives, in seconds.

    Whoever gives `session_id` and `secret` may ask again after a lost answer: the same opening is made once. Its repr tells no secret.
    """

    tenant_id: str = ""
    allowed_types: tuple[str, ...] = ()
    max_bytes: int | None = None
    min_bytes: int | None = None
    scan_required: bool = False
    seconds: int = 900
    session_id: str = field(default_factory=lambda: f"s_{secrets.token_hex(16)}")
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    def check(self) -> None:
        """Raises WrongField for the first field that cannot be so."""
        if found := mistyped(Opening, self):
            raise WrongField(found[0], f"it has to be {found[1]}")
        checks: tuple[tuple[str, Callable[[], str | None]], ...] = (
            ("sessionId", self._id_fault),
            ("secret", self._secret_fault),
            ("tenantId", self._tenant_fault),
            ("allowedTypes", self._types_fault),
            ("minBytes", lambda: _size_fault(self.min_bytes)),
            ("maxBytes", self._most_fault),
            ("seconds", self._life_fault),
        )
        for name, fault in checks:
            if why := fault():
                raise WrongField(name, why)

    def row(self, now: datetime) -> dict[str, Any]:
        """The item of the sessions table, in DynamoDB's typed form: a producer may write it in a transaction of its own, under the
        condition that there is none of this `sessionId`. Raises WrongField.
        """
        self.check()
        row: dict[str, Any] = {
            "sessionId": self.session_id,
            "status": rules.AWAITING,
            "createdAt": instant(now),
            "expiresAt": int(now.timestamp()) + self.seconds,
            "secretHash": hashed(self.secret),
        }
        asked = {
            "tenantId": self.tenant_id,
            "allowedTypes": [*self.allowed_types],
            "maxBytes": self.max_bytes,
            "minBytes": self.min_bytes,
            "scanRequired": self.scan_required,
        }
        row |= {name: value for name, value in asked.items() if value not in ("", None, False, [])}
        return {name: typed(value) for name, value in row.items()}

    def _id_fault(self) -> str | None:
        is_plain = _ID.fullmatch(self.session_id) and self.session_id not in {".", ".."}
        return None if is_plain else "1 to 128 letters, digits, '.', '_', '~' or '-': it is part of keys and URLs"

    def _secret_fault(self) -> str | None:
        long = LEAST_SECRET <= len(self.secret) <= 256
        return None if long else f"{LEAST_SECRET} to 256 characters that nobody can guess; leave it out and one is made"

    def _tenant_fault(self) -> str | None:
        right = len(self.tenant_id) <= 256 and (self.tenant_id.isprintable() or not self.tenant_id)
        return None if right else "at most 256 printable characters"

    def _types_fault(self) -> str | None:
        if len(self.allowed_types) > MOST_TYPES or len({*self.allowed_types}) < len(self.allowed_types):
            return f"at most {MOST_TYPES}, each once"
        right = all(_TYPE.fullmatch(each) for each in self.allowed_types)
        return None if right else "types such as image/png, or image/* for all pictures but SVG, in lower case"

    def _most_fault(self) -> str | None:
        if self.max_bytes is not None and self.min_bytes is not None and self.max_bytes < self.min_bytes:
            return "not less than minBytes"
        return _size_fault(self.max_bytes)

    def _life_fault(self) -> str | None:
        return None if 1 <= self.seconds <= LONGEST_LIFE else f"1 to {LONGEST_LIFE} seconds"


def hashed(secret: str) -> str:
    """As a row holds it: who reads the table, or its archive, cannot use it. Of any text, also one that is no secret at all."""
    return sha256(secret.encode(errors="surrogatepass")).hexdigest()


def _size_fault(size: int | None) -> str | None:
    return None if size is None or 1 <= size <= LARGEST_OBJECT else f"1 to {LARGEST_OBJECT} bytes"
