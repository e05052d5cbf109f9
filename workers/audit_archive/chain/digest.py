"""A digest: the objects that are new since the digest before it, and that digest's hash."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from typing import Literal

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from workers.audit_archive.rules import OBJECT_KEY, canonical, named_at

_KEY = re.compile(r"digests/([0-9]{12})\.json")


class _Document(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, alias_generator=to_camel, hide_input_in_errors=True
    )


class Entry(_Document):
    """One object. `sha256` is of its uncompressed content, `bytes` its size as stored; a fence has 0 rows, no times."""

    key: str = Field(pattern=f"^{OBJECT_KEY}$")
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    rows: int = Field(ge=0)
    bytes: int = Field(ge=0)
    oldest_event_time: AwareDatetime | None
    newest_event_time: AwareDatetime | None


class Link(_Document):
    """The digest before: its key and the SHA-256 of its bytes."""

    key: str
    sha256: str


class Digest(_Document):
    """One link of the chain. The first has sequence 1 and no previous; no objects means: asserted empty."""

    version: Literal[1] = 1
    sequence: int = Field(ge=1)
    previous: Link | None
    created_at: AwareDatetime
    period_start: AwareDatetime
    period_end: AwareDatetime
    objects: tuple[Entry, ...]

    @property
    def key(self) -> str:
        return digest_key(self.sequence)

    def to_bytes(self) -> bytes:
        """Canonical JSON: what is stored, and what the next digest hashes."""
        return canonical(self.model_dump(mode="json", by_alias=True))


def digest_key(sequence: int) -> str:
    """Where a digest is kept: twelve digits, so that text order is their order."""
    return f"digests/{sequence:012}.json"


def sequence_of(key: str) -> int | None:
    """The number in a digest's key; None where it is none."""
    found = _KEY.fullmatch(key)
    return int(found[1]) if found else None


def parse(body: bytes) -> Digest | None:
    """The digest in `body`; None where it is none."""
    try:
        return Digest.model_validate(orjson.loads(body))
    except ValueError:  # not JSON, or not a digest
        return None


def hash_of(body: bytes) -> str:
    """SHA-256 in hex, as a link states it."""
    return hashlib.sha256(body).hexdigest()


def next_digest(
    *, sequence: int, previous: bytes | None, entries: tuple[Entry, ...], at: datetime, since: datetime | None
) -> Digest:
    """The digest after the one whose bytes are `previous`. `since` is the end of that one's period.

    Time never runs backwards along the chain, even where two makers' clocks differ.
    """
    end = at.astimezone(UTC) if since is None or at > since else since
    first_named = min((named for entry in entries if (named := named_at(entry.key))), default=end)
    return Digest(
        sequence=sequence,
        previous=None if previous is None else Link(key=digest_key(sequence - 1), sha256=hash_of(previous)),
        created_at=end,
        period_start=since or min(first_named, end),
        period_end=end,
        objects=tuple(sorted(entries, key=lambda entry: entry.key)),
    )
