"""Which objects went into which Parquet file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from fleet.archive.names import MANIFESTS, PARQUET, held
from fleet.archive.places import Place
from workers.audit_archive.store.archive import each

READS_AT_ONCE = 16


class BadManifest(Exception):
    """The object is not a manifest."""


@dataclass(frozen=True, slots=True)
class Part:
    """One object as a digest lists it: `sha256` of its uncompressed bytes, `digest` the number of that digest."""

    key: str
    sha256: str
    rows: int
    digest: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """`sha256` and `size` (bytes) are of the Parquet file as it is stored, `rows` those of all its parts."""

    parquet: str
    sha256: str
    size: int
    rows: int
    parts: tuple[Part, ...]

    def to_bytes(self) -> bytes:
        return orjson.dumps({"version": 1, **asdict(self)}, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2)


async def manifests(place: Place, keys: Sequence[str]) -> tuple[dict[str, Manifest], dict[str, str]]:
    """Those at these keys; and of each that is none, why."""
    found, bad = dict[str, Manifest](), dict[str, str]()
    bodies = await each(list(keys), place.get, at_once=READS_AT_ONCE)
    for key, body in zip(keys, bodies, strict=True):
        if isinstance(body, Exception):
            raise body
        if body is not None:
            try:
                found[key] = _read(key, body)
            except BadManifest as error:
                bad[key] = str(error)
    return found, bad


def is_manifest(key: str) -> bool:
    return key.startswith(MANIFESTS) and key.endswith(".json") and not key.rpartition("/")[2].startswith(".")


def _read(key: str, body: bytes) -> Manifest:
    try:
        opened: dict[str, Any] = orjson.loads(body)
        if opened.pop("version") != 1:
            raise BadManifest("is of another version than 1: use a newer release")
        found = Manifest(**{**opened, "parts": tuple(Part(**part) for part in opened["parts"])})
        is_its_own = found.parquet == f"{PARQUET}{key.removeprefix(MANIFESTS).removesuffix('.json')}.parquet"
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadManifest("is not a manifest: move it away; its hour can then be compacted again") from error
    if not is_its_own or held(key) is None:
        raise BadManifest("is not a manifest of the archive, for it names another file: move it away")
    return found
