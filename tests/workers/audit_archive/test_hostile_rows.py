"""Whoever can write digests without a key is named by the verification, which nothing that they list can end before."""

import gzip
from datetime import timedelta

import orjson
import pytest

from tests.workers.audit_archive.evidence import Evidence, evidence, ring
from tests.workers.audit_archive.fakes import row
from workers.audit_archive.chain.digest import digest_key, hash_of
from workers.audit_archive.chain.verify import verify
from workers.audit_archive.evidence.ages import Ages

GAP = "table=gaps/year=2026/month=11/day=21/hour=12/20261121T120000000Z-ffffffffffffffff.ndjson.gz"
SAID: dict[str, object] = {
    "activity": "gap", "account": "1", "region": "r", "table": "fleet-sessions-dev", "event_id": "e", "sequence_number": "1", "range": None,
    "reason": "r", "event_time": "2026-11-21T12:00:00Z",
}  # fmt: skip
SPAN: dict[str, object] = {"stream": "s", "shard": "h", "first": "1", "last": "1"}
ODD: list[dict[str, object]] = [
    {"activity": "read back"},
    {"activity": ["gap"]},
    {"range": {}},
    {"range": SPAN | {"first": "9" * 5000}},
    {"range": SPAN | {"shard": 1}},
    {"table": ["x"]},
    {"event_time": "now"},
    {"event_time": "0001-01-01T00:00:00Z"},
]


async def forged(made: Evidence, line: bytes, **changes: object) -> None:
    """A third digest that lists an object of this one line."""
    objects = made.world.bucket.objects
    before, content = objects[digest_key(2)][0], line + b"\n"
    entry = {
        "key": GAP,
        "sha256": hash_of(content),
        "rows": 1,
        "bytes": 1,
        "oldestEventTime": None,
        "newestEventTime": None,
    }
    digest = orjson.loads(before) | {
        "sequence": 3, "previous": {"key": digest_key(2), "sha256": hash_of(before)}, "signature": None, "objects": [entry | changes],
    }  # fmt: skip
    objects[GAP] = (gzip.compress(content), {})
    objects[digest_key(3)] = (orjson.dumps(digest, option=orjson.OPT_SORT_KEYS), {})


@pytest.mark.parametrize(
    "line",
    [
        b"no JSON",
        b"[]",
        b"{}",
        *(orjson.dumps(SAID | changed) for changed in ODD),
    ],
)
async def test_a_forged_row_of_a_gap_is_named_and_so_is_its_digest(line: bytes) -> None:
    made = await evidence(("a", "b"))
    await forged(made, line)
    found = await verify(made.world.bucket, keys=ring(made.key))
    assert (found.findings[0].kind, found.findings[0].where) == ("unsigned", digest_key(3))
    assert [(note.kind, note.where) for note in found.notes] == [("gap", GAP)]
    assert found.unseen.open_gaps == 1


@pytest.mark.parametrize("year", ["9999", "0001"])
async def test_a_forged_name_of_no_time_is_named_and_the_worker_goes_on(year: str) -> None:
    made = await evidence(("a", "b"))
    await forged(made, b"{}", key=GAP.replace("/2026", f"/{year}"))
    found = await verify(made.world.bucket, ages=Ages(now=made.world.clock()))
    assert ("invalid format", digest_key(3)) in {(each.kind, each.where) for each in found.findings}
    await made.world.worker().keep([row("c")])
    made.world.clock.advance(timedelta(minutes=5).total_seconds())
    assert await made.chain().lengthen(asked=True)
