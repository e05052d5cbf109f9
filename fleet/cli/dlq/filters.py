"""The filters of `fleet dlq`, as options; all that are given must hold."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any, TypeVar

import click

from fleet.dead_letters.model import filters
from fleet.dead_letters.model.filters import Filters
from fleet.dead_letters.model.shapes import SHAPES

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

PRINT = "\0print"


def filter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the filters as one argument, `filters`; its own `ids` stays what was written after `--ids`."""

    @wraps(command)
    def filtered(**given: Any) -> Any:
        named = {name: given.pop(name) for name in _NAMES}
        named["ids"] = given.get("ids") if given.get("ids") != PRINT else None
        return command(filters=_filters(**named), **given)

    found: Any = filtered
    for option in reversed(_OPTIONS):
        found = option(found)
    return found  # type: ignore[no-any-return]  # click's decorators answer what they were given


_NAMES = ("error", "worker", "fingerprint", "tenant", "shape", "since", "until", "body", "attribute", "limit")
_OPTIONS = (
    click.option("--error", multiple=True, metavar="TYPE", help="Error type, exactly; several mean any of them."),
    click.option("--worker", multiple=True, metavar="NAME", help="Who failed."),
    click.option("--fingerprint", multiple=True, metavar="HEX", help="The group."),
    click.option(
        "--tenant", multiple=True, metavar="ID", help="`tenantId` in the body, a wrapper of it or an attribute."
    ),
    click.option("--shape", multiple=True, type=click.Choice(SHAPES), help="The letter's shape."),
    click.option("--since", metavar="TIME", help="Failed at or after: ISO 8601, or an age such as 90m, 2h, 3d."),
    click.option("--until", metavar="TIME", help="Failed before."),
    click.option("--body", multiple=True, metavar="PATH=VALUE", help="A field of the body, such as order.total=0."),
    click.option("--attribute", multiple=True, metavar="NAME=VALUE", help="A message attribute."),
    click.option(
        "--limit", type=click.IntRange(min=1, max=filters.MOST), help="At most so many, closest to expiry first."
    ),
    click.option(
        "--ids",
        is_flag=False,
        flag_value=PRINT,
        metavar="-|ID,ID",
        help="These ids only; `-` reads them from stdin. Without a value, `list` prints ids.",
    ),
)


def _filters(
    *,
    error: tuple[str, ...],
    worker: tuple[str, ...],
    fingerprint: tuple[str, ...],
    tenant: tuple[str, ...],
    shape: tuple[str, ...],
    since: str | None,
    until: str | None,
    body: tuple[str, ...],
    attribute: tuple[str, ...],
    limit: int | None,
    ids: str | None,
) -> Filters:
    return Filters(
        errors=error,
        workers=worker,
        fingerprints=fingerprint,
        tenants=tenant,
        shapes=shape,
        since=_moment(since, "--since"),
        until=_moment(until, "--until"),
        body=tuple(_pair(each, "--body") for each in body),
        attributes=tuple(_pair(each, "--attribute") for each in attribute),
        limit=limit,
        ids=None if ids is None else frozenset(_ids(ids)),
    )


def _ids(given: str) -> list[str]:
    text = sys.stdin.read() if given == "-" else given.replace(",", "\n")
    return text.split()


def _moment(given: str | None, option: str) -> datetime | None:
    if given is None:
        return None
    try:
        return filters.moment(given, now=datetime.now(UTC))
    except ValueError as error:
        raise click.BadParameter("write ISO 8601, or an age such as 90m, 2h, 3d", param_hint=option) from error


def _pair(given: str, option: str) -> tuple[str, str]:
    try:
        return filters.pair(given)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from error
