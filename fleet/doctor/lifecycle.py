"""When a bucket forgets its objects: neither before they are no longer wanted, nor never."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fleet.doctor.check import Check, Trouble, ask

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

NONE = "NoSuchLifecycleConfiguration"


async def lifecycle(
    s3: S3Client, what: str, bucket: str, *, below: str = "", least: int, if_never: str, if_early: str
) -> Check:
    """Whether all objects below a prefix expire, and the first of them not before `least` days.

    `if_never` and `if_early` say what to do about it; `{days}` in the latter is when the first one goes.
    """
    try:
        found: Any = await ask(s3.get_bucket_lifecycle_configuration(Bucket=bucket))
    except Trouble as trouble:
        if trouble.code != NONE:
            return Check(what, "warning", trouble.code, trouble.remedy)
        found = {"Rules": []}
    rules = [rule for rule in found["Rules"] if rule["Status"] == "Enabled" and _days(rule)]
    first = min((_days(rule) for rule in rules if _touches(rule, below)), default=0)
    if first and first < least:
        return Check(what, "warning", f"objects expire after {first} days", if_early.format(days=first))
    if not any(_takes_all(rule, below) for rule in rules):
        return Check(what, "warning", "nothing expires" if not first else "some objects never expire", if_never)
    return Check(what, "ok", f"objects expire after {first} days")


def _days(rule: Mapping[str, Any]) -> int:
    """The days after which it removes an object; 0 where it removes none, as where it names a date."""
    return int(rule.get("Expiration", {}).get("Days", 0))


def _touches(rule: Mapping[str, Any], below: str) -> bool:
    """Whether it may remove an object below the prefix."""
    prefix = _prefix(rule)
    return prefix.startswith(below) or below.startswith(prefix)


def _takes_all(rule: Mapping[str, Any], below: str) -> bool:
    """Whether it removes every object below the prefix, and not those alone that bear a tag or have a size."""
    return below.startswith(_prefix(rule)) and not _conditions(rule)


def _prefix(rule: Mapping[str, Any]) -> str:
    """S3 writes it in three places: of the rule (as it was once), of its filter, or of what the filter joins."""
    chosen = rule.get("Filter", {})
    return str(rule.get("Prefix") or chosen.get("Prefix") or chosen.get("And", {}).get("Prefix") or "")


def _conditions(rule: Mapping[str, Any]) -> Sequence[str]:
    chosen = rule.get("Filter", {})
    return [name for name in (*chosen, *chosen.get("And", {})) if name not in {"Prefix", "And"}]
