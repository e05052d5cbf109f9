"""Whether a session takes a file: its size and its type against what the session allows."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from workers.upload_notification.content.sniff import SVG, TEXT, Found

Reason = Literal["empty", "too_small", "too_large", "content_mismatch", "threats_found", "scan_failed"]

_ALIASES: Final = MappingProxyType(
    {
        "image/jpg": "image/jpeg",
        "image/pjpeg": "image/jpeg",
        "image/x-png": "image/png",
        "image/x-ms-bmp": "image/bmp",
        "image/vnd.microsoft.icon": "image/x-icon",
        "audio/mp3": "audio/mpeg",
        "audio/wav": "audio/x-wav",
        "audio/wave": "audio/x-wav",
        "audio/flac": "audio/x-flac",
        "audio/aiff": "audio/x-aiff",
        "audio/m4a": "audio/mp4",
        "audio/x-m4a": "audio/mp4",
        "video/avi": "video/x-msvideo",
        "video/matroska": "video/x-matroska",
        "audio/opus": "audio/ogg",
        "audio/vorbis": "audio/ogg",
        "font/woff": "application/font-woff",
        "font/otf": "application/font-sfnt",
        "font/ttf": "application/font-sfnt",
        "application/x-gzip": "application/gzip",
        "application/x-zip-compressed": "application/zip",
        "application/x-pdf": "application/pdf",
        "application/vnd.rar": "application/x-rar-compressed",
        "application/x-rar": "application/x-rar-compressed",
        "application/x-bzip": "application/x-bzip2",
        "application/vnd.sqlite3": "application/x-sqlite3",
        "image/x-photoshop": "image/vnd.adobe.photoshop",
        "text/rtf": "application/rtf",
        "text/xml": "application/xml",
    }
)
_PLAIN: Final = frozenset(
    {
        TEXT,
        "text/csv",
        "text/markdown",
        "text/tab-separated-values",
        "application/json",
        "application/x-ndjson",
        "application/yaml",
    }
)
"""Types that are text and look like any other."""


@dataclass(frozen=True, slots=True)
class Gate:
    """What a session allows: `types` as it names them (empty: any), sizes in bytes (None: any)."""

    types: tuple[str, ...] = ()
    most: int | None = None
    least: int | None = None


@dataclass(frozen=True, slots=True)
class Complete:
    """The session takes the file; `type` was found from its content, "" where nobody looked."""

    type: str = ""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The session does not take the file."""

    reason: Reason
    type: str = ""


Verdict = Complete | Rejected


def judge_size(size: int, gate: Gate | None) -> Rejected | None:
    """A file without a byte is nobody's; other sizes are the session's to allow."""
    if size == 0:
        return Rejected("empty")
    if gate and gate.least is not None and size < gate.least:
        return Rejected("too_small")
    return Rejected("too_large") if gate and gate.most is not None and size > gate.most else None


def judge_type(found: Found, gate: Gate) -> Verdict:
    """What may be taken for two things is taken for none."""
    is_allowed = not found.is_mixed and any(_matches(found.type, allowed.strip().lower()) for allowed in gate.types)
    return Complete(found.type) if is_allowed else Rejected("content_mismatch", found.type)


_ALSO: Final = MappingProxyType({"image/heic": "image/heif", "image/apng": "image/png", "audio/webm": "video/webm"})
"""Files of these types are good files of the other, too, and carry its name more often than not."""


def _matches(kind: str, allowed: str) -> bool:
    allowed = _ALIASES.get(allowed, allowed)
    if allowed.endswith("/*"):
        return kind != SVG and kind.startswith(allowed[:-1])  # a document, although its name is a picture's
    if kind == TEXT:
        return allowed in _PLAIN
    return allowed in {kind, _ALSO.get(kind)}
