"""What the faults that hit one request will do to it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from tests.sqs_server.errors import SqsError


class Ending(Enum):
    """How a request ends that gets no whole answer."""

    RESET = "the connection is reset"
    CUT = "the answer without its end, then a close"
    SILENCE = "no answer, and the connection stays open"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A batch entry answered as failed; `after` says that it was done all the same."""

    error: SqsError
    after: bool


@dataclass(slots=True)
class Plan:
    """The sum of the rules that fired for one request. Delays in seconds, before and after the work."""

    before: float = 0.0
    after: float = 0.0
    error: SqsError | None = None
    instead: Ending | None = None
    then: Ending | None = None
    silence: float = 3_600.0
    echoes: Callable[[], bool] | None = None
    forgets: Callable[[], bool] | None = None
    refusals: list[Callable[[int, dict[str, Any]], Refusal | None]] = field(default_factory=list)
    fired: list[str] = field(default_factory=list)

    def refusal(self, place: int, entry: dict[str, Any]) -> Refusal | None:
        """Whether this batch entry at this place is to fail."""
        for ask in self.refusals:
            if (found := ask(place, entry)) is not None:
                return found
        return None
