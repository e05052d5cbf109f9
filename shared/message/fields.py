"""What is wrong with a field, in words: of a value that a producer made, which no type checker may have looked at, and of what pydantic refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from types import UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

WORDS: Final = {
    "missing": "missing",
    "extra_forbidden": "unknown field",
    "string_type": "must be a text",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be an object",
    "mapping_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "json_invalid": "must be JSON",
    "json_type": "must be JSON",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "string_pattern_mismatch": "must look like {pattern}",
    "string_too_short": "must have {min_length} characters or more",
    "string_too_long": "must have {max_length} characters or fewer",
    "too_short": "must have {min_length} entries or more",
    "too_long": "must have {max_length} entries or fewer",
    "datetime_type": "must be a time such as 2026-11-21T09:00:00Z",
    "datetime_parsing": "must be a time such as 2026-11-21T09:00:00Z",
    "datetime_from_date_parsing": "must be a time such as 2026-11-21T09:00:00Z",
    "timezone_aware": "must be a time with its offset from UTC",
}
"""Pydantic's kinds of faults, in our words; what is filled in are the field's own limits."""


def in_words(fault: Mapping[str, Any]) -> str:
    """One of the faults of a ValidationError, never with a word of what was given: pydantic's own texts may quote it."""
    return WORDS.get(str(fault["type"]), "cannot be so").format(**fault.get("ctx", {}))


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
