"""Where the audit log is kept: a file of this user's, and its mirror where the settings name one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from fleet.dead_letters.audit.log import AuditLog
from fleet.dead_letters.audit.mirror import Mirror
from fleet.dead_letters.queues.catalog import service
from fleet.dead_letters.settings import ReplaySettings


def log_of(settings: ReplaySettings, path: Path | None = None) -> AuditLog:
    """The audit log, or one at another place, with its mirror."""
    place = settings.dlq_audit_mirror
    return AuditLog(
        path or settings.audit_log,
        now=lambda: datetime.now(UTC).isoformat(timespec="milliseconds"),
        mirror=Mirror(service("s3"), place=place) if place else None,
    )
