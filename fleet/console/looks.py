"""The pages that only look; opening one changes nothing, and receives no message."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from fleet.console import pages, state
from fleet.console.inventories import Look, line, listed
from fleet.dead_letters.audit.home import log_of
from fleet.dead_letters.audit.log import NoLog
from fleet.dead_letters.looking import shown
from fleet.dead_letters.model import filters as filtering
from fleet.dead_letters.model.filters import Filters
from fleet.dead_letters.model.shapes import SHAPES

ROWS = 100
"""Letters, or lines of the audit log, on one page."""
NAMES = ("error", "worker", "fingerprint", "shape", "since", "until")
"""Filters that a page takes in its address, as `fleet dlq list` takes them as options."""


async def overview(request: web.Request) -> web.Response:
    console = state.of(request)
    found = await console.inventories.overview()
    looks, now = console.inventories.looks, console.now()
    rows = [(info, line(info, looks.get(info.name), now=now), looks.get(info.name)) for info in found.dead]
    await console.depths.refresh([each.name for each in (*found.sources, *found.dead)])
    return pages.page(request, "overview.html", overview=found, rows=rows)


async def queue(request: web.Request) -> web.Response:
    """The letters of one queue, grouped as `fleet dlq groups` groups them."""
    look, values = _look(request), _given(request)
    groups = look.grouped(filters(values), now=state.of(request).now()) if look is not None else []
    return pages.page(request, "groups.html", **_about(request, look), groups=groups, given=values, shapes=SHAPES)


async def letters(request: web.Request) -> web.Response:
    look, values, now = _look(request), _given(request), state.of(request).now()
    found = look.matching(filters(values)) if look is not None else []
    number = _number(request.query.get("page", "1"))
    rows = listed(found[(number - 1) * ROWS : number * ROWS], now=now)
    last = max(1, -(-len(found) // ROWS))
    return pages.page(
        request,
        "letters.html",
        **_about(request, look),
        rows=rows,
        count=len(found),
        number=number,
        last=last,
        given=values,
        shapes=SHAPES,
    )


async def letter(request: web.Request) -> web.Response:
    """One letter, redacted as `fleet dlq show` redacts it."""
    look, name = _look(request), request.match_info["letter"]
    each = look.view(name, now=state.of(request).now()) if look is not None else None
    if look is not None and each is None:
        raise web.HTTPNotFound(text=f"there was no letter {name} when the queue was read")
    line_ = listed([each], now=each.now)[0] if each is not None else None
    whole = shown(each) if each is not None and each.letter is not None else None
    return pages.page(
        request, "letter.html", **_about(request, look), letter=line_, shown=whole, id=name, revealed=None
    )


async def plan_form(request: web.Request) -> web.Response:
    look = _look(request)
    values, ids = _given(request), request.query.getall("ids", [])
    found = look.matching(filters(values, ids=ids)) if look is not None else []
    return pages.page(
        request,
        "plan_form.html",
        **_about(request, look),
        given={**values, "ids": ids},
        count=len(found),
        shapes=SHAPES,
    )


async def plans(request: web.Request) -> web.Response:
    kept, faults = [], []
    for name in state.of(request).plans.names():
        try:
            kept.append(state.of(request).plans.read(name))
        except Exception as error:  # noqa: BLE001 - a file that is no plan is named, and stands in nobody's way
            faults.append(f"{name}: {error}")
    return pages.page(request, "plans.html", kept=kept, faults=faults)


async def plan(request: web.Request) -> web.Response:
    console, name = state.of(request), request.match_info["plan"]
    kept = console.plans.read(name)
    said, starting = console.planned.get(name), console.is_starting(kept)
    words = console.plans.words(name)
    return pages.page(request, "plan.html", kept=kept, said=said, starting=starting, words=words)


async def confirm(request: web.Request) -> web.Response:
    """What a dry run said, and the plan once more: only from here is a replay begun."""
    console, name = state.of(request), request.match_info["plan"]
    kept = console.plans.read(name)
    check = console.checks.get(name)
    if check is not None and (check.digest, check.act) != (kept.digest, kept.act):
        check = None
    dry = state.document(check.said) if check is not None else {}
    return pages.page(request, "confirm.html", kept=kept, check=check, dry=dry)


async def plan_file(request: web.Request) -> web.Response:
    file = state.of(request).plans.file(request.match_info["plan"])
    headers = {"Content-Disposition": f'attachment; filename="{file.name}"'}
    return web.Response(body=file.read_bytes(), content_type="application/json", headers=headers)


async def audit(request: web.Request) -> web.Response:
    """The newest lines of the log that `fleet audit` keeps."""
    settings, about = state.of(request).settings, request.query.get("about", "")
    try:
        found = log_of(settings).records(about=about)
    except NoLog:
        found = []
    return pages.page(
        request, "audit.html", records=found[::-1][:ROWS], count=len(found), about=about, place=settings.audit_log
    )


def filters(values: dict[str, str], *, ids: list[str] | None = None) -> Filters:
    """Raises HTTPBadRequest, in the words of the command line."""
    if values.get("shape") and values["shape"] not in SHAPES:
        raise web.HTTPBadRequest(text=f"shape: {values['shape']} is none of {', '.join(SHAPES)}")
    now = datetime.now(UTC)
    times: dict[str, Any] = {}
    for name in ("since", "until"):
        try:
            times[name] = filtering.moment(values[name], now=now) if values.get(name) else None
        except ValueError as error:
            raise web.HTTPBadRequest(text=f"{name}: write ISO 8601, or an age such as 90m, 2h, 3d") from error
    return Filters(
        errors=_one(values.get("error")),
        workers=_one(values.get("worker")),
        fingerprints=_one(values.get("fingerprint")),
        shapes=_one(values.get("shape")),
        ids=frozenset(ids) if ids else None,
        **times,
    )


def _one(value: str | None) -> tuple[str, ...]:
    return (value,) if value else ()


def _given(request: web.Request) -> dict[str, str]:
    return {name: request.query[name] for name in NAMES if request.query.get(name)}


def _look(request: web.Request) -> Look | None:
    return state.of(request).inventories.looks.get(request.match_info["queue"])


def _about(request: web.Request, look: Look | None) -> dict[str, Any]:
    """What every page of a queue says first: when it was read, and what was not as it should be."""
    name, inventories = request.match_info["queue"], state.of(request).inventories
    return {
        "queue": name,
        "look": look,
        "reading": inventories.is_reading(name),
        "fault": inventories.faults.get(name, ""),
    }


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= 10**6:
        raise web.HTTPBadRequest(text="page: write a number from 1")
    return int(text[:9])
