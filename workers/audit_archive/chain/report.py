"""What a verification tells."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Kind = Literal[
    "hash mismatch",  # an object's content is not what its digest says
    "missing object",  # listed and gone
    "missing digest",  # a gap in the numbers
    "invalid format",  # a digest that cannot be read
    "moved",  # a digest that stands at another's key
    "chain broken",  # a digest that does not follow the one before it
    "wrong tree",  # a digest whose tree is not that of its rows
    "listed twice",  # an object in two digests
    "unlisted object",  # an object that no digest lists and no marker announces
    "unsigned",  # no signature where one must be; a note before the first signed digest
    "unknown key",  # signed by a key that the auditor was not given
    "bad signature",  # not what its key signed
    "replaced genesis",  # the first digest is not the one that later ones or anchors name
    "rewritten",  # another digest of this number was anchored
    "truncated",  # anchored digests are gone from the end of the chain
    "stale marker",  # an object that no digest has listed in time
    "stale chain",  # hours without a digest
    "expired",  # a note: gone as the retention has it
    "asserted empty",  # a note: a digest says that nothing was archived in its period
    "pending",  # a note: an object that waits for the next digest
    "dead letter",  # a note: a record that is neither archived nor a gap, and lies in a dead-letter queue
    "gap",  # a note: a record that could not be archived, and is not there now either
    "cold storage",  # a note: an object or digest that must be restored before it can be read
]


@dataclass(frozen=True, slots=True)
class Finding:
    """One observation; `where` is the key of an object or digest."""

    kind: Kind
    where: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """A digest up to which something is shown, and the end of its period."""

    sequence: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Unseen:
    """What was not looked at: objects in cold storage and those that expired, each with their rows; digests in cold
    storage, which may list more; objects that wait for their digest; and gaps: records that could not be archived, those of
    them that lie in a dead-letter queue (None: nobody looked), and those that came later after all. `dead_letters` are records there that
    are neither archived nor a gap.
    """

    cold_objects: int = 0
    cold_rows: int = 0
    cold_digests: int = 0
    expired_objects: int = 0
    expired_rows: int = 0
    pending_objects: int = 0
    open_gaps: int = 0
    filled_gaps: int = 0
    lying_gaps: int | None = None
    dead_letters: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The outcome: findings in the order of the chain, notes that are not faults, and what was looked at; `rows` are
    those of valid objects. `signed` is the newest digest with a valid signature, `anchored` the newest one that an anchor
    names; None where there is none, or nothing was given to check it with.
    """

    digests: int
    objects: int
    rows: int
    findings: tuple[Finding, ...]
    notes: tuple[Finding, ...]
    unseen: Unseen = Unseen()
    signed: Standing | None = None
    anchored: Standing | None = None

    @property
    def ok(self) -> bool:
        return not self.findings

    @property
    def first(self) -> Finding | None:
        """The first broken or missing object or digest."""
        return self.findings[0] if self.findings else None
