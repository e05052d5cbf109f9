"""An archive of one table, as the worker and its digests leave it: four objects an hour."""

import gzip
import hashlib
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from workers.audit_archive.chain.digest import Digest, Entry, digest_key
from workers.audit_archive.rules import canonical, object_key, partition

TABLE = "fleet-sessions-bench"
BEGIN = datetime(2026, 10, 1, tzinfo=UTC)
OBJECTS_AN_HOUR = 4
ACTORS = 5_000
SESSIONS = 200_000


def fill(root: Path, *, rows: int, days: int) -> None:
    """Rows are spread evenly over the days; `user-17` and each other actor has rows / 5,000 of them."""
    dice, objects = random.Random(17), days * 24 * OBJECTS_AN_HOUR
    entries = []
    for number in range(objects):
        start = BEGIN + timedelta(hours=number / OBJECTS_AN_HOUR)
        key = object_key(partition(TABLE, start), at=start, token=f"{number:016x}")
        lines = [*_lines(dice, start, range(number * rows // objects, (number + 1) * rows // objects))]
        content = b"".join(line + b"\n" for line in lines)
        body = gzip.compress(content, 6, mtime=0)
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        sha256 = hashlib.sha256(content).hexdigest()
        entries.append(Entry(key=key, sha256=sha256, rows=len(lines), bytes=len(body),
                             oldest_event_time=start, newest_event_time=start))  # fmt: skip
    digest = Digest(version=1, sequence=1, previous=None, created_at=BEGIN, period_start=BEGIN, period_end=BEGIN,
                    objects=tuple(entries))  # fmt: skip
    (root / "digests").mkdir()
    (root / digest_key(1)).write_bytes(digest.to_bytes())


def _lines(dice: random.Random, start: datetime, numbers: range) -> Iterator[bytes]:
    step = timedelta(minutes=60 / OBJECTS_AN_HOUR) / max(1, len(numbers))
    for place, number in enumerate(numbers):
        session = f"session-{dice.randrange(SESSIONS):06d}"
        guest = f"hmac:v{number % 5 + 1}:{hashlib.sha256(session.encode()).hexdigest()}"
        old = {"sessionId": {"S": session}, "guest": {"S": guest}, "status": {"S": "CREATED"}}
        new = {**old, "status": {"S": "UPLOADED"}, "size": {"N": str(dice.randrange(10**7))}}
        at = (start + place * step).replace(microsecond=0)
        yield canonical({
            "schema": 2, "event_id": f"{number:032x}", "account": "111122223333", "region": "eu-central-1", "table": TABLE,
            "activity": "update", "actor": f"user-{dice.randrange(ACTORS)}", "outcome": "success",
            "keys": {"sessionId": {"S": session}}, "old": old, "new": new,
            "diff": {"status": {"old": old["status"], "new": new["status"]}, "size": {"old": None, "new": new["size"]}},
            "sequence_number": str(10**20 + number), "event_time": at.isoformat().replace("+00:00", "Z"),
            "archived_by": "audit-archive",
        })  # fmt: skip
