"""The frozen plan of a replay: which letters, by id and digest, to where, how fast; a changed plan is refused; pure."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import orjson

from fleet.dead_letters.model.filters import MOST
from fleet.dead_letters.model.letter import sha256
from fleet.dead_letters.model.plan import limits
from fleet.dead_letters.model.shapes import Shape
from fleet.dead_letters.model.view import instant

SCHEMA = "fleet-dlq-plan/2"
USUAL_RATE = 100.0
"""Letters per second that an estimate counts with where no rate is set."""

Via = Literal["fleet", "aws"]


class PlanRefused(Exception):
    """This file is not a plan, or not the plan that was written."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One letter of a plan. `destination` is an ARN; `expires_at` in epoch seconds; `mended` replaces the body;
    `earlier` are the ids that it had before it was archived and restored.
    """

    id: str
    digest: str
    key: str
    shape: Shape
    destination: str
    expires_at: float
    mended: str | None = field(default=None, repr=False)
    earlier: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a plan holds: what an endpoint, a region and an account call this queue."""

    queue: str
    arn: str
    endpoint: str

    @property
    def region(self) -> str:
        return self.arn.split(":")[3]

    @property
    def account(self) -> str:
        return self.arn.split(":")[4]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is going to be done, and nothing else. `rate` in letters per second, `watch` in seconds."""

    plan_id: str
    created_at: float
    author: str
    place: Place
    letters: tuple[Planned, ...]
    keep: bool = False
    rate: float | None = None
    canary: tuple[int, ...] = ()
    watch: float = 300.0
    via: Via = "fleet"
    filters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def estimate(self) -> float:
        """Seconds that the sends take; watching the canaries comes on top."""
        return len(self.letters) / (self.rate or USUAL_RATE)

    @property
    def late(self) -> int:
        """How many letters disappear before their turn comes, counted from the plan's creation."""
        pace = 1 / (self.rate or USUAL_RATE)
        return sum(each.expires_at <= self.created_at + (turn + 1) * pace for turn, each in enumerate(self.letters))

    @property
    def destinations(self) -> tuple[str, ...]:
        return tuple(sorted({each.destination for each in self.letters}))


@dataclass(frozen=True, slots=True)
class Step:
    """A part of the plan; a canary's verdict is waited for before the next one begins."""

    number: int
    letters: tuple[Planned, ...]
    canary: bool


def steps(plan: Plan, replaced: Collection[str] = ()) -> Iterator[Step]:
    """The canaries in their sizes, then the rest. A canary all of whose letters were `replaced` has as many of the next ones as well."""
    start = 0
    for number, size in enumerate(plan.canary, start=1):
        if start >= len(plan.letters):
            return
        end = start + size
        while end < len(plan.letters) and all(each.id in replaced for each in plan.letters[start:end]):
            end += size
        yield Step(number, plan.letters[start:end], canary=True)
        start = end
    if start < len(plan.letters):
        yield Step(len(plan.canary) + 1, plan.letters[start:], canary=False)


def write(plan: Plan, *, key: bytes) -> bytes:
    """The plan file: indented JSON, its digest last. Without `key` nobody can write one that `read` takes."""
    content = document(plan)
    return orjson.dumps(
        {**content, "digest": _digest(content, key)}, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    )


def document(plan: Plan) -> dict[str, Any]:
    """The plan without its digest (schema dlq-plan, version 1)."""
    return {
        "schema": SCHEMA,
        "plan_id": plan.plan_id,
        "created_at": plan.created_at,
        "created": instant(plan.created_at),
        "author": plan.author,
        "queue": plan.place.queue,
        "queue_arn": plan.place.arn,
        "endpoint": plan.place.endpoint,
        "region": plan.place.region,
        "account": plan.place.account,
        "destinations": list(plan.destinations),
        "keep": plan.keep,
        "rate": plan.rate,
        "canary": list(plan.canary),
        "watch": plan.watch,
        "via": plan.via,
        "filters": dict(plan.filters),
        "planned": len(plan.letters),
        "estimate_s": round(plan.estimate, 1),
        "letters": [_letter(each) for each in plan.letters],
    }


