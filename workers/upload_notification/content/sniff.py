"""The type of a file from its first bytes: a library's signatures, and rules of our own for what it misses or mistakes."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import filetype

from workers.upload_notification.content.active import is_page_within, is_program_too, runs_as_svg, runs_as_xml
from workers.upload_notification.content.packed import OOXML, ZIP, packed

HEAD: Final = 4096
"""Bytes that are looked at, from the beginning of the file."""

UNKNOWN: Final = "application/octet-stream"
TEXT: Final = "text/plain"
HTML: Final = "text/html"
SVG: Final = "image/svg+xml"

_OWN: Final = (
    # Programs first: whatever else such a file might be, somebody's machine runs it.
    (0, b"MZ", "application/x-msdownload"),
    (0, b"\x7fELF", "application/x-executable"),
    (0, b"\xfe\xed\xfa\xce", "application/x-mach-binary"),
    (0, b"\xfe\xed\xfa\xcf", "application/x-mach-binary"),
    (0, b"\xce\xfa\xed\xfe", "application/x-mach-binary"),
    (0, b"\xcf\xfa\xed\xfe", "application/x-mach-binary"),
    (0, b"\xca\xfe\xba\xbe", "application/java-vm"),
    (0, b"dex\n03", "application/vnd.android.dex"),
    (0, b"\0asm", "application/wasm"),
    (0, b"#!AMR", "audio/amr"),
    (0, b"#!", "text/x-shellscript"),
    (0, b"L\0\0\0\x01\x14\x02\0", "application/x-ms-shortcut"),
    (0, b"ITSF", "application/vnd.ms-htmlhelp"),
    (0, b"<?php", "application/x-httpd-php"),
    (0, b"\xff\x0a", "image/jxl"),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", "image/jxl"),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", "image/jp2"),
    (0, b"qoif", "image/qoi"),
    (0, b"\x76\x2f\x31\x01", "image/x-exr"),
    (0, b"DDS ", "image/vnd.ms-dds"),
    (0, b"glTF", "model/gltf-binary"),
    (0, b"PAR1", "application/vnd.apache.parquet"),
    (0, b"ARROW1", "application/vnd.apache.arrow.file"),
    (0, b"BEGIN:VCALENDAR", "text/calendar"),
    (0, b"BEGIN:VCARD", "text/vcard"),
    (0, b"-----BEGIN ", "application/x-pem-file"),
    (0, b"wOF2", "font/woff2"),
    (0, b"ttcf", "font/collection"),
    (0, b"II+\0\x08\0\0\0", "image/tiff"),
    (0, b"MM\0+\0\x08\0\0", "image/tiff"),
    (0, b"\xff\xfa", "audio/mpeg"),
    (0, b"RF64", "audio/x-wav"),
    (8, b"AIFC", "audio/x-aiff"),
    (4, b"moov", "video/quicktime"),
    (4, b"wide", "video/quicktime"),
    (4, b"mdat", "video/quicktime"),
)
_WRITTEN: Final = (
    "text/", "application/x-httpd-php", "application/x-pem-file", "application/pdf", "application/postscript", "application/rtf",
    "application/x-unix-archive",
)  # fmt: skip
"""Formats with a signature that are text; anything else has bytes that no text has."""

_BRANDS: Final = MappingProxyType(
    {b"avif": "image/avif", b"avis": "image/avif"}
    | dict.fromkeys((b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis"), "image/heic")
    | {b"mif1": "image/heif", b"msf1": "image/heif", b"crx ": "image/x-canon-cr3", b"qt  ": "video/quicktime"}
    | dict.fromkeys((b"M4A ", b"M4B ", b"M4P "), "audio/mp4")
    | {b"M4V ": "video/x-m4v", b"M4VH": "video/x-m4v", b"M4VP": "video/x-m4v"}
)

# https://mimesniff.spec.whatwg.org/#identifying-a-resource-with-an-unknown-mime-type
_HTML: Final = re.compile(
    rb"(?:(?><!--.*?-->)\s*)*+<(?:!doctype\s+html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p|form|img|meta|link)[\s/>]",
    re.IGNORECASE | re.DOTALL,
)
_SVG: Final = re.compile(
    rb"(?:(?><\?xml.*?\?>)|(?><!--.*?-->)|<!doctype\s+svg[^>]*+>|\s++)*+<svg[\s/>]", re.IGNORECASE | re.DOTALL
)
_CONTROL: Final = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]")
_BOM: Final = b"\xef\xbb\xbf"
_MEDIA: Final = ("image/", "audio/", "video/", "font/", "application/font")


@dataclass(frozen=True, slots=True)
class Found:
    """`type` is what the file is; `is_mixed` says that another program may take it for something else, or find a script in it."""

    type: str
    is_mixed: bool = False


def sniff(head: bytes, *, size: int) -> Found:
    """What a file of `size` bytes is whose first HEAD bytes (or all) these are."""
    kind = _signature(head)
    # What is text to its end is no binary file, whichever letters it begins with: `GIF=1;alert(1)`, `MZ,Mozambique`.
    if kind is None or (not kind.startswith(_WRITTEN) and _is_text(head)):
        return _markup(_in_utf_8(head), is_whole=size <= len(head))
    if kind == ZIP or kind.startswith(OOXML):
        return Found(packed(head, kind))
    return Found(kind, is_mixed=kind.startswith(_MEDIA) and is_program_too(head))


def _signature(head: bytes) -> str | None:
    for offset, magic, kind in _OWN:
        if head.startswith(magic, offset):
            return kind
    if head[4:8] == b"ftyp":
        return _brand(head)
    if head.startswith(b"OggS"):
        return "video/ogg" if b"\x80theora" in head else "audio/ogg"
    found = filetype.guess_mime(head)
    if found == "image/bmp" and head[14:18] not in _BMP_HEADERS:
        return None  # a text may begin with BM
    if found == "video/webm" and {*_TRACK.findall(head)} == {b"A"}:
        return "audio/webm"
    return str(found) if found else None


_BMP_HEADERS: Final = frozenset(length.to_bytes(4, "little") for length in (12, 16, 40, 52, 56, 64, 108, 124))
_TRACK: Final = re.compile(rb"\x86[\x80-\xbf]([AV])_")
"""The codec of one of WebM's tracks (https://www.matroska.org/technical/codec_specs.html)."""


