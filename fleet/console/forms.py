"""Ids of forms: each is written into one page, and good for one sending of what that page asks."""

from __future__ import annotations

import secrets
from typing import Literal

MOST = 20_000
"""Forms that are remembered; a page that is older than so many others has to be opened again."""

Spent = Literal["fresh", "sent already", "unknown"]


class Forms:
    """Kept in memory: the forms of a console that ended are unknown to the next one."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._open: dict[str, str] = {}
        self._sent: dict[str, str] = {}

    def issue(self, purpose: str) -> str:
        """The id of a new form; `purpose` is the path that it is sent to, and what it is about."""
        name = secrets.token_urlsafe(18)
        _remember(self._open, name, purpose, self._most)
        return name

    def spend(self, name: str, purpose: str) -> Spent:
        """Whether a form that was sent may act: once, and for its own purpose alone."""
        if self._sent.get(name) == purpose:
            return "sent already"
        if self._open.get(name) != purpose:
            return "unknown"
        del self._open[name]
        _remember(self._sent, name, purpose, self._most)
        return "fresh"


def _remember(where: dict[str, str], name: str, purpose: str, most: int) -> None:
    where[name] = purpose
    if len(where) > most:
        del where[next(iter(where))]
