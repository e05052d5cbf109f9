"""One dead letter as it was received, and the reason written on it; pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from fleet.dead_letters.model import lambda_record
from shared.message import identity, pointer
from shared.message.delivery import Attribute
from shared.message.envelope import document
from shared.message.pointer import Pointer
from shared.outcome import Reject

RESTORED = "fleet-restored"
"""The attribute that keeps DeadLetterQueueSourceArn on a letter that was archived and restored, as JSON text."""

UNREADABLE = (ArithmeticError, LookupError, RecursionError, TypeError, ValueError)
"""What reading something that anybody may have written can raise. Of one letter it is a fault, named; never of the others."""

MOST_NAMES = 20
"""Ids that the mark of a restored letter keeps beside the first one, the newest of them."""

OURS = frozenset({identity.ATTRIBUTE, identity.REPLAY, RESTORED})


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One receipt of one letter. `sent_at` in epoch seconds; `moved_from` the ARN that SQS moved it from, or ""; `sequence` its
    place in a FIFO queue; `fault`: why this message could not be read, or "". `sealed`: what it says of an earlier replay was written by
    who has the key of plans (`plan.mark`).
    """

    id: str
    body: str = field(repr=False)
    attributes: Mapping[str, Attribute] = field(default_factory=dict, repr=False)
    sent_at: float = 0.0
    receives: int = 1
    moved_from: str = ""
    group: str = ""
    sequence: str = ""
    fault: str = ""
    sealed: bool = field(default=False, compare=False)
    receipt_handle: str = field(default="", repr=False, compare=False)

    @property
    def digest(self) -> str:
        """SHA-256 of the body's UTF-8, in hex."""
        return sha256(self.body)

    @property
    def key(self) -> str:
        """The idempotency key: what was written down, or derived by the rule of `identity.idempotency_key`. Where SQS moved the
        letter, no burial wrote the envelope that is on it: whoever sent the message did, and could name any key. So could who
        wrote a mark that is not sealed; a burial believes it, so that its envelope tells no more then. A failed invocation that
        Lambda wrote down has the key of its event.
        """
        foreign = {identity.ATTRIBUTE} if self.moved_from else set[str]()
        if has_unverified_mark(self):
            foreign = {identity.ATTRIBUTE, identity.REPLAY}
        trusted = {name: value for name, value in self.attributes.items() if name not in foreign}
        is_parked = self.moved_from or identity.ATTRIBUTE in self.attributes
        return identity.idempotency_key(self.body if is_parked else lambda_record.asked(self.body), trusted)

    def text(self, name: str) -> str:
        """The text of a message attribute, or "" where there is none."""
        found = self.attributes.get(name)
        return found.text or "" if found is not None else ""

    def written(self, name: str) -> dict[str, Any]:
        """The JSON object in an attribute; empty where there is none, or where it is not JSON."""
        try:
            opened = orjson.loads(self.text(name))
        except ValueError:
            return {}
        return opened if isinstance(opened, dict) else {}


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a letter died, in the words of whoever parked it; times are ISO 8601 or ""."""

    worker: str = ""
    error_type: str = ""
    fingerprint: str = ""
    message: str = ""
    stack: tuple[str, ...] = ()
    attempts: int | None = None
    source_queue: str = ""
    first_failure: str = ""
    last_failure: str = ""
    trace_id: str = ""
    correlation_id: str = ""
    plan_id: str = ""
    replayed_from: str = ""
    edited_from: str = ""
    times_replayed: int = 0


def reason_of(letter: DeadLetter) -> Reason | None:
    """The fleet's own failure envelope; None where the fleet did not park this letter."""
    reason = letter.written(identity.ATTRIBUTE)
    if not isinstance(reason.get("worker"), str) or not isinstance(reason.get("error_type"), str):
        return None
    stack = reason.get("stack")
    attempts = reason.get("attempts")
    times = reason.get("times_replayed")
    return Reason(
        stack=tuple(map(str, stack)) if isinstance(stack, list) else (),
        attempts=attempts if isinstance(attempts, int) else None,
        times_replayed=times if isinstance(times, int) else 0,
        **{name: str(reason.get(name) or "") for name in _TEXTS},
    )


def names_of(letter: DeadLetter, queue: str) -> tuple[str, ...]:
    """The ids that a letter of the queue with this ARN had before it was archived and restored, oldest first, and its own at the end. What
    SQS moved was sent to the source queue, and restored by nobody: whoever may send there wrote the mark.
    """
    written = letter.written(RESTORED)
    match written:
        case {"queue": str(of), "id": str(first)} if of == queue and first and not letter.moved_from:
            later = written.get("earlier")
            kept = [each for each in later[-MOST_NAMES:] if isinstance(each, str)] if isinstance(later, list) else []
            return (*(each for each in dict.fromkeys([first, *kept]) if each != letter.id), letter.id)
        case _:
            return (letter.id,)


def lineage_of(letter: DeadLetter) -> Mapping[str, Any]:
    """Which plan sent this message before, if one did; what somebody without the key of plans wrote does not count."""
    return claimed_lineage(letter) if letter.sealed else {}


def has_unverified_mark(letter: DeadLetter) -> bool:
    """Whether it says that it was replayed, and somebody without the key of plans wrote that: foreign text."""
    return not letter.sealed and (identity.REPLAY in letter.attributes or bool(claimed_lineage(letter)))


def claimed_lineage(letter: DeadLetter) -> Mapping[str, Any]:
    """What it says of an earlier replay: in the envelope, or in `fleet-replay` where SQS moved it."""
    envelope = letter.written(identity.ATTRIBUTE)
    return envelope if envelope.get("plan_id") else letter.written(identity.REPLAY)


def stored_body(letter: DeadLetter) -> Pointer | None:
    """Where the body lies, if the letter holds only a pointer to S3; None too where that pointer cannot be read."""
    if not pointer.is_pointer(letter.attributes):
        return None
    try:
        return pointer.read_pointer(letter.body, letter.attributes)
    except Reject:
        return None


def opened(letter: DeadLetter) -> Mapping[str, Any] | None:
    """The JSON object in the body, out of its SNS envelope if it has one; None where there is none."""
    try:
        return document(letter.body)
    except Reject:
        return None


def sha256(text: str) -> str:
    """Hex digest of the text's UTF-8."""
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


_TEXTS = (
    *("worker", "error_type", "fingerprint", "message", "source_queue", "first_failure", "last_failure"),
    *("trace_id", "correlation_id", "plan_id", "replayed_from", "edited_from"),
)
