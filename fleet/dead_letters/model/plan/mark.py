"""The seal on the mark `fleet-replay`: whoever may send to a queue can write such a mark, and only who has the key of plans its seal; pure."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import orjson

from fleet.dead_letters.model.letter import UNREADABLE, DeadLetter, claimed_lineage, stored_body

SEALED = ("idempotency_key", "plan_id", "replayed_from", "times_replayed", "edited_from")
"""What the seal covers, with the digest of the body: on another message it does not hold."""
LENGTH = 32  # hex digits


def seal(mark: Mapping[str, Any], digest: str, *, key: bytes) -> str:
    """The seal of a mark on a body with this digest. Raises TypeError where the mark holds what is no JSON."""
    content = orjson.dumps(["fleet-replay", digest, *(mark.get(name) for name in SEALED)])
    return hmac.new(key, content, hashlib.sha256).hexdigest()[:LENGTH]


def verified(letter: DeadLetter, *, key: bytes) -> DeadLetter:
    """The letter, `sealed` where what it says of an earlier replay was written with `key`; without a key nothing was."""
    given = claimed_lineage(letter).get("seal")
    if not key or not isinstance(given, str):
        return letter
    return replace(letter, sealed=any(_fits(given, letter, digest, key) for digest in _digests(letter)))


def _fits(given: str, letter: DeadLetter, digest: str, key: bytes) -> bool:
    try:
        return hmac.compare_digest(given.encode(), seal(claimed_lineage(letter), digest, key=key).encode())
    except UNREADABLE:
        return False


def _digests(letter: DeadLetter) -> Iterator[str]:
    """Of the body, and of the one that a burial put into S3, whose key tells it."""
    yield letter.digest
    if (stored := stored_body(letter)) is not None:
        yield stored.key.rpartition("sha256-")[2]
