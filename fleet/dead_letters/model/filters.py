"""Which letters a person means: every filter that is given must hold; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from fleet.dead_letters.model.letter import DeadLetter, opened
from fleet.dead_letters.model.view import View

TENANT = frozenset({"tenantId", "tenant_id", "tenant"})
"""How a tenant is called in bodies and attributes."""
WRAPPERS = ("detail", "data", "NewImage", "OldImage", "Keys", "dynamodb", "payload", "requestPayload")
"""Where bodies keep their content one level deeper: bus events, webhooks, stream records, failed invocations."""

MOST = 10**9
"""Letters that a limit or a canary may name."""
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True, slots=True)
class Filters:
    """Empty values do not filter. `body` and `attributes` are (path or name, text) pairs; `limit` applies last."""

    errors: tuple[str, ...] = ()
    workers: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = ()
    tenants: tuple[str, ...] = ()
    shapes: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    body: tuple[tuple[str, str], ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()
    ids: frozenset[str] | None = None
    limit: int | None = None

    @property
    def everything(self) -> bool:
        """True where nothing is filtered."""
        return self == Filters()

    def document(self) -> dict[str, Any]:
        """What was asked for, for the plan and the audit log; ids are counted, for the plan lists them anyway."""
        criteria: dict[str, Any] = {
            name: list(getattr(self, name)) for name in ("errors", "workers", "fingerprints", "tenants", "shapes")
        }
        criteria |= {name: moment.isoformat() for name in ("since", "until") if (moment := getattr(self, name))}
        criteria |= {"body": [path for path, _ in self.body], "attributes": [name for name, _ in self.attributes]}
        criteria |= {"ids": len(self.ids) if self.ids is not None else None, "limit": self.limit}
        return {name: value for name, value in criteria.items() if value}


def selected(views: Iterable[View], filters: Filters) -> list[View]:
    """Those that match, closest to expiry first, those of a FIFO queue in their order; at most `limit`."""
    found = sorted(
        (each for each in views if matches(each, filters)),
        key=lambda each: (each.expires_at, each.sequence.zfill(40), each.id),
    )
    return found if filters.limit is None else found[: filters.limit]


def matches(each: View, filters: Filters) -> bool:
    """Whether every filter holds; `since` is inclusive, `until` exclusive, both about the time of failure.

    Content is looked at while the letter is there: whoever drops payloads has matched before.
    """
    return (
        (filters.ids is None or each.id in filters.ids)
        and (not filters.errors or each.error_type in filters.errors)
        and (not filters.workers or each.worker in filters.workers)
        and (not filters.fingerprints or each.fingerprint in filters.fingerprints)
        and (not filters.shapes or each.standing.shape in filters.shapes)
        and (filters.since is None or each.failed_at >= filters.since)
        and (filters.until is None or each.failed_at < filters.until)
        and (each.letter is None or _content_matches(each.letter, filters))
    )


def _content_matches(letter: DeadLetter, filters: Filters) -> bool:
    return (
        (not filters.tenants or not tenants(letter).isdisjoint(filters.tenants))
        and all(letter.text(name) == value for name, value in filters.attributes)
        and (not filters.body or _body_matches(letter, filters.body))
    )


def tenants(letter: DeadLetter) -> set[str]:
    """Whose letter this is: `tenantId` in its attributes, in its body, or one wrapper deeper."""
    found = {letter.text(name) for name in TENANT} - {""}
    body = opened(letter)
    return found if body is None else found | set(_tenants(body, depth=0))


def _tenants(value: Mapping[str, Any], depth: int) -> Iterator[str]:
    for name in TENANT:
        match value.get(name):
            case str(text) | {"S": str(text)}:
                yield text
    for name in WRAPPERS:
        within = value.get(name)
        if isinstance(within, dict) and depth < 3:
            yield from _tenants(within, depth + 1)


def _body_matches(letter: DeadLetter, wanted: Sequence[tuple[str, str]]) -> bool:
    body = opened(letter)
    return body is not None and all(
        any(_equal(found, value) for found in _at(body, path.split("."))) for path, value in wanted
    )


def _at(value: Any, path: Sequence[str]) -> Iterator[Any]:
    """The values at a path: names, list positions, or `*` for every member; a key with dots in it is found as well."""
    if not path:
        yield value
        return
    if isinstance(value, Mapping):
        for taken in range(1, len(path) + 1):
            name = ".".join(path[:taken])
            if name in value:
                yield from _at(value[name], path[taken:])
    elif isinstance(value, list):
        if path[0] == "*":
            for member in value:
                yield from _at(member, path[1:])
        elif path[0].isdigit() and int(path[0]) < len(value):
            yield from _at(value[int(path[0])], path[1:])


def _equal(found: Any, wanted: str) -> bool:
    """VALUE is read as JSON where it is JSON, and as text otherwise: `0` means the number and the text "0"."""
    if found == wanted:
        return True
    try:
        read = orjson.loads(wanted)
    except ValueError:
        return False
    if isinstance(found, bool) or isinstance(read, bool):
        return found is read
    return bool(found == read)


def moment(given: str, *, now: datetime) -> datetime:
    """A point in time: ISO 8601 (UTC where it names no zone), or how long ago (`90m`, `2h`, `3d`). Raises ValueError."""
    if found := re.fullmatch(r"(\d{1,9})([smhd])", given):
        try:
            return now - timedelta(seconds=int(found[1]) * _UNITS[found[2]])
        except OverflowError as error:
            raise ValueError(f"{given} ago is before the first year") from error
    read = datetime.fromisoformat(given)
    return read if read.tzinfo is not None else read.replace(tzinfo=UTC)


def pair(given: str) -> tuple[str, str]:
    """`PATH=VALUE`. Raises ValueError."""
    path, equals, value = given.partition("=")
    if not equals or not path:
        raise ValueError("write it as PATH=VALUE, such as order.total=0")
    return path, value
