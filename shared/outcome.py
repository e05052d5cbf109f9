"""How one message's way may end, and the two objections a handler may raise."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Done:
    """The work is done, now or before: the message may leave the queue."""


@dataclass(frozen=True, slots=True)
class Retry:
    """The message stays hidden for `after` seconds; None asks for exponential backoff by receive count."""

    why: str
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Dead:
    """The message will never succeed as it is: it is buried in the dead-letter queue with this reason.

    `error_type` is a class name, `message` a short text without payload, `fingerprint` 16 hex digits that stay the
    same for the same fault, `stack` the bounded frames of our own code (file:function:line), innermost last.
    """

    error_type: str
    message: str
    fingerprint: str
    stack: tuple[str, ...] = ()


Outcome = Done | Retry | Dead


class Later(Exception):
    """Raised by a handler that knows when to try again: `after` seconds from now (0 to 43,200)."""

    def __init__(self, why: str, *, after: float) -> None:
        super().__init__(why)
        self.why = why
        self.after = after


class Contended(Later):
    """Somebody else holds this work for at most `after` seconds more.

    Most work ends long before its lease, so the message is looked at again sooner than that, and only as its receipts
    run out is the whole lease waited for: a copy is settled quickly, and a dead holder's work is still taken over.
    """


class Reject(Exception):
    """Raised by a decoder or handler that knows the message can never succeed; `why` must hold no payload."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why
