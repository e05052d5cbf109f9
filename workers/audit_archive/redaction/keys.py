"""The keys that hide personal data: HMAC-SHA256, each with an id that stands in what it made."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from dataclasses import dataclass, field

_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
_SHORTEST_SECRET = 32


@dataclass(frozen=True, slots=True)
class HashKey:
    """One key for HMAC-SHA256. Its id stands in every hash made with it; destroying it makes those unlinkable."""

    id: str
    secret: bytes = field(repr=False)


def hash_keys(text: str) -> tuple[HashKey, ...]:
    """Read `keyid:base64[,keyid:base64...]`, or the same as a JSON object, as Secrets Manager generates one; the first is the
    current one. Raises ValueError without quoting a key.
    """
    keys = tuple(_hash_key(part.strip(), place) for place, part in enumerate(_parts(text), start=1))
    if len({key.id for key in keys}) != len(keys):
        raise ValueError("two keys have the same id")
    return keys


def _parts(text: str) -> list[str]:
    if not text.lstrip().startswith("{"):
        return text.split(",")
    try:
        found = [f"{key_id}:{secret}" for key_id, secret in json.loads(text, object_pairs_hook=list)]
    except (ValueError, RecursionError):
        found = []  # the error's text quotes the input
    if found:
        return found
    raise ValueError('no JSON object of the form {"keyid": "base64"}')


def _hash_key(text: str, place: int) -> HashKey:
    key_id, colon, encoded = text.partition(":")
    if not colon or not _KEY_ID.fullmatch(key_id):
        raise ValueError(f"key {place} is not of the form keyid:base64, or its id has characters beyond A-Za-z0-9_-")
    try:
        secret = b64decode(encoded, validate=True)
    except ValueError:
        secret = b""
    if len(secret) < _SHORTEST_SECRET:
        raise ValueError(f"key {place} is not base64 of {_SHORTEST_SECRET} bytes or more")
    return HashKey(key_id, secret)
