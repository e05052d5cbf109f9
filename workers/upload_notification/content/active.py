"""What in a file another program would run than the one that the file is for: scripts in markup, and beginnings of other formats."""

from __future__ import annotations

import re
from typing import Final

# A namespace's prefix changes no element: <x:script> of SVG's namespace is a script.
_ELEMENT: Final = rb"<(?:[^\s<>/:]{1,40}:)?"
# `onwebkitanimationiteration` and `oncontentvisibilityautostatechange` are the long ones.
_HANDLER: Final = rb"on[a-z]{3,40}\s{0,20}="

_RUNS: Final = re.compile(
    _ELEMENT + rb"(?:script|foreignobject|iframe|embed|object|stylesheet|transform)[\s/>]"
    rb"|\b" + _HANDLER + rb"|javascript:|data:(?:text|application|image/svg)|<!entity|<!attlist|<\?xml-stylesheet"
    # A link whose letters are written as references, or stand on several lines, is none that can be read here; nor is one that is animated.
    rb"|href\s{0,20}=\s{0,20}[\"'](?:[^\"'<>]*&(?!amp;)|\s*[a-z]+[\t\r\n][a-z\s]*:)"
    rb"|attributename\s{0,20}=\s{0,20}[\"'](?:[^\"'<>]*&|\s{0,20}(?:[^\s\"':]{1,40}:)?(?:href|on))"
    # An escape switches the letters of ISO-2022: what stands here is not what is read there.
    rb"|[\0-\x08\x0e-\x1f]",
    re.IGNORECASE,
)
# A namespace may be written in references, too.
_READ_AS_PAGE: Final = re.compile(
    rb"www\.w3\.org/(?:1999/xhtml|2000/svg)|xmlns[^\"'<>]{0,80}[\"'][^\"'<>]*&", re.IGNORECASE
)

_WITHIN: Final = re.compile(
    rb"<(?:script|html|svg|iframe)[\s/>]|<!doctype\s+html"
    rb"|<[a-z][^<>]{0,300}?(?:[\s/\"']" + _HANDLER + rb"|javascript:)"
    # Three bytes come up by chance in a compressed picture: a short tag of PHP counts where a text follows.
    rb"|<\?(?:php|[=\t\r\n ][\t\r\n -~]{6})|%PDF-\d|PK\x03\x04[\x0a\x14\x2d\x3f]\0"
    # Both are found behind other bytes, as in an archive that unpacks itself.
    rb"|Rar!\x1a\x07[\0\x01]|7z\xbc\xaf\x27\x1c",
    re.IGNORECASE,
)
# To JavaScript the first letters of a signature are a name; a comment hides the rest from it.
_COMMENTED: Final = re.compile(
    rb".{0,12}?(?:/\*.*?\*/|(?://|<!--)[^\r\n]*[\r\n]+[\t -~]{8})",
    re.DOTALL,
)


def runs_as_svg(text: bytes) -> bool:
    """Whether a browser that shows the picture would run something in it, or load something that runs."""
    return bool(_RUNS.search(text))


def runs_as_xml(text: bytes) -> bool:
    """Whether a browser that opens the document would: one of a page's or a picture's namespace, or one with a stylesheet."""
    return b"<?xml-stylesheet" in text or bool(_READ_AS_PAGE.search(text) and _RUNS.search(text))


def is_page_within(text: bytes) -> bool:
    """Whether a text may be read as markup, PHP, a PDF or an archive too."""
    return bool(_WITHIN.search(text))


def is_program_too(head: bytes) -> bool:
    """Whether a picture, sound, film or font may be read as JavaScript, or as what a text may be read as."""
    return bool(_COMMENTED.match(head) or _WITHIN.search(head, 2))