def _brand(head: bytes) -> str:
    """ISO base media files (MP4 and its relatives) name their brands; the first of a picture's or a sound's decides."""
    end = min(int.from_bytes(head[:4], "big"), len(head), 256)
    brands = [head[8:12], *(head[place : place + 4] for place in range(16, end - 3, 4))]
    kinds = [kind for brand in brands if (kind := _BRANDS.get(brand))]
    if head[8:10] == b"3g":
        return "video/3gpp"
    precise = [kind for kind in kinds if kind != "image/heif"]
    return (precise or kinds or ["video/mp4"])[0]


def _markup(head: bytes, *, is_whole: bool) -> Found:
    """What has no signature: markup is known by its first tag, text by having no byte that text has not."""
    text = head.removeprefix(_BOM).lstrip()
    if _HTML.match(text):
        return Found(HTML)
    if _SVG.match(text):
        # A script may stand where nobody has looked.
        return Found(SVG, is_mixed=not is_whole or runs_as_svg(text))
    if place := head.find(b"%PDF-", 0, 1024) + 1:
        return Found("application/pdf", is_mixed=bool(head[: place - 1].removeprefix(_BOM).strip()))
    if not _is_text(head):
        return Found(UNKNOWN)
    if text.startswith(b"<?xml"):
        return Found("application/xml", is_mixed=runs_as_xml(text))
    # XML needs no declaration.
    return Found(TEXT, is_mixed=is_page_within(text) or (text.startswith(b"<") and runs_as_xml(text)))


def _in_utf_8(head: bytes) -> bytes:
    """A text that begins with the mark of UTF-16 is read like any other; its last character may be cut."""
    if head[:2] not in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}:
        return head
    try:
        return codecs.getincrementaldecoder("utf-16")().decode(head).encode()
    except UnicodeError:
        return head


def _is_text(head: bytes) -> bool:
    """UTF-8 without a byte that text has not; the last character may be cut."""
    if _CONTROL.search(head):
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return len(head) >= HEAD and error.start > len(head) - 4
    return True
