"""What a JSON service's calls and answers look like by botocore's own model of it, made ready to be used often."""

from __future__ import annotations

import base64
from calendar import timegm
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.model import Shape

Turn = Callable[[Any], Any]
"""From a caller's value to one for JSON, or back. Raises ValueError, KeyError or TypeError for what is left to botocore."""


class Odd(ValueError):
    """Not a value of the usual kind."""


def writer(shape: Shape) -> Turn:
    """How botocore's parameters of this shape are written. Raises Odd where the shape has parts not known here."""
    return _Writers().of(shape)


def reader(shape: Shape) -> Turn:
    """How JSON of this shape is read, in place, as botocore reads it. Raises Odd where the shape has parts not known here."""
    return _Readers().of(shape) or (lambda value: value)


class _Writers:
    def __init__(self) -> None:
        self._made: dict[str, Turn] = {}
        self._plain: dict[str, dict[str, type]] = {}
        """Of structures of which no member is required: those that are written as they are, and their types."""

    def of(self, shape: Any) -> Turn:
        name = f"{shape.name} {shape.type_name} {shape.metadata.get('min')}"
        if name not in self._made:
            self._made[name] = lambda value: self._made[name](value)  # noqa: PLW0108  # a shape may hold itself
            self._made[name] = self._make(shape)
        return self._made[name]

    def _make(self, shape: Any) -> Turn:
        least = shape.metadata.get("min", 0)
        match shape.type_name:
            case "structure" if not (shape.is_document_type or shape.is_tagged_union):
                members = _members(shape)
                plain = {name: kind for name, member in members.items() if (kind := _kind(member)) is not None}
                required = frozenset(shape.required_members)
                self._plain[shape.name] = {} if required else plain  # known before what it holds, which may be itself
                turns = {name: self.of(member) for name, member in members.items() if name not in plain}
                return _structure_writer(plain, turns, required) if turns else _flat_writer(plain, required)
            case "list":
                return _list_writer(self.of(shape.member), least)
            case "map" if _kind(shape.key) is str and _kind(shape.value) is str:
                return _texts
            case "map":
                write = _map_writer(self.of(shape.key), self.of(shape.value))
                kept = self._plain.get(shape.value.name) if _kind(shape.key) is str else None
                return _attributes_writer(write, kept) if kept else write
            case "string" | "integer" | "long":
                return _typed(PLAIN[shape.type_name], least)
            case "timestamp" if shape.serialization.get("timestampFormat", "unixtimestamp") != "unixtimestamp":
                raise Odd(shape.name)
        return _SCALARS[shape.type_name]


def _members(shape: Any) -> dict[str, Any]:
    members: dict[str, Any] = dict(shape.members)
    if any(member.serialization.get("name", name) != name or "location" in member.serialization
           for name, member in members.items()):  # fmt: skip
        raise Odd(shape.name)
    return members


def _kind(shape: Any) -> type | None:
    """The type of values that are written as they are."""
    return None if shape.metadata.get("min") else PLAIN.get(shape.type_name)


def _structure_writer(plain: dict[str, type], turns: dict[str, Turn], required: frozenset[str]) -> Turn:
    def write(value: Any) -> Any:
        if not isinstance(value, dict) or not value.keys() >= required:
            raise Odd
        turned = {}
        for name, each in value.items():
            if (kind := plain.get(name)) is None:
                if (written := turns[name](each)) is not each:
                    turned[name] = written
            elif not isinstance(each, kind):
                raise Odd
        return value | turned if turned else value

    return write


def _flat_writer(plain: dict[str, type], required: frozenset[str]) -> Turn:
    """Of a structure whose members are all written as they are: one of a call's ten entries."""

    def write(value: Any) -> Any:
        if not isinstance(value, dict) or not value.keys() >= required:
            raise Odd
        for name, each in value.items():
            if not isinstance(each, plain[name]):
                raise Odd
        return value

    return write


def _list_writer(write_one: Turn, least: int) -> Turn:
    def write(value: Any) -> Any:
        if not isinstance(value, list | tuple) or len(value) < least:
            raise Odd
        return [write_one(each) for each in value]

    return write


def _map_writer(write_key: Turn, write_value: Turn) -> Turn:
    def write(value: Any) -> Any:
        if not isinstance(value, dict):
            raise Odd
        return {write_key(key): write_value(each) for key, each in value.items()}

    return write


def _texts(value: Any) -> Any:
    """A map of texts, the names in an expression, is written as it is."""
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in (*value, *value.values())):
        raise Odd
    return value


def _attributes_writer(write_any: Turn, plain: dict[str, type]) -> Turn:
    """Of a map of structures, which is written as it is where each has one member only that is among `plain`: as rows nearly always."""

    def write(value: Any) -> Any:
        for key, each in value.items() if type(value) is dict else [(None, None)]:
            if type(key) is not str or type(each) is not dict or len(each) != 1:
                return write_any(value)
            [(name, inner)] = each.items()
            if type(inner) is not plain.get(name):
                return write_any(value)
        return value

    return write


