"""Which field of a value holds another type than it says: producers make such values, and no type checker may have looked at their code."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict


def mistyped(kind: type, given: Any) -> tuple[str, str] | None:
    """The first field of `given`, an instance of the dataclass `kind` or a mapping of names of the TypedDict `kind`, that holds another type, and
    its annotation; None where none does. A list passes for a tuple and a whole number for a float; a text is no tuple of texts, and a
    boolean no number. Which of a Literal's values it is, is not looked at.
    """
    hints = _hints(kind)
    names = [each.name for each in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else [*given]
    for name in names:
        if not _is(given[name] if isinstance(given, Mapping) else getattr(given, name), hints[name]):
            return name, _annotation(kind, name)
    return None


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _annotation(kind: type, name: str) -> str:
    """As it stands in the source."""
    written = kind.__annotations__[name]
    return str(getattr(written, "__forward_arg__", written))


def _is(value: Any, hint: Any) -> bool:  # noqa: PLR0911  a kind of hint in each line
    of, parts = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if of in {Union, UnionType}:
        return any(_is(value, each) for each in parts)
    if of is Literal:
        return any(type(value) is type(each) for each in parts)
    if of is tuple:
        return isinstance(value, tuple | list) and _are(value, parts)
    if of is Mapping or is_typeddict(hint):
        return isinstance(value, Mapping) and all(isinstance(name, str) for name in value)
    if hint in {int, float}:
        return isinstance(value, int if hint is int else int | float) and not isinstance(value, bool)
    return isinstance(value, hint)


def _are(values: Any, parts: tuple[Any, ...]) -> bool:
    if parts[-1] is ...:
        return all(_is(each, parts[0]) for each in values)
    return len(values) == len(parts) and all(map(_is, values, parts))
