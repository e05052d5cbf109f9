"""One request on its way through the server."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.sqs_server.errors import SqsError
from tests.sqs_server.plan import Plan


def _nothing() -> None:
    """Nobody waits."""


@dataclass(slots=True, eq=False)
class Call:
    """`arrived` and `now` in seconds of the server's clock: when the request came, and when its work is done; a fault
    may have put time between them. `answer` or `refuse` ends it, from here or later; `on_gone` is called when the
    client hangs up before.
    """

    action: str
    queue: str
    arrived: float
    now: float
    answer: Callable[[bytes], None]
    refuse: Callable[[SqsError], None]
    plan: Plan | None = None
    on_gone: Callable[[], None] = _nothing
