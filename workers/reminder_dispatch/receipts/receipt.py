"""What Expo says of a ticket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MOST: Final = 1_000
"""Ids of one request."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a notification: `error` is "" where it was handed to Apple or Google."""

    error: str = ""


class Unanswered(Exception):
    """Expo did not say; the text says why in our words."""
