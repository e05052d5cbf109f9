"""Workers: who lives, what troubles them, and the orders that they are given; each by the command line's own command."""

from __future__ import annotations

from aiohttp import web

from fleet.console import acts, pages, state
from fleet.typed import typed
from workers import roster

ORDERS = {"pause": (), "resume": (), "limit": ("concurrency", "rate")}
"""Each order, and the fields of the form that are its options."""


async def look(request: web.Request) -> web.Response:
    """What `fleet workers` says at this moment."""
    said = await state.look(request, "workers", "--json")
    return pages.page(request, "workers.html", said=said, typed=typed("workers"), orders=[*ORDERS])


async def order(request: web.Request) -> web.Response:
    """`fleet pause`, `resume` or `limit`, with a reason; who follows, the page that comes after tells."""
    console, worker = state.of(request), request.match_info["worker"]
    if worker not in roster.WORKERS:
        raise web.HTTPNotFound(text=f"there is no worker {worker}")
    act = acts.text(await request.post(), "act")
    if act not in ORDERS:
        raise web.HTTPBadRequest(text=f"act: write one of {', '.join(ORDERS)}")
    acts.may_write(request, act, worker)
    form = await acts.sent(request, request.path)
    options = [f"--{name}={value}" for name in ORDERS[act] if (value := acts.text(form, name))]
    arguments = (act, *options, "--no-wait", f"--reason={acts.reason(form)}", "--", worker)
    said = await console.commands.ask(*arguments)
    if said.code:
        return pages.page(request, "said.html", status=409, title="Not ordered", said=said, typed=typed(*arguments))
    raise pages.see(f"/workers#{pages.part(worker)}")
