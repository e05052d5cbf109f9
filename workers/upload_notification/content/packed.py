"""What a ZIP is, from what its first entries say."""

from __future__ import annotations

import re
import zlib
from types import MappingProxyType
from typing import Final

ZIP: Final = "application/zip"
OOXML: Final = "application/vnd.openxmlformats-officedocument."

_PACKED: Final = (
    (b"META-INF/", "application/java-archive"),
    (b"AndroidManifest.xml", "application/vnd.android.package-archive"),
    (b"word/", f"{OOXML}wordprocessingml.document"),
    (b"xl/", f"{OOXML}spreadsheetml.sheet"),
    (b"ppt/", f"{OOXML}presentationml.presentation"),
)
"""What a ZIP holds says what it is, where its first names are within the head."""
_ZIP_NAME: Final = re.compile(rb"PK\x03\x04.{22}(..)..", re.DOTALL)

_LIST_OF_PARTS: Final = re.compile(rb"PK\x03\x04.{22}\x13\0(..)\[Content_Types\]\.xml", re.DOTALL)
MOST_UNPACKED: Final = 16_384
"""Bytes of a document's list of parts that are unpacked: 60 KB would come out of the head at most, a thousand times as much of a bomb."""
_MAIN: Final = re.compile(rb"application/vnd\.([a-zA-Z.-]{1,80})\.main\+xml")
_DOCUMENTS: Final = MappingProxyType({kind.removeprefix("application/vnd.").encode(): kind for _, kind in _PACKED[2:]})
_WITH_MACROS: Final = re.compile(
    rb"application/vnd\.(ms-[a-z]{4,10}\.[a-z]{4,20}(?:\.binary)?\.macroenabled)", re.IGNORECASE
)
"""Documents, templates, shows, add-ins and workbooks in binary."""
_MACROS: Final = MappingProxyType(
    {b"word/": "ms-word.document", b"xl/": "ms-excel.sheet", b"ppt/": "ms-powerpoint.presentation"}
)


def packed(head: bytes, kind: str) -> str:
    """The type of what begins like a ZIP, `kind` for a library that looks at names."""
    names = _names(head)
    macros = next((name for name in names if name.lower().endswith(b"/vbaproject.bin")), b"")
    for folder, family in _MACROS.items():
        if macros.startswith(folder):  # whatever its list of parts calls it, and wherever that stands
            return f"application/vnd.{family}.macroenabled.12"
    return _document(head) or (_by_names(names) if kind == ZIP else kind)


def _names(head: bytes) -> list[bytes]:
    lengths = ((entry.end(), int.from_bytes(entry[1], "little")) for entry in _ZIP_NAME.finditer(head))
    return [head[start : start + length] for start, length in lengths]


def _by_names(names: list[bytes]) -> str:
    return next((kind for mark, kind in _PACKED if any(name.startswith(mark) for name in names)), ZIP)


def _document(head: bytes) -> str | None:
    """An Office document, by its list of parts, which tells a macro from none; wherever in the head that stands."""
    found = _LIST_OF_PARTS.search(head)
    if found is None:
        return None
    entry, start = head[found.start() :], found.end() - found.start() + int.from_bytes(found[1], "little")
    size = int.from_bytes(entry[18:22], "little")  # 0 where it is told behind the data
    data = entry[start : start + size] if size else entry[start:]
    if entry[8:10] == b"\x08\0":
        try:
            data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, MOST_UNPACKED)
        except zlib.error:
            return None
    if macros := _WITH_MACROS.search(data):
        return f"application/vnd.{macros[1].decode().lower()}.12"
    kinds = (_DOCUMENTS.get(main[1]) for main in _MAIN.finditer(data))
    return next((kind for kind in kinds if kind), None)
