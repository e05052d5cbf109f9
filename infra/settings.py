"""Where stages differ, and nothing else: one row per stage."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Removal(StrEnum):
    """What becomes of tables, buckets and dead-letter queues when their stack is deleted."""

    DESTROY = "destroy"
    RETAIN = "retain"


@dataclass(frozen=True, slots=True)
class StageSettings:
    """One stage; every duration in days, unless it says otherwise."""

    log_retention: int
    upload_retention: int
    uploads_versioned: bool
    point_in_time_recovery: bool
    deletion_protection: bool
    audit_window: int  # seconds that Lambda gathers records of the archive for; fewer and larger objects cost less
    reserved_concurrency: bool  # each function has places of its own in the account's concurrency
    audit_lock_mode: str  # GOVERNANCE can be lifted by a permitted person, COMPLIANCE not even by the account's root
    removal: Removal

    def as_mapping(self) -> dict[str, str]:
        """The row of the template's mapping `Stages`; CloudFormation wants strings there."""
        return {
            "LogRetentionDays": str(self.log_retention),
            "UploadRetentionDays": str(self.upload_retention),
            "UploadVersioning": "Enabled" if self.uploads_versioned else "Suspended",
            "AuditLockMode": self.audit_lock_mode,
        }

    def as_workers_mapping(self) -> dict[str, str]:
        """The row of the mapping `Workers`."""
        return {"LogRetentionDays": str(self.log_retention), "AuditWindowSeconds": str(self.audit_window)}


_DEV = StageSettings(
    log_retention=7,
    upload_retention=30,
    uploads_versioned=False,
    point_in_time_recovery=False,
    deletion_protection=False,
    audit_window=5,
    reserved_concurrency=False,
    audit_lock_mode="GOVERNANCE",
    removal=Removal.DESTROY,
)
# Staging rehearses production, except that a person may take it down in one step.
_STAGING = StageSettings(
    log_retention=14,
    upload_retention=30,
    uploads_versioned=True,
    point_in_time_recovery=True,
    deletion_protection=False,
    audit_window=60,
    reserved_concurrency=False,
    audit_lock_mode="GOVERNANCE",
    removal=Removal.RETAIN,
)
_PROD = StageSettings(
    log_retention=30,
    upload_retention=90,
    uploads_versioned=True,
    point_in_time_recovery=True,
    deletion_protection=True,
    audit_window=60,
    reserved_concurrency=True,
    audit_lock_mode="COMPLIANCE",
    removal=Removal.RETAIN,
)

STAGES: Final[dict[str, StageSettings]] = {
    "dev": _DEV,
    "local": _DEV,
    "staging": _STAGING,
    "stage": _STAGING,  # another word for staging
    "prod": _PROD,
    "production": _PROD,  # another word for prod
}

# The same in every stage.
AUDIT_TO_GLACIER_DAYS: Final = 30
AUDIT_EXPIRY_DAYS: Final = 395  # 30 days at hand, then 365 in Glacier
DEAD_LETTER_DAYS: Final = 30  # what `fleet dlq archive` tells of them by default: DLQ_ARCHIVE_DAYS
PAYLOAD_DAYS: Final = 30
NONCURRENT_DAYS: Final = 30  # long enough to notice that someone overwrote or deleted an object, and to bring it back
ABORT_MULTIPART_DAYS: Final = 7
