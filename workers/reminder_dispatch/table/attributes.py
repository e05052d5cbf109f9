"""A row's attributes as DynamoDB types them, and as plain values; every value that DynamoDB keeps is read and written back as it is."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any


def typed(values: Mapping[str, Any]) -> dict[str, Any]:
    """A row as DynamoDB takes it. Raises TypeError for what it has no type for."""
    return {name: _typed(value) for name, value in values.items()}


def untyped(item: Mapping[str, Any]) -> dict[str, Any]:
    """A row as plain values: numbers as Decimal with all their digits, sets as sets, the rest as JSON would have it.

    boto3's own reader refuses legal numbers: it rounds at 38 digits, and raises where one is written with more, such as 10 to the 38th.
    """
    return {name: _untyped(value) for name, value in item.items()}


def _typed(value: Any) -> dict[str, Any]:
    match value:
        case str():  # most of a row
            found: dict[str, Any] = {"S": value}
        case None:
            found = {"NULL": True}
        case bool():
            found = {"BOOL": value}
        case int() | Decimal():
            found = {"N": str(value)}
        case bytes() | bytearray():
            found = {"B": bytes(value)}
        case Mapping():
            found = {"M": typed(value)}
        case list() | tuple():
            found = {"L": [_typed(each) for each in value]}
        case set() | frozenset() if value:
            [kind] = {kind for each in value for kind in _typed(each)}
            found = {f"{kind}S": [_typed(each)[kind] for each in value]}
        case _:
            raise TypeError(f"DynamoDB has no type for {type(value).__name__}")
    return found


def _untyped(attribute: Mapping[str, Any]) -> Any:
    [(kind, value)] = attribute.items()
    match kind:
        case "N":
            value = Decimal(value)
        case "NULL":
            value = None
        case "M":
            value = untyped(value)
        case "L":
            value = [_untyped(each) for each in value]
        case "NS":
            value = {Decimal(each) for each in value}
        case "SS" | "BS":
            value = set(value)
        case _:  # S, B and BOOL are what they are
            pass
    return value
