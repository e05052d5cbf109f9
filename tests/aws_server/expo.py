"""Expo behind the same address: a ticket for each recipient, and 429 for a request that would be too much for its second."""

import time
from collections import deque
from typing import Any

import orjson


class Expo:
    """Takes `per_second` recipients in any second by its own clock; None: whatever comes. It keeps when it took whom, and what it refused."""

    def __init__(self, per_second: int | None) -> None:
        self._per_second = per_second
        self._last: deque[tuple[float, int]] = deque()
        self._within = 0
        self.taken: list[tuple[float, int]] = []
        """Epoch seconds and recipients of each request."""
        self.pushed: dict[str, list[float]] = {}
        """By token, in epoch seconds."""
        self.refused = 0

    def answer(self, notes: list[dict[str, Any]]) -> tuple[int, bytes]:
        """An answer's status and body."""
        tokens = [token for note in notes for token in (note["to"] if isinstance(note["to"], list) else [note["to"]])]
        now = time.time()
        if not self._has_room(len(tokens), now):
            self.refused += 1
            return 429, orjson.dumps({"errors": [{"code": "TOO_MANY_REQUESTS", "message": "too many"}]})
        if self._per_second is not None:
            self.taken.append((now, len(tokens)))
            for token in tokens:
                self.pushed.setdefault(token, []).append(now)
        return 200, orjson.dumps({"data": [{"status": "ok", "id": f"t{place}"} for place in range(len(tokens))]})

    def _has_room(self, count: int, now: float) -> bool:
        if self._per_second is None:
            return True
        while self._last and self._last[0][0] <= now - 1.0:
            self._within -= self._last.popleft()[1]
        if self._within + count > self._per_second:
            return False
        self._last.append((now, count))
        self._within += count
        return True