def read(content: bytes, *, key: bytes) -> Plan:
    """Raises PlanRefused where the file is not a plan of this version, or was changed after it was written with `key`."""
    try:
        found = orjson.loads(content)
    except ValueError as error:
        raise PlanRefused("this file is not a plan: it is not JSON, or nested too deep") from error
    if not isinstance(found, dict) or not str(found.get("schema", "")).startswith("fleet-dlq-plan/"):
        raise PlanRefused("this file is not a plan")
    if found["schema"] != SCHEMA:
        raise PlanRefused(f"this plan has schema {found['schema']}; this version reads {SCHEMA}: make a new one")
    given = found.pop("digest", None)
    try:
        digest = _digest(found, key)
    except TypeError as error:  # orjson writes less deeply nested values than it reads
        raise PlanRefused("this file is not a plan: it is nested too deep") from error
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), digest.encode()):
        raise PlanRefused(
            "the plan was changed after it was written, or written with another key: make a new one with "
            "`fleet dlq plan`, or set DLQ_PLAN_KEY to the key of who wrote it"
        )
    if why := limits.fault(found):
        raise PlanRefused(f"this plan cannot be carried out: {why}")
    try:
        return _plan(found)
    except (KeyError, TypeError, ValueError) as error:
        raise PlanRefused("the plan lacks a field") from error


def _plan(found: Mapping[str, Any]) -> Plan:
    if found["via"] not in get_args(Via):
        raise ValueError(found["via"])
    return Plan(
        plan_id=str(found["plan_id"]),
        created_at=float(found["created_at"]),
        author=str(found["author"]),
        place=Place(found["queue"], found["queue_arn"], found["endpoint"]),
        letters=tuple(_planned(each) for each in found["letters"]),
        keep=bool(found["keep"]),
        rate=found["rate"],
        canary=tuple(map(int, found["canary"])),
        watch=float(found["watch"]),
        via=found["via"],
        filters=found["filters"],
    )


def _letter(each: Planned) -> dict[str, Any]:
    written: dict[str, Any] = {
        "id": each.id,
        "body_sha256": each.digest,
        "idempotency_key": each.key,
        "shape": each.shape,
        "destination": each.destination,
        "expires_at": each.expires_at,
    }
    if each.mended is not None:
        written |= {"mended": each.mended, "mended_sha256": sha256(each.mended)}
    if each.earlier:
        written["earlier_ids"] = list(each.earlier)
    return written


def _planned(found: Mapping[str, Any]) -> Planned:
    return Planned(
        id=str(found["id"]),
        digest=str(found["body_sha256"]),
        key=str(found["idempotency_key"]),
        shape=found["shape"],
        destination=str(found["destination"]),
        expires_at=float(found["expires_at"]),
        mended=found.get("mended"),
        earlier=tuple(map(str, found.get("earlier_ids", ()))),
    )


def _digest(content: Mapping[str, Any], key: bytes) -> str:
    written = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    return "hmac-sha256:" + hmac.new(key, written, hashlib.sha256).hexdigest()


def changed_bodies(plan: Plan) -> dict[str, str]:
    """Digests of the bodies that this plan changes, `before->after`, by id."""
    return {each.id: f"{each.digest}->{sha256(each.mended)}" for each in plan.letters if each.mended is not None}


def canary_sizes(given: str) -> tuple[int, ...]:
    """`1,5,20`. Raises ValueError."""
    sizes = tuple(int(each) for each in given.split(",") if each.strip())
    if not sizes or min(sizes) < 1 or max(sizes) > MOST:
        raise ValueError("canary steps are numbers of letters, such as 1,5,20")
    return sizes


def differences(plan: Plan, here: Place) -> Sequence[str]:
    """In what the plan's place is not this one; both are named."""
    pairs = (
        ("endpoint", plan.place.endpoint, here.endpoint),
        ("region", plan.place.region, here.region),
        ("account", plan.place.account, here.account),
    )
    return [f"{what} {planned} in the plan, {found} here" for what, planned, found in pairs if planned != found]
