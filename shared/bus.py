"""The one sender to an EventBridge bus: entries of many messages in few calls, and each entry's own answer."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared.outcome import Reject, Unavailable, code_of, status_of
from shared.sqs.batches import NOT_NAMED
from shared.sqs.gathering import Gathering
from shared.telemetry import tracing

if TYPE_CHECKING:
    from types_aiobotocore_events import EventBridgeClient

MOST_ENTRIES = 10
"""Entries of one PutEvents call."""
MOST_BYTES = 262_144
"""Bytes of all entries of one call, as EventBridge counts them."""
TRIES = 3
"""Calls for one event whose entry is refused for a passing reason."""
PAUSE = 0.5
"""Seconds before the second call, half to one and a half of it; twice as long before the third."""

PASSING = frozenset({"ThrottlingException", "InternalFailure", "InternalException", "ServiceUnavailable", NOT_NAMED})
"""Codes of entries that may be taken the next time.
https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsResultEntry.html
"""
FINAL = frozenset({"MalformedDetail", "InvalidArgument", "ValidationException", "RequestEntityTooLarge", "413"})
"""Codes of entries, and of calls with one entry, that will never be taken as they are. What is in neither set speaks of us: a
person has to mend permissions or an account.
"""


class NotPut(Unavailable):
    """The bus refused an event for a reason that is not the event's, in its entry's answer or with the whole call; `code` says why,
    `is_passing` whether it may be taken the next time without anybody's doing.
    """

    def __init__(self, code: str, *, status: int = 0) -> None:
        super().__init__(f"the bus did not take the event: {code}", code=code)
        self.code = code
        self.is_passing = code in PASSING or status >= 500


@dataclass(frozen=True, slots=True)
class BusEntry:
    """One event to put; `detail` is JSON text, carried as it is. Without `time` the bus takes its own, without `trace_header` (X-Ray's)
    that of whoever puts it.
    """

    source: str
    detail_type: str
    detail: str
    time: datetime | None = None
    trace_header: str | None = None

    @property
    def size(self) -> int:
        """Bytes as EventBridge counts them.
        https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html#eb-event-entry-size
        """
        texts = (self.source, self.detail_type, self.detail)
        return (14 if self.time is not None else 0) + sum(len(text.encode(errors="replace")) for text in texts)


class EventBus:
    """Puts events on one bus, through an aiobotocore client that others may share.

    An event that comes while no call is open is sent at once. What comes meanwhile is gathered: ten entries, 256 KB or
    10 ms. An event that makes EventBridge refuse a whole call costs only itself: the others are put one by one then.
    `refused` hears the code of an entry that an answered call refused for a reason which is not the event's.
    """

    def __init__(
        self,
        client: EventBridgeClient,
        *,
        bus: str,
        refused: Callable[[str], None] = lambda _code: None,
        pause: float = PAUSE,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._client = client
        self._bus = bus
        self._refused = refused
        self._pause = pause
        self._dice = dice
        self._calls = Gathering[BusEntry, str](
            self._call, entries=MOST_ENTRIES, size=MOST_BYTES, may_be_one=lambda error: code_of(error) in FINAL
        )

    async def put(self, event: BusEntry) -> str:
        """Put one event; its id on the bus. Raises Reject with the code where the bus will never take it as it is, NotPut
        where it was refused for another reason, and botocore's error where the call was not answered. An entry that was
        refused for a passing reason is put three times; calls are repeated by the client.
        """
        if event.trace_header is None and (header := tracing.x_ray_header()):
            event = replace(event, trace_header=header)  # the call that carries it is made in nobody's context
        for number in range(1, TRIES + 1):
            try:
                return await self._calls.ask(event, size=event.size)
            except Exception as error:
                if code_of(error) in FINAL:
                    raise Reject(f"the bus refuses the event: {code_of(error)}") from error
                if not isinstance(error, NotPut) and (status := status_of(error)) is not None:
                    raise NotPut(code_of(error), status=status) from error
                if not isinstance(error, NotPut):
                    raise
                if not error.is_passing or number == TRIES:
                    self._refused(error.code)
                    raise
            await asyncio.sleep(self._pause * 2 ** (number - 1) * (0.5 + self._dice()))
        raise AssertionError("unreachable")

    async def _call(self, events: Sequence[BusEntry]) -> list[str | NotPut]:
        answer: object = await self._client.put_events(Entries=[self._entry(each) for each in events])
        return outcomes(answer, len(events))

    def _entry(self, event: BusEntry) -> Any:
        entry: dict[str, Any] = {
            "EventBusName": self._bus,
            "Source": event.source,
            "DetailType": event.detail_type,
            "Detail": event.detail,
        }
        more = {"Time": event.time, "TraceHeader": event.trace_header}
        return entry | {name: value for name, value in more.items() if value is not None}


def outcomes(answer: object, count: int) -> list[str | NotPut]:
    """For each entry its id on the bus, or why it is not there. Entries are answered in their order; an answer of
    another length or shape says nothing about any of them.
    """
    entries = answer.get("Entries") if isinstance(answer, Mapping) else None
    if not isinstance(entries, list) or len(entries) != count:
        return [NotPut(NOT_NAMED) for _ in range(count)]
    return [_outcome(entry) for entry in entries]


def _outcome(entry: object) -> str | NotPut:
    named: Mapping[str, Any] = entry if isinstance(entry, Mapping) else {}
    event_id = named.get("EventId")
    if named.get("ErrorCode") or not isinstance(event_id, str) or not event_id:
        return NotPut(str(named.get("ErrorCode") or NOT_NAMED))
    return event_id
