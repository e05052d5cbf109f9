"""Who may write in the bucket, and no more, writes nothing on the machine of who searches it."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from fleet.archive.find import Wanted, find
from fleet.archive.opened import Span

HOUR = "table=things/year=2026/month=11/day=20/hour=09/"


@dataclass
class Bucket:
    """Objects that are fetched into a folder, as those of S3."""

    objects: dict[str, bytes]
    root: Path | None = None
    got: list[str] = field(default_factory=list)

    async def keys(self, prefix: str) -> list[str]:
        return sorted(key for key in self.objects if key.startswith(prefix))

    async def folders(self, prefix: str) -> list[str]:
        return sorted({f"{key.split('/')[0]}/" for key in self.objects if key.startswith(prefix)})

    async def get(self, key: str) -> bytes | None:
        self.got.append(key)
        return self.objects.get(key)

    async def put_new(self, key: str, body: bytes, metadata: Mapping[str, str]) -> bool:
        raise AssertionError(key)


def away(to: Path) -> str:
    """From the folder of an hour in a temporary folder to this path."""
    return f"{'../' * 6}{os.path.relpath(to, tempfile.gettempdir())}"


def below(folder: Path) -> list[Path]:
    return [*folder.iterdir()]


async def test_a_key_that_leads_out_of_the_folder_is_no_row(tmp_path: Path) -> None:
    bucket = Bucket({f"{HOUR}{away(tmp_path / 'evil.ndjson.gz')}": b"owned"})
    assert (await find(bucket, Span(), Wanted(), limit=9)).rows == []
    assert bucket.got == []
    assert below(tmp_path) == []


async def test_a_manifest_that_names_such_a_key_is_none(tmp_path: Path) -> None:
    target = f"{HOUR}{away(tmp_path / '.profile')}"
    told = {"version": 1, "parquet": target, "sha256": "", "size": 5, "rows": 1, "parts": []}
    bucket = Bucket({target: b"owned", f"manifests/{HOUR[:-8]}h09-0001.json": orjson.dumps(told)})
    found = await find(bucket, Span(), Wanted(), limit=9)
    assert (found.rows, "is not a manifest" in found.faults[0]) == ([], True)
    assert target not in bucket.got
    assert below(tmp_path) == []
