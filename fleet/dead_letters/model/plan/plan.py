"""The frozen plan of a replay: which letters, by id and digest, to where, how fast; a changed plan is refused; pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import orjson

from fleet.dead_letters.model.letter import sha256
from fleet.dead_letters.model.shapes import Shape
from fleet.dead_letters.model.view import instant

SCHEMA = "fleet-dlq-plan/1"
USUAL_RATE = 100.0
"""Letters per second that an estimate counts with where no rate is set."""

Via = Literal["fleet", "aws"]


class PlanRefused(Exception):
    """This file is no plan, or not the plan that was written."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One letter of a plan. `destination` is an ARN; `expires_at` in epoch seconds; `mended` replaces the body."""

    id: str
    digest: str
    key: str
    shape: Shape
    destination: str
    expires_at: float
    mended: str | None = field(default=None, repr=False)


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


def steps(plan: Plan) -> Iterator[Step]:
    """The canaries in their sizes, then the rest."""
    start = 0
    for number, size in enumerate(plan.canary, start=1):
        if start >= len(plan.letters):
            return
        yield Step(number, plan.letters[start : start + size], canary=True)
        start += size
    if start < len(plan.letters):
        yield Step(len(plan.canary) + 1, plan.letters[start:], canary=False)


def write(plan: Plan) -> bytes:
    """The plan file: indented JSON, its digest last."""
    told = document(plan)
    return orjson.dumps({**told, "digest": _digest(told)}, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


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


def read(content: bytes) -> Plan:
    """Raises PlanRefused where the file is no plan of this version, or was changed after it was written."""
    try:
        told = orjson.loads(content)
    except ValueError as error:
        raise PlanRefused("this file is no plan: it is not JSON") from error
    if not isinstance(told, dict) or not str(told.get("schema", "")).startswith("fleet-dlq-plan/"):
        raise PlanRefused("this file is no plan")
    if told["schema"] != SCHEMA:
        raise PlanRefused(f"this plan has schema {told['schema']}; this version reads {SCHEMA}")
    if told.pop("digest", None) != _digest(told):
        raise PlanRefused("the plan was changed after it was written: make a new one with `fleet dlq plan`")
    try:
        plan = _plan(told)
    except (KeyError, TypeError, ValueError) as error:
        raise PlanRefused("the plan lacks a field") from error
    if any(each.mended is not None and not isinstance(each.mended, str) for each in plan.letters):
        raise PlanRefused("a mended body is not text")
    return plan


def _plan(told: Mapping[str, Any]) -> Plan:
    if told["via"] not in get_args(Via):
        raise ValueError(told["via"])
    return Plan(
        plan_id=str(told["plan_id"]),
        created_at=float(told["created_at"]),
        author=str(told["author"]),
        place=Place(told["queue"], told["queue_arn"], told["endpoint"]),
        letters=tuple(_planned(each) for each in told["letters"]),
        keep=bool(told["keep"]),
        rate=told["rate"],
        canary=tuple(map(int, told["canary"])),
        watch=float(told["watch"]),
        via=told["via"],
        filters=told["filters"],
    )


def _letter(each: Planned) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": each.id,
        "body_sha256": each.digest,
        "idempotency_key": each.key,
        "shape": each.shape,
        "destination": each.destination,
        "expires_at": each.expires_at,
    }
    if each.mended is not None:
        told |= {"mended": each.mended, "mended_sha256": sha256(each.mended)}
    return told


def _planned(told: Mapping[str, Any]) -> Planned:
    return Planned(
        id=str(told["id"]),
        digest=str(told["body_sha256"]),
        key=str(told["idempotency_key"]),
        shape=told["shape"],
        destination=str(told["destination"]),
        expires_at=float(told["expires_at"]),
        mended=told.get("mended"),
    )


def _digest(told: Mapping[str, Any]) -> str:
    return "sha256:" + hashlib.sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).hexdigest()


def canary_sizes(given: str) -> tuple[int, ...]:
    """`1,5,20`. Raises ValueError."""
    sizes = tuple(int(each) for each in given.split(",") if each.strip())
    if not sizes or min(sizes) < 1:
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
