"""What a plan may ask for: numbers within their limits, text where text belongs; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

FASTEST = 3000.0
"""Letters per second."""
LONGEST_WATCH = 86_400.0
"""Seconds."""
ARN_PARTS = 6
TEXTS = ("plan_id", "author", "queue", "queue_arn", "endpoint")
LETTER_TEXTS = ("id", "body_sha256", "idempotency_key", "shape", "destination")


def fault(document: Mapping[str, Any]) -> str:
    """What of a plan file is not as it may be, in words; empty where all is."""
    return next(_faults(document), "")


def strangers(destinations: Iterable[str], *, account: str, allowed: Collection[str]) -> list[str]:
    """The destinations (ARNs) of neither this account nor one that is allowed."""
    return [each for each in destinations if [*each.split(":"), "", "", "", "", ""][4] not in {account, *allowed}]


def _faults(document: Mapping[str, Any]) -> Iterator[str]:
    for name in TEXTS:
        if not isinstance(document.get(name), str):
            yield f"`{name}` is not text"
            return
    if document["queue_arn"].count(":") != ARN_PARTS - 1:
        yield "`queue_arn` is not the ARN of a queue"
    if (rate := document.get("rate")) is not None and not _is_number(rate, above=0, most=FASTEST):
        yield f"`rate` is not a number above 0, up to {FASTEST:.0f}"
    if document.get("watch") != 0 and not _is_number(document.get("watch"), above=0, most=LONGEST_WATCH):
        yield f"`watch` is not a number of seconds up to {LONGEST_WATCH:.0f}"
    yield from _canary_faults(document.get("canary"), document.get("watch"))
    if not isinstance(document.get("keep"), bool):
        yield "`keep` is neither true nor false"
    if not isinstance(document.get("filters"), dict):
        yield "`filters` is not an object"
    letters = document.get("letters")
    if not isinstance(letters, list) or not letters:
        yield "`letters` is not a list of letters"
        return
    yield from (why for each in letters if (why := _letter_fault(each)))


def _canary_faults(canary: Any, watch: Any) -> Iterator[str]:
    if not isinstance(canary, list) or not all(type(size) is int and size >= 1 for size in canary):
        yield "`canary` is not a list of whole numbers from 1"
    elif canary and not watch:
        yield "a `canary` needs a `watch` above 0"


def _letter_fault(letter: Any) -> str:
    if not isinstance(letter, dict):
        return "a letter is not an object"
    for name in LETTER_TEXTS:
        if not isinstance(letter.get(name), str):
            return f"`{name}` of a letter is not text"
    if not letter["destination"].startswith("arn:") or letter["destination"].count(":") < ARN_PARTS - 1:
        return "`destination` of a letter is not an ARN"
    if not isinstance(letter.get("mended"), str | None):
        return "a mended body is not text"
    earlier = letter.get("earlier_ids", [])
    if not isinstance(earlier, list) or not all(isinstance(each, str) for each in earlier):
        return "`earlier_ids` of a letter is not a list of ids"
    return "" if _is_number(letter.get("expires_at"), above=0, most=1e12) else "`expires_at` of a letter is not a time"


def _is_number(value: Any, *, above: float, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and above < value <= most
