"""Personal data replaced by keyed hashes, wherever in an item it hides; the rest left as it was, byte for byte."""

from __future__ import annotations

import hmac
import json
import re
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from shared import Image
from workers.audit_archive.redaction.keys import HashKey
from workers.audit_archive.redaction.looks import encoded, looks, numbers, percent_encoded, readable
from workers.audit_archive.redaction.personal import Names, lines, names_within, pairs
from workers.audit_archive.redaction.public import Declared, Public
from workers.audit_archive.redaction.subjects import Subject, words_of

_DEEPEST = 64
"""Levels of maps, lists and JSON in strings that are looked through; JSON that lies deeper is hashed whole."""

_LONGEST_NAME = 64
"""Letters of a name that is remembered: longer ones are data."""

_LONGEST_TEXT = 256
_MOST_TEXTS = 4096
"""What is remembered of texts: letters of one, and how many."""

_A_WORD = re.compile(r"[^\W\d][^\W\d.-]*[0-9]{0,2}")

_OPENS_JSON = ("{", "[", '"')


@dataclass(frozen=True, slots=True)
class Redactor:
    """Hides what is personal by its name or by its look, and of tables whose public part is declared, all the rest.

    A value becomes `hmac:<keyid>:<64 hex>`, or `hmac:s:<tag>:<64 hex>` with a subject's own key: under one key the same value gives the same hash in every item, table and nesting, so
    that rows of one guest can be found by who holds the key, and by nobody else.
    """

    key: HashKey
    names: Names = field(default_factory=Names)
    public: Public = field(default_factory=Public)
    known: dict[str, tuple[str, int]] = field(default_factory=dict, compare=False, repr=False)
    """Texts of attributes, as they were hidden with this key: an update's two images have most of theirs in common."""

    def image(self, image: Image, table: str = "", subject: Subject | None = None) -> tuple[Image, int]:
        """The item without personal data, and how often only a look gave some away. It stays typed DynamoDB JSON.

        Of a known subject everything is hidden with their own key, and their name as well, wherever it is a word of a text.
        """
        walk = _Walk(subject.key, self.names, subject) if subject else _Walk(self.key, self.names, known=self.known)
        return walk.map(image, personal=False, depth=0, declared=self.public.of(table)), walk.found


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as it was written: in its order, with every key, also one that comes twice."""


class _Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


@dataclass(slots=True)
class _Walk:
    key: HashKey
    names: Names
    subject: Subject | None = None
    found: int = 0
    known: dict[str, tuple[str, int]] | None = None

    def map(self, content: Mapping[str, Any], *, personal: bool, depth: int, declared: Declared) -> dict[str, Any]:
        hidden: dict[str, Any] = {}
        is_open = declared.everything and not personal and self.subject is None  # of most, one look says all
        for name, value in content.items():
            if is_open and len(name) <= _LONGEST_NAME and _is_open(name, self.names):
                hidden[name] = self._typed(value, personal=False, depth=depth + 1, declared=declared)
                continue
            hidden[self._name(name, declared, depth, personal=personal)] = self._typed(
                value,
                personal=personal or self._is_personal(name),
                depth=depth + 1,
                declared=declared.under(name),
            )
        return hidden

    def _is_personal(self, name: str) -> bool:
        return self.names.personal(name) or (self.subject is not None and name == self.subject.attribute)

    def _name(self, name: str, declared: Declared, depth: int, *, personal: bool) -> str:
        """A column's name is the schema's; names within an item may be data, and are hidden where none declared them."""
        if depth == 0 or declared.everything or name in declared.names:
            return self._of_schema(name, personal=personal)
        return self._hash("S", name)

    def _of_schema(self, name: str, *, personal: bool) -> str:
        """A name that comes with every row; below a personal one (`guests`) what is no plain word is a person's."""
        if personal and not _A_WORD.fullmatch(name):
            return self._hash("S", name)
        is_plain = len(name) <= _LONGEST_NAME and _is_plain(name, self.names)
        return name if is_plain and (self.subject is None or self.subject.value not in name) else self._by_look(name)

    def _typed(self, value: Mapping[str, Any], *, personal: bool, depth: int, declared: Declared) -> Mapping[str, Any]:
        ((kind, content),) = value.items()
        hidden: Mapping[str, Any] = value
        is_closed = personal or not declared.everything
        match kind:
            case "M":
                hidden = {"M": self.map(content, personal=personal, depth=depth, declared=declared)}
            case "L":
                hidden = {
                    "L": [self._typed(each, personal=personal, depth=depth + 1, declared=declared) for each in content]
                }
            case "S" if not is_closed:
                hidden = {"S": self._known_text(content) if depth == 1 else self._text(content, depth)}
            case "SS" if not is_closed:
                hidden = {"SS": [*dict.fromkeys(self._text(each, depth) for each in content)]}
            case "SS" | "NS" | "BS" if is_closed or self._hides_text(kind, content):
                hidden = {"SS": sorted({self._hash(kind[0], each) for each in content})}
            case "S" | "N" | "B" if is_closed or (kind == "B" and self._hides_text(kind, [content])):
                hidden = {"S": self._hash(kind, content)}
            case "BOOL" if personal:
                hidden = {"S": self._hash(kind, _boolean(content))}
        return hidden

    def _known_text(self, text: str) -> str:
        """The text of an attribute, which is looked through once."""
        if self.known is None or len(text) > _LONGEST_TEXT:
            return self._text(text, 1)
        known = self.known.get(text)
        if known is None:
            before = self.found
            known = self._text(text, 1), self.found - before
            if len(self.known) < _MOST_TEXTS:
                self.known[text] = known
        else:
            self.found += known[1]
        return known[0]

    def _text(self, text: str, depth: int) -> str:
        """A string: JSON is looked through as such, anything else by its look."""
        if text.lstrip().startswith(_OPENS_JSON):
            try:
                opened = json.loads(
                    text, object_pairs_hook=_Pairs, parse_int=_Number, parse_float=_Number, parse_constant=_Number
                )
                hidden = self._json(opened, personal=False, depth=depth + 1)
                return text if hidden == opened else "".join(_written(hidden))
            except RecursionError:  # nested deeper than can be read, or written again
                return self._whole(text)
            except ValueError:
                pass  # only looks like JSON
        if names_within(text, self.names):
            return self._whole(text)
        found = self._by_look(self._decoded(text, depth, encoded))
        return self._decoded(found, depth, percent_encoded) if "%" in found else found

    def _decoded(self, text: str, depth: int, codes: Callable[[str], Iterator[tuple[int, int, str]]]) -> str:
        """The text with each code in it hidden whole that holds something personal."""
        pieces, end = [], 0
        for start, stop, opened in codes(text) if depth < _DEEPEST else ():
            inner = _Walk(self.key, self.names, self.subject)
            if inner._text(opened, depth + 1) != opened:  # of its own class
                pieces += [text[end:start], self._whole(text[start:stop])]
                end = stop
        return "".join([*pieces, text[end:]]) if pieces else text

    def _json(self, value: Any, *, personal: bool, depth: int) -> Any:
        if depth > _DEEPEST:
            return self._whole("".join(_written(value)))
        hidden = value
        match value:
            case _Pairs():
                hidden = _Pairs(
                    (
                        self._of_schema(name, personal=personal),
                        self._json(each, personal=personal or self._is_personal(name), depth=depth + 1),
                    )
                    for name, each in value
                )
            case list():
                hidden = [self._json(each, personal=personal, depth=depth + 1) for each in value]
            case bool() if personal:
                hidden = self._hash("BOOL", _boolean(value))
            case _Number() if personal:
                hidden = self._hash("N", value)
            case str() if personal:
                hidden = self._hash("S", value)
            case str() if not isinstance(value, _Number):
                hidden = self._text(value, depth)
        return hidden

    def _by_look(self, text: str) -> str:
        """The text with what looks personal replaced in place: `GUEST#a@b.example` keeps its prefix."""
        for find in (looks, numbers, self._pairs, self._lines, self._subject):
            pieces, end = [], 0
            for start, stop, value in find(text):
                pieces += [text[end:start], self._hash("S", value)]
                end = stop
            if pieces:
                self.found += len(pieces) // 2
                text = "".join([*pieces, text[end:]])
        return text

    def _pairs(self, text: str) -> Iterator[tuple[int, int, str]]:
        return (pair for pair in pairs(text, self.names) if not pair[2].startswith("hmac:"))

    def _lines(self, text: str) -> Iterator[tuple[int, int, str]]:
        return (line for line in lines(text, self.names) if not line[2].startswith("hmac:"))

    def _subject(self, text: str) -> Iterator[tuple[int, int, str]]:
        if self.subject is not None and self.subject.value in text:
            for found in words_of(self.subject.value).finditer(text):
                if found[1] is not None:
                    yield *found.span(1), found[1]

    def _whole(self, text: str) -> str:
        self.found += 1
        return self._hash("S", text)

    def _hides_text(self, kind: str, contents: list[str]) -> bool:
        """True where a binary value holds text with something personal."""
        if kind not in {"B", "BS"} or not any(self._is_telling(b64decode(content)) for content in contents):
            return False
        self.found += 1
        return True

    def _is_telling(self, content: bytes) -> bool:
        text = readable(content)
        inner = _Walk(self.key, self.names, self.subject)
        return inner._text(text, 0) != text  # of its own class

    def _hash(self, kind: str, value: str) -> str:
        digest = hmac.digest(self.key.secret, _message(kind, value), "sha256")
        return f"hmac:{self.key.id}:{digest.hex()}"


