"""What must have happened by now: a sense of time for the verification."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from workers.audit_archive.chain.chain import ASSERT_EMPTY_AFTER
from workers.audit_archive.chain.digest import Digest, digest_key
from workers.audit_archive.chain.report import Finding
from workers.audit_archive.rules import named_at

DIGEST_SECONDS = 300.0
"""AUDIT_DIGEST_SECONDS where it is not set."""

RETENTION_DAYS = 395
"""As the template's lifecycle has it."""

LATEST_DIGEST = 3 * ASSERT_EMPTY_AFTER
"""An hour without changes has a digest, too: three without one are silence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ages:
    """The time at which the archive is judged. `waits` is how long an object may wait for its digest: its patience, and no
    less than three times the period of digests.
    """

    now: datetime
    waits: timedelta = timedelta(minutes=15)
    retention: timedelta = timedelta(days=RETENTION_DAYS)

    def is_expired(self, key: str) -> bool:
        """True where the lifecycle may have removed the object: S3 counts days from its making."""
        named = named_at(key)
        return named is not None and named + self.retention <= self.now

    def waiting(self, keys: Iterable[str]) -> list[Finding]:
        """Announced objects that no digest has listed in time."""
        late = [(key, named) for key in keys if (named := named_at(key)) and self.now - named > self.waits]
        return [Finding("stale marker", key, f"waits for a digest since {named.isoformat()}") for key, named in late]

    def silence(self, newest: Digest | None) -> list[Finding]:
        """A chain that nobody lengthens any more."""
        if newest is None or self.now - newest.created_at <= LATEST_DIGEST:
            return []
        return [
            Finding("stale chain", digest_key(newest.sequence), f"the newest is of {newest.created_at.isoformat()}")
        ]
