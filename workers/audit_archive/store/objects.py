"""What one object of the archive holds: sorted rows as gzip NDJSON, or, as a fence, nothing for ever."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from workers.audit_archive.rules import Row

_CHUNK = 1 << 20
_SMALL = 1 << 12
_LEAF = b"\x00"  # RFC 6962: before a leaf, so that no inner node can be taken for one


@dataclass(frozen=True, slots=True)
class Summary:
    """What an object's metadata says of its content. `sha256` is of the uncompressed bytes, in hex."""

    sha256: str
    rows: int
    oldest: datetime | None
    newest: datetime | None
    fence: bool
    seal: str = ""


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
            seal=metadata.get("seal", ""),
        )
    except (KeyError, ValueError):
        return None


@dataclass(frozen=True, slots=True)
class Content:
    """What an object holds: the SHA-256 of its uncompressed bytes in hex, and the leaf hash of each row (see merkle.py)."""

    sha256: str
    leaves: tuple[bytes, ...]


async def read_content(body: bytes, *, rows: int) -> Content | None:
    """`content_of`, a large body in a thread; of a small one the way there costs more than the work."""
    if len(body) <= _SMALL:
        return content_of(body, rows=rows)
    return await asyncio.to_thread(content_of, body, rows=rows)


def content_of(body: bytes, *, rows: int) -> Content | None:
    """Read a body; None where it cannot be uncompressed, or where it has not just `rows` lines.

    Read in pieces: a forged body of a few kilobytes may claim to hold gigabytes.
    """
    whole, open_line, leaves = hashlib.sha256(), hashlib.sha256(_LEAF), list[bytes]()
    at_start = True
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as opened:
            while piece := opened.read(_CHUNK):
                whole.update(piece)
                first, *others = piece.split(b"\n")
                open_line.update(first)
                at_start = at_start and not first
                if others:
                    leaves.append(open_line.digest())
                    leaves += [hashlib.sha256(_LEAF + line).digest() for line in others[:-1]]
                    open_line, at_start = hashlib.sha256(_LEAF + others[-1]), not others[-1]
                if len(leaves) > rows:
                    return None
    except (OSError, EOFError, zlib.error):
        return None
    return Content(whole.hexdigest(), tuple(leaves)) if at_start and len(leaves) == rows else None


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
