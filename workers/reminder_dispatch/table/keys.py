"""Where a reminder lies in its table: its keys, its minute of the due index, its shard."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

SHARDS = 16
"""Index keys per minute: 100,000 reminders due in one minute put 6,366 on the fullest of sixteen."""

LONGEST_ID = 512
"""Characters of a reminder's id."""

MARK = 16
"""Characters of a mark. Two of 6,366 in one minute and shard are the same once in 900,000,000,000 such minutes."""

TENANT = "TENANT#"
"""How the index keys of a reminder's head begin; those of what is due begin with DUE#."""

MINUTE = timedelta(minutes=1)

_DUE = re.compile(r"(?:19[7-9]\d|[2-9]\d{3})-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_MINUTE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d", re.ASCII)


@dataclass(frozen=True, slots=True)
class Key:
    """A row's primary key as it stands in the table."""

    pk: str
    sk: str


def key_of(reminder_id: str, due_at: datetime) -> Key:
    """The key of one occurrence."""
    return Key(f"REMINDER#{reminder_id}", f"AT#{due_text(due_at)}")


def head_key(reminder_id: str) -> Key:
    """Where it stands which revision of a reminder counts, and whether any does."""
    return Key(f"REMINDER#{reminder_id}", "HEAD")


def identity_of(key: Key) -> tuple[str, datetime]:
    """The reminder id and the due instant that a key names. Raises ValueError, whose text names the faulty part."""
    kind, _, reminder_id = key.pk.partition("#")
    if kind != "REMINDER" or not reminder_id:
        raise ValueError("PK: not REMINDER# and an id")
    if len(reminder_id) > LONGEST_ID:
        raise ValueError(f"PK: an id of more than {LONGEST_ID} characters")
    kind, _, due = key.sk.partition("#")
    if kind != "AT":
        raise ValueError("SK: not AT# and a due time")
    try:
        return reminder_id, read_due(due)
    except ValueError as error:
        raise ValueError("SK: the due time is not like 2026-11-21T09:00:00Z") from error


def due_text(due_at: datetime) -> str:
    """As in keys and messages: whole seconds, UTC, a Z."""
    return due_at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def read_due(text: Any) -> datetime:
    """Reads what `due_text` writes, and nothing else, because the text is part of keys. Raises ValueError."""
    if not isinstance(text, str) or not _DUE.fullmatch(text):
        raise ValueError("a due time is like 2026-11-21T09:00:00Z")
    return datetime.fromisoformat(text)


def minute_of(instant: datetime) -> datetime:
    return instant.replace(second=0, microsecond=0)


def minute_text(minute: datetime) -> str:
    """As in index keys and in the cursor; sorts as time does."""
    return minute.astimezone(UTC).strftime("%Y-%m-%dT%H:%M")


def read_minute(text: Any) -> datetime | None:
    """Reads what `minute_text` writes; None for anything else."""
    if not isinstance(text, str) or not _MINUTE.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        return None


def shard_of(reminder_id: str) -> int:
    return int(hashlib.sha256(reminder_id.encode()).hexdigest()[:8], 16) % SHARDS


def bucket(minute: datetime, shard: int) -> str:
    """The index key (GSI1PK) under which one shard's reminders of one minute are found."""
    return f"DUE#{minute_text(minute)}#{shard:02d}"


def index_keys(reminder_id: str, due_at: datetime) -> dict[str, str]:
    """The two index attributes of an occurrence that still has to be sent."""
    return {
        "GSI1PK": bucket(due_at, shard_of(reminder_id)),
        "GSI1SK": f"{due_text(due_at)}#{reminder_id}",
    }


def tenant_index(tenant_id: str, reminder_id: str) -> dict[str, str]:
    """The two index attributes under which a tenant's reminders are listed."""
    return {"GSI1PK": f"{TENANT}{tenant_id}", "GSI1SK": f"REMINDER#{reminder_id}"}


def share_of(tenant_id: Any, priority: Any) -> str | None:
    """The group of a fair queue (MessageGroupId) that an occurrence's messages belong to: its tenant's, and of what is of high priority
    another one; None where it names no tenant, and is nobody's share.
    """
    if not isinstance(tenant_id, str) or not tenant_id:
        return None
    return hashlib.sha256(tenant_id.encode()).hexdigest()[:32] + ("-high" if priority == "high" else "")


def device_key(token: str) -> Key:
    """Where it is noted that a push token is dead; both ways to write one are the same."""
    return Key(f"TOKEN#{token.partition('[')[2].rstrip(']') or token}", "DEAD")


def address_key(address: str) -> Key:
    """Where it is noted that no e-mail goes to an address. It is hashed, for a key is archived as it is; its letters' case is no
    difference.
    """
    return Key(f"ADDRESS#{hashlib.sha256(address.lower().encode()).hexdigest()}", "DEAD")


def mark_of(reminder_id: str, due_at: datetime) -> str:
    """The hex digits (64 bits) by which an occurrence is known that was queued."""
    return hashlib.sha256(f"{reminder_id}#{due_text(due_at)}".encode()).hexdigest()[:MARK]


def event_id(reminder_id: str, due_at: datetime) -> str:
    """The same id for the same occurrence, however often its event is put on the bus (41 characters, [a-z0-9-])."""
    return "reminder-" + hashlib.sha256(f"{reminder_id}#{due_text(due_at)}".encode()).hexdigest()[:32]
