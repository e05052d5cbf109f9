"""What one object of the archive holds: sorted rows as gzip NDJSON, or, as a fence, nothing for ever."""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from workers.audit_archive.rules import Row

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Summary:
    """What an object's metadata says of its content. `sha256` is of the uncompressed bytes, in hex."""

    sha256: str
    rows: int
    oldest: datetime | None
    newest: datetime | None
    fence: bool


@dataclass(frozen=True, slots=True)
class Packed:
    """An object ready to be written."""

    body: bytes
    metadata: Mapping[str, str]


def pack(rows: Iterable[Row]) -> Packed:
    """Sort, join, compress. The same rows give the same content, whatever order they came in."""
    ordered = sorted(rows, key=lambda row: (row.order, row.identity))
    times = [row.event_time for row in ordered]
    content = b"".join(row.line + b"\n" for row in ordered)
    metadata = {
        "sha256": hashlib.sha256(content).hexdigest(),
        "rows": str(len(ordered)),
        "oldest": min(times).isoformat(),
        "newest": max(times).isoformat(),
    }
    return Packed(gzip.compress(content, mtime=0), metadata)


FENCE = Packed(
    gzip.compress(b"", mtime=0),  # a valid empty file: whatever reads the folder reads on
    {"sha256": hashlib.sha256(b"").hexdigest(), "rows": "0", "fence": "true"},
)
"""Written at a name that its owner left empty, so that the owner can never fill it."""


def summary(metadata: Mapping[str, str]) -> Summary | None:
    """What the writer said; None where the object was not written by this worker."""
    try:
        return Summary(
            sha256=metadata["sha256"],
            rows=int(metadata["rows"]),
            oldest=_time(metadata.get("oldest")),
            newest=_time(metadata.get("newest")),
            fence=metadata.get("fence") == "true",
        )
    except (KeyError, ValueError):
        return None


def content_hash(body: bytes) -> str | None:
    """SHA-256 of the uncompressed content, in hex; None where the body cannot be uncompressed.

    Read in pieces: a forged body of a few kilobytes may claim to hold gigabytes.
    """
    digest = hashlib.sha256()
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as opened:
            while piece := opened.read(_CHUNK):
                digest.update(piece)
    except (OSError, EOFError, zlib.error):
        return None
    return digest.hexdigest()


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
