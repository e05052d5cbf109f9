"""How much comes: `1e6/day`, as a person says it and as a file does."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Final

SECONDS: Final[Mapping[str, int]] = {
    "second": 1,
    "minute": 60,
    "hour": 3600,
    "day": 86_400,
    "month": 30 * 86_400,
}
NUMBER: Final = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9_]+)?(?:[.][0-9]*)?"
"""A comma parts thousands: `1,5` is 15 to nobody, and is refused."""
KINDS: Final = ("uploads", "webhooks", "reminders", "changes")
MOST: Final = 1e7
"""A second; more than any queue of AWS is asked for."""


class UnknownTraffic(ValueError):
    """What was given does not describe traffic; the message names it and says what would."""


def per_second(name: str, text: str) -> float:
    """`1e6/day` is 11.57 a second. Raises UnknownTraffic."""
    found = re.fullmatch(rf"\s*({NUMBER}(?:[eE][+]?[0-9]+)?)\s*/\s*([a-z]+?)s?\s*", text)
    unit = found[2] if found else ""
    if found is None or unit not in SECONDS:
        raise UnknownTraffic(
            f"{name}: {text} is not a rate; write 1e6/day, or per {', '.join([*SECONDS][:-1])} or month"
        )
    try:
        number = float(found[1].replace(",", "").replace("_", ""))
    except ValueError:
        raise UnknownTraffic(f"{name}: {found[1]} is not a number") from None
    rate = number / SECONDS[unit]
    if not math.isfinite(rate) or rate > MOST:
        raise UnknownTraffic(f"{name}: more than {MOST:,.0f} a second are not planned for")
    return rate


def read(text: str) -> dict[str, str]:
    """A file of lines `uploads: 1e6/day`: YAML's simplest form, in which `#` begins a comment. Raises UnknownTraffic."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        written = line.partition("#")[0].strip()
        if not written or written == "---":
            continue
        name, colon, value = (part.strip() for part in written.partition(":"))
        if not colon or name not in KINDS:
            raise UnknownTraffic(f"line {number}: `{written}` is not one of {', '.join(KINDS)}, a colon and a rate")
        if name in found:
            raise UnknownTraffic(f"line {number}: {name} stands twice")
        found[name] = value.strip("\"'")
    return found
