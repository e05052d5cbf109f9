"""Which events an endpoint takes beside their type: by channel, and by an equality pattern on `detail`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final

from shared import json_members

MOST_CHANNELS: Final = 10
"""Of one endpoint; an event has half as many."""
LONGEST_CHANNEL: Final = 128
LARGEST_PATTERN: Final = 4096
"""Characters of a pattern's text, and the most values that stand in it: EventBridge has 2,048 characters and fewer."""
DEEPEST: Final = 20
CHANNELS: Final = "webhookChannels"
"""Where an event's detail says its channels."""

Scalar = str | bytes | bool | None
"""A JSON value that is not made of others; a number is its text, for 1 and 1.0 are two (as for EventBridge)."""
Node = Mapping[str, "Node"] | frozenset[tuple[type, Scalar]]
"""Values stand beside their types, and are looked up: a thousand of them, and an event's list of a hundred thousand, are both accepted."""


class PatternError(ValueError):
    """No equality pattern on `detail`; the text says what it must be."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What an endpoint takes: `pattern` in EventBridge's form, "" for all; without `channels` it takes events of every one."""

    pattern: str = ""
    channels: tuple[str, ...] = ()

    @property
    def asks(self) -> bool:
        return bool(self.pattern or self.channels)


TAKES_ALL: Final = Filter()


class Content:
    """The detail inside a payload, opened when the first filter asks for it."""

    def __init__(self, payload: str) -> None:
        self._payload = payload

    @cached_property
    def detail(self) -> Mapping[str, Any]:
        detail = json_members(self._payload)["data"].value
        return detail if isinstance(detail, Mapping) else {}

    def fits(self, asked: Filter) -> bool:
        """An event without channels, or with some that cannot be read, goes to no endpoint that has some."""
        if not asked.asks:
            return True
        if asked.channels and not {*asked.channels} & {*(channels_of(self.detail) or ())}:
            return False
        return not asked.pattern or matches(read_pattern(asked.pattern), self.detail)

    def has_odd_channels(self) -> bool:
        """Whether the event's channels cannot be read."""
        return channels_of(self.detail) is None


def channels_of(detail: Mapping[str, Any]) -> tuple[str, ...] | None:
    """None where they are not a list of texts, or too many."""
    given = detail.get(CHANNELS, [])
    most = MOST_CHANNELS // 2
    if not isinstance(given, list) or len(given) > most or not all(isinstance(each, str) for each in given):
        return None
    return tuple(given)


@lru_cache(maxsize=1000)
def read_pattern(text: str) -> Node:
    """`{"detail": {"status": ["paid", "sent"], "order": {"kind": ["gift"]}}}`: each name has one of its values, all names fit.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern.html, as far as it speaks of equality.
    Raises PatternError.
    """
    if len(text) > LARGEST_PATTERN:
        raise PatternError(f"at most {LARGEST_PATTERN} characters")
    try:
        given = json.loads(text, parse_int=str.encode, parse_float=str.encode, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise PatternError("not JSON") from error
    if not isinstance(given, dict) or given.keys() != {"detail"} or not isinstance(given["detail"], dict):
        raise PatternError('an object whose only member is "detail", an object')
    return _node(given["detail"], depth=1)


def matches(pattern: Node, found: Any) -> bool:
    """Where the event has a list, one of its elements must fit; a list that is empty fits nothing."""
    elements = found if isinstance(found, list) else [found]
    if isinstance(pattern, frozenset):
        return any((type(each), each) in pattern for each in elements if isinstance(each, Scalar))
    return any(
        isinstance(element, Mapping)
        and all(name in element and matches(below, element[name]) for name, below in pattern.items())
        for element in elements
    )


def _node(given: Any, *, depth: int) -> Node:
    if depth > DEEPEST:
        raise PatternError(f"at most {DEEPEST} objects inside each other")
    if isinstance(given, dict) and given:
        return {name: _node(below, depth=depth + 1) for name, below in given.items()}
    if isinstance(given, list) and given and all(isinstance(each, Scalar) for each in given):
        return frozenset((type(each), each) for each in given)
    raise PatternError(
        "each name has an object, or a list of texts, numbers, true, false or null; other matchers are not taken"
    )


def _no_constant(_: str) -> Any:
    raise ValueError
