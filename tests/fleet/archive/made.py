"""An archive as the worker writes one, laid into a folder."""

from datetime import UTC, datetime
from pathlib import Path

from tests.workers.audit_archive.fakes import World, hide_with, record
from workers.audit_archive.chain.chain import Maker
from workers.audit_archive.redaction.keys import HashKey
from workers.audit_archive.redaction.redact import Redactor
from workers.audit_archive.rules import Row, audit_row

KEYS = tuple(HashKey(f"v{number}", bytes([number]) * 32) for number in range(1, 6))
TABLE = "fleet-sessions-dev"


def change(number: int, at: datetime, *, key: HashKey = KEYS[0], **fields: str) -> Row:
    """A session's row that came to be, with these attributes; event id `e{number}`."""
    keys = {"sessionId": {"S": f"session-{number}"}}
    new = {**keys, **{name: {"S": value} for name, value in fields.items()}}
    made = record(f"e{number}", keys=keys, new=new, table=TABLE, sequence_number=str(number), created_at=at)
    return audit_row(made, hide=hide_with(Redactor(key)))


async def written(world: World, *batches: list[Row]) -> None:
    """Each batch is objects of its own, all of them in one digest."""
    for batch in batches:
        await world.worker().keep(batch)
        world.clock.advance(1)
    await Maker(bucket=world.bucket, now=world.clock).make()


def laid(world: World, root: Path) -> Path:
    """The bucket's objects as files, beside what is there already."""
    for key, (body, _) in world.bucket.objects.items():
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return root


def nine(minute: int = 0, *, hour: int = 9) -> datetime:
    return datetime(2026, 11, 20, hour, minute, tzinfo=UTC)
