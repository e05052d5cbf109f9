"""The append-only record of everything that happened to every message."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from tests.sqs_server.call import Call
from tests.sqs_server.clock import Clock

Reference = tuple[str, int]
"""A message id and the number of one of its receives; 0 before the first."""


class Ledger:
    """Entries share one shape, and a call makes one for all its messages; lines tell them apart again.

    Kinds: send, deduplicated, receive, duplicate, extend, release (visibility set to 0), delete (with `live`),
    delete_ignored, delete_forgotten, expire, redrive, move, aged, purge, dropped, effect, request.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.on = True
        self.asked: list[tuple[str, bytes]] = []
        self.requests: Counter[tuple[str, str, str]] = Counter()
        self.messages: Counter[tuple[str, str]] = Counter()
        self._entries: list[tuple[str, float, str, Sequence[Reference], dict[str, Any]]] = []

    def add(self, kind: str, queue: str, references: Sequence[Reference], at: float, **more: Any) -> None:
        """Write down that `kind` happened to these messages of a queue at a time of the server's clock."""
        self.messages[kind, queue] += len(references)
        if self.on:
            self._entries.append((kind, at, queue, references, more))

    def request(self, call: Call, outcome: str) -> None:
        """Count one request, and write it down with the rules that made it fail."""
        self.requests[call.action, call.queue, outcome] += 1
        if self.on:
            more: dict[str, Any] = {"action": call.action, "outcome": outcome}
            if call.plan is not None and call.plan.fired:
                more["faults"] = call.plan.fired
            self._entries.append(("request", call.arrived, call.queue, (), more))

    def lines(self, start: int = 0) -> Iterator[bytes]:
        """JSON, one line for each message of an entry, and one for an entry without messages; `n` counts entries."""
        for number, (kind, at, queue, references, more) in enumerate(self._entries[start:], start=start):
            plain = {"n": number, "kind": kind, "at": at, "queue": queue, **more}
            if not references:
                yield orjson.dumps(plain)
            for place, (message_id, receipt) in enumerate(references):
                own = {key: value[place] for key, value in more.items() if isinstance(value, list)}
                yield orjson.dumps({**plain, "message_id": message_id, "receipt": receipt, **own})

    def clear(self) -> None:
        self._entries.clear()
        self.asked.clear()
        self.requests.clear()
        self.messages.clear()

    def __len__(self) -> int:
        return len(self._entries)
