"""Hours of the archive as Parquet files beside it.

A Parquet file is written where there is none under a name that its hour and a number give, and then a manifest that says
what it holds. Readers take a file that a manifest names instead of the manifest's objects, and any other not at all. So:

| killed | left | the next run |
|---|---|---|
| before the file | nothing | makes it |
| between file and manifest | a file that nobody reads | checks it, row by row, and writes its manifest |
| after the manifest | both | has nothing to do |

The next number of an hour is only begun once the manifest of the last one stands, so that no row comes into two files, also
with two runs at once: who comes second finds a file at the name, and writes the manifest of that. Rows that come late, for
an hour that was compacted, become the next number. What the worker wrote stays as it is.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from fleet.archive.engine import engine, from_lines, literal
from fleet.archive.manifest import BadManifest, Manifest, Part, is_manifest, manifests
from fleet.archive.names import MANIFESTS, Per, held, manifest_key, parquet_key, unit
from fleet.archive.places import Place
from workers.audit_archive.chain.digest import parse, sequence_of
from workers.audit_archive.evidence.ages import Ages
from workers.audit_archive.source import InColdStorage
from workers.audit_archive.store.archive import each
from workers.audit_archive.store.objects import read_content

READS_AT_ONCE = 32

ROWS_IN_A_GROUP = 2_048
"""The least that DuckDB writes. Rows are sorted by actor: a search for one reads one group and not the file."""


@dataclass(frozen=True, slots=True)
class Refused:
    """An hour that stays as it is, and why."""

    unit: str
    why: str


class _Unsound(Exception):
    """What is to be compacted is not what its digest says."""


async def compact(
    place: Place, *, table: str, until: datetime, per: Per, ages: Ages | None = None
) -> AsyncIterator[Manifest | Refused]:
    """Compact every hour or day of the table that ended by `until` and has rows in no Parquet file yet. Only what digests
    list is taken, and of that nothing that is gone because it expired, where `ages` tell so. Raises BadManifest and NoEngine.
    """
    listed = await _listed(place, table, until, per)
    if ages is not None:
        listed = await _unexpired(place, table, listed, ages)
    known = [key for key in await place.keys(f"{MANIFESTS}table={table}/") if is_manifest(key)]
    found, bad = await manifests(place, known)
    for key, why in bad.items():
        raise BadManifest(f"{key} {why}")
    covered = {part.key for manifest in found.values() for part in manifest.parts}
    numbers = Counter(key.rpartition("-")[0].removeprefix(MANIFESTS) for key in found)
    for name, parts in sorted(listed.items()):
        try:
            number = numbers[name] + 1
            while wanted := [part for part in parts if part.key not in covered]:
                made = await _make(place, name, number, wanted, {part.key: part for part in parts})
                yield made
                covered.update(part.key for part in made.parts)
                number += 1
        except _Unsound as error:
            yield Refused(name, str(error))


async def _listed(place: Place, table: str, until: datetime, per: Per) -> dict[str, list[Part]]:
    """What digests list of the table, without fences, by the unit it goes to."""
    found: dict[str, list[Part]] = {}
    keys = [key for key in await place.keys("digests/") if sequence_of(key)]
    for key, body in zip(keys, await each(keys, place.get, at_once=READS_AT_ONCE), strict=True):
        if isinstance(body, Exception):
            raise body
        digest = parse(body) if body else None
        if digest is None or digest.key != key:
            continue
        for entry in digest.objects:
            hours = held(entry.key)
            if hours is None or hours.table != table or not entry.rows:
                continue
            name = unit(entry.key, per)
            whole = held(parquet_key(name, 1))
            if whole is not None and whole.end <= until:
                found.setdefault(name, []).append(Part(entry.key, entry.sha256, entry.rows, digest.sequence))
    return found


async def _unexpired(place: Place, table: str, listed: Mapping[str, list[Part]], ages: Ages) -> dict[str, list[Part]]:
    """Digests stay for ever, and what they list does not: nor do the manifests of it."""
    there = {*await place.keys(f"table={table}/")}
    kept = {
        name: [part for part in parts if part.key in there or not ages.is_expired(part.key)]
        for name, parts in listed.items()
    }
    return {name: parts for name, parts in kept.items() if parts}


async def _make(place: Place, name: str, number: int, wanted: Sequence[Part], listed: Mapping[str, Part]) -> Manifest:
    """The file of this number, which may be there already, and its manifest."""
    key = parquet_key(name, number)
    body = await place.get(key)
    if body is None:
        body = await _packed(place, wanted)
        if not await place.put_new(key, body, {"sha256": hashlib.sha256(body).hexdigest()}):
            body = await place.get(key) or b""  # another run was faster
    parts = _checked(key, body, listed)
    sha256 = hashlib.sha256(body).hexdigest()
    made = Manifest(key, sha256, len(body), sum(part.rows for part in parts), parts)
    await place.put_new(manifest_key(name, number), made.to_bytes(), {})
    return made


async def _packed(place: Place, parts: Sequence[Part]) -> bytes:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        files = [await _fetched(place, part, root) for part in parts]
        target = root / "rows.parquet"
        with engine([], folder=root) as connection:
            connection.execute(
                f"COPY ({from_lines(files, root)} ORDER BY actor, keys, event_time, object, number) "
                f"TO {literal(str(target))} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROWS_IN_A_GROUP}, "
                f"DICTIONARY_SIZE_LIMIT {ROWS_IN_A_GROUP}, BLOOM_FILTER_FALSE_POSITIVE_RATIO 0.01)"
            )
        return target.read_bytes()


async def _fetched(place: Place, part: Part, root: Path) -> Path:
    try:
        body = await place.get(part.key)
    except InColdStorage as error:
        raise _Unsound(f"{part.key} is in cold storage: restore it first") from error
    content = await read_content(body, rows=part.rows) if body is not None else None
    if body is None or content is None or content.sha256 != part.sha256:
        raise _Unsound(f"{part.key} is {'gone' if body is None else 'not what its digest says'}: see `verify`")
    path = root / part.key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    return path


def _checked(key: str, body: bytes, listed: Mapping[str, Part]) -> tuple[Part, ...]:
    """The parts of a Parquet file, once its lines are to the byte those that the digests list. Raises _Unsound."""
    lines: dict[str, list[str]] = {}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        path.write_bytes(body)
        with engine([path]) as connection:
            import duckdb

            try:
                rows = connection.execute(
                    f"SELECT object, line FROM read_parquet({literal(str(path))}) ORDER BY object, number"
                )
                while some := rows.fetchmany(10_000):
                    for each, line in some:
                        lines.setdefault(each, []).append(line)
            except duckdb.Error as error:
                raise _Unsound(f"{key} is there and no Parquet file of the archive: move it away") from error
    for each, found in lines.items():
        content = "".join(f"{line}\n" for line in found).encode()
        if each not in listed or hashlib.sha256(content).hexdigest() != listed[each].sha256:
            raise _Unsound(f"{key} holds other rows of {each} than its digest lists: move it away")
    if not lines:
        raise _Unsound(f"{key} holds no rows: move it away")
    return tuple(listed[each] for each in sorted(lines))