@lru_cache(maxsize=4096)
def _is_open(name: str, names: Names) -> bool:
    """Whether it stays as it is and tells nothing of its value."""
    return _is_plain(name, names) and not names.personal(name)


@lru_cache(maxsize=4096)
def _is_plain(name: str, names: Names) -> bool:
    """Whether a name looks like nothing personal."""
    return not any(True for find in (looks(name), numbers(name), pairs(name, names)) for _ in find)


def _message(kind: str, value: str) -> bytes:
    """What is hashed: the type and the value in one form, so that 1, 1.0 and 10e-1 are one number, and no string."""
    match kind:
        case "N":
            content = _number(value).encode()
        case "B":
            content = b64decode(value)
        case _:
            content = value.encode("utf-8", "surrogatepass")  # JSON in strings may hold half a character
    return kind.encode() + b"\0" + content


def _boolean(value: object) -> str:
    return "true" if value else "false"


def _number(text: str) -> str:
    try:
        sign, digits, exponent = Decimal(text).as_tuple()
    except InvalidOperation:
        return text
    if not isinstance(exponent, int):  # NaN and Infinity, which only JSON in strings may hold
        return text
    significant = "".join(map(str, digits))
    kept = significant.rstrip("0")
    return f"{'-' if sign and kept else ''}{kept.lstrip('0') or '0'}e{exponent + len(significant) - len(kept) if kept else 0}"


def _written(value: Any) -> Iterator[str]:
    """JSON again, compact: numbers as they were written, objects in their order."""
    match value:
        case _Pairs():
            for place, (name, each) in enumerate(value):
                yield ("," if place else "{") + json.dumps(name) + ":"
                yield from _written(each)
            yield "}" if value else "{}"
        case list():
            for place, each in enumerate(value):
                yield "," if place else "["
                yield from _written(each)
            yield "]" if value else "[]"
        case _Number():
            yield value
        case _:
            yield json.dumps(value)