def _typed(kind: type, least: int | None) -> Turn:
    def write(value: Any) -> Any:
        if not isinstance(value, kind) or (least and (value if kind is int else len(value)) < least):  # type: ignore[operator,arg-type]
            raise Odd
        return value

    return write


def _blob_writer(value: Any) -> str:
    if not isinstance(value, bytes | bytearray):
        raise Odd
    return base64.b64encode(value).decode("ascii")


def _seconds(value: Any) -> int:
    if not isinstance(value, datetime) or value.utcoffset() != timedelta(0):
        raise Odd
    return timegm(value.utctimetuple())


PLAIN: dict[str, type] = {"string": str, "integer": int, "long": int, "boolean": bool}
_SCALARS: dict[str, Turn] = {
    "boolean": _typed(bool, None),
    "blob": _blob_writer,
    "timestamp": _seconds,
}


class _Readers:
    """`None` for shapes that are taken as they come."""

    def __init__(self) -> None:
        self._made: dict[str, Turn | None] = {}
        self._plain: dict[str, tuple[frozenset[str], str]] = {}
        """Of structures: members that are taken as they come, and the name of the one among them that must be a map."""

    def of(self, shape: Any) -> Turn | None:
        match shape.type_name:
            case "structure" if not (shape.is_document_type or shape.is_tagged_union):
                return self._structure(shape)
            case "list":
                read_one = self.of(shape.member)
                return _list_reader(read_one, *self._plain.get(shape.member.name, (frozenset(), "")))
            case "map":
                read_value = self.of(shape.value)
                plain, a_map = self._plain.get(shape.value.name, (frozenset[str](), ""))
                return _map_reader(read_value, plain - {a_map})
            case "string" | "integer" | "long" | "boolean" | "double" | "float":
                return None
            case "blob":
                return base64.b64decode
            case "timestamp" if shape.serialization.get("timestampFormat", "unixtimestamp") == "unixtimestamp":
                return _instant
        raise Odd(shape.name)

    def _structure(self, shape: Any) -> Turn:
        if shape.name not in self._made:
            turns: dict[str, Turn] = {}
            kinds: dict[str, type] = {}
            members = _members(shape)
            self._made[shape.name] = _structure_reader(frozenset(members), turns, kinds)  # a shape may hold itself
            turns.update({name: turn for name, member in members.items() if (turn := self.of(member)) is not None})
            kinds.update({name: dict for name, turn in turns.items() if turn is _as_map})
            a_map = next(iter(kinds), "")
            self._plain[shape.name] = frozenset(members.keys() - (turns.keys() - {a_map})), a_map
            for name in kinds:
                del turns[name]
        made = self._made[shape.name]
        assert made is not None
        return made


def _structure_reader(known: frozenset[str], turns: dict[str, Turn], kinds: dict[str, type]) -> Turn:
    def read(value: Any) -> Any:
        if value is None:  # in a list or a map, where it stays what it is
            return None
        if not isinstance(value, dict):
            raise Odd
        if None in value.values() or not known.issuperset(value):
            value = {name: each for name, each in value.items() if each is not None and name in known}
        for name, turn in turns.items():
            if name in value:
                value[name] = turn(value[name])
        for name, kind in kinds.items():
            if name in value and not isinstance(value[name], kind):
                raise Odd
        return value

    return read


def _list_reader(read_one: Turn | None, plain: frozenset[str], a_map: str) -> Turn:
    """`plain`: where its elements are structures, members that are taken as they come; `a_map` is one of them, or none."""

    def read(value: Any) -> Any:
        if not isinstance(value, list):
            raise Odd
        if read_one is None:
            return value
        return [
            each
            if type(each) is dict
            and plain.issuperset(each)
            and None not in each.values()
            and (not a_map or type(each.get(a_map, _EMPTY)) is dict)
            else read_one(each)
            for each in value
        ]

    return read


_EMPTY: dict[str, Any] = {}


def _map_reader(read_value: Turn | None, plain: frozenset[str]) -> Turn:
    """`plain`: where its values are structures, members that are taken as they come."""
    if read_value is None:
        return _as_map

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise Odd
        return {
            key: each
            if type(each) is dict and plain.issuperset(each) and None not in each.values()
            else read_value(each)
            for key, each in value.items()
        }

    return read


def _as_map(value: Any) -> Any:
    """A map whose values are taken as they come."""
    if not isinstance(value, dict):
        raise Odd
    return value


def _instant(value: Any) -> datetime:
    if not isinstance(value, int | float):
        raise Odd
    return datetime.fromtimestamp(value, UTC).astimezone()
