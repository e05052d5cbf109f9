"""What is known of an id: one message's story, a delivery, a reminder, a session, a proof; each by the command line's own command."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from fleet.console import acts, pages, state
from fleet.console.commands import NOTHING, PARTLY, Said
from fleet.console.pages import part
from fleet.console.state import Console
from fleet.story.moment import Ids, buried
from fleet.typed import typed

LONGEST = 200
"""Characters of an id, a tenant, a number of hours."""
SESSION = ("status", "reason", "size", "contentType", "createdAt", "uploadedAt", "expiresAt", "connected")
REMINDER = ("is_active", "channel", "at", "time_zone", "rule", "revision", "created_at", "updated_at")
OCCURRENCE = ("due_at", "status", "reason", "sent_at", "attempts")
DELIVERY = ("event_type", "state", "payload_kept")
ATTEMPT = ("webhook_id", "number", "status", "http_status", "error", "started_at", "resent")
"""What is shown of each: never a payload, a file's name, or what a customer's endpoint answered."""


async def find(request: web.Request) -> web.Response:
    """The search box; with an id what `fleet trace` tells of it, and the pages that there are of it."""
    asked, tenant, hours = (_field(request, name) for name in ("id", "tenant", "hours"))
    given: dict[str, Any] = {"asked": asked, "tenant": tenant, "hours": hours}
    if not asked:
        return pages.page(request, "find.html", **given, said=None, links={}, looked=[], typed="")
    options = [f"--{name}={value}" for name, value in (("tenant", tenant), ("archive", hours)) if value]
    arguments = ("trace", *options, "--no-letters", "--json", "--", asked)
    asking = [state.look(request, *arguments)]
    if tenant:
        endpoint_of = ("webhooks", "endpoint", "show", f"--tenant={tenant}", "--json", "--", asked)
        asking.append(state.look(request, *endpoint_of))
    said, *endpoint = await asyncio.gather(*asking)
    letters, searched = await asyncio.to_thread(_letters, state.of(request), asked)
    links = letters | _links(said.documents, tenant)
    if endpoint and not endpoint[0].code:
        links[f"/webhooks/{part(tenant)}/{part(asked)}"] = f"endpoint {asked}"
    links[f"/archive/{part(asked)}"] = f"proof that the row of event {asked} is in the archive"
    return pages.page(
        request,
        "find.html",
        status=200 if said.code in (0, NOTHING, PARTLY) else 409,
        **given,
        said=said,
        not_read=said.code not in (0, NOTHING),
        looked=[each for each in said.words if not each.startswith("letters:")] + searched,
        links=links,
        typed=typed(*arguments),
    )


async def session(request: web.Request) -> web.Response:
    name = request.match_info["id"]
    return await _told(request, f"Session {name}", ("sessions", "show", "--json", "--", name), facts=SESSION)


async def reminder(request: web.Request) -> web.Response:
    name, tenant = request.match_info["id"], request.match_info["tenant"]
    arguments = ("reminders", "show", f"--tenant={tenant}", "--json", "--", name)
    return await _told(request, f"Reminder {name}", arguments, facts=REMINDER, rows=("occurrences", OCCURRENCE))


async def delivery(request: web.Request) -> web.Response:
    """One delivery, with the form that sends it again."""
    name, tenant, endpoint = (request.match_info[each] for each in ("id", "tenant", "endpoint"))
    arguments = ("webhooks", "show", f"--tenant={tenant}", f"--endpoint={endpoint}", "--json", "--", name)
    title = f"Delivery {name} to {endpoint}"
    rows = ("attempts", ATTEMPT[1:])
    return await _told(request, title, arguments, facts=DELIVERY, rows=rows, resend=f"{_path(request)}/resend")


async def endpoint(request: web.Request) -> web.Response:
    """Attempts at an endpoint, of the last day or since `?since=`."""
    tenant, name, since = request.match_info["tenant"], request.match_info["endpoint"], _field(request, "since")
    options = [f"--tenant={tenant}", f"--endpoint={name}", *([f"--since={since}"] if since else [])]
    arguments = ("webhooks", "deliveries", *options, "--json")
    said = await state.look(request, *arguments)
    return pages.page(
        request,
        "deliveries.html",
        status=200 if said.code in (0, NOTHING) else 409,
        endpoint=name,
        said=said,
        not_read=said.code not in (0, NOTHING),
        base=_path(request),
        since=since,
        columns=ATTEMPT[1:],
        typed=typed(*arguments),
    )


async def resend(request: web.Request) -> web.Response:
    """One more attempt, now."""
    name, tenant, endpoint = (request.match_info[each] for each in ("id", "tenant", "endpoint"))
    acts.may_write(request, "webhooks resend", endpoint)
    form = await acts.sent(request, _path(request))
    options = (f"--tenant={tenant}", f"--endpoint={endpoint}", f"--reason={acts.reason(form)}", "--json")
    arguments = ("webhooks", "resend", *options, "--", name)
    said = await state.of(request).commands.ask(*arguments)
    if said.code:
        return pages.page(request, "said.html", status=409, title="Not sent", said=said, typed=typed(*arguments))
    raise pages.see(_path(request).removesuffix("/resend"))


async def archived(request: web.Request) -> web.Response:
    return _proof(request, None)


async def prove(request: web.Request) -> web.Response:
    """Read the archive; what is shown is where the row stands, and not the row."""
    await acts.sent(request, _path(request))
    said = await state.look(request, "archive", "prove", "--", request.match_info["id"])
    return _proof(request, said)


def _proof(request: web.Request, said: Said | None) -> web.Response:
    name = request.match_info["id"]
    following = typed("archive", "prove", "-o", "proof.json", "--", name)
    status = 409 if said is not None and said.code else 200
    return pages.page(request, "proof.html", status=status, id=name, said=said, path=_path(request), typed=following)


async def _told(
    request: web.Request,
    title: str,
    arguments: tuple[str, ...],
    *,
    facts: tuple[str, ...],
    rows: tuple[str, tuple[str, ...]] = ("", ()),
    resend: str = "",
) -> web.Response:
    """One document of a command as a page; 404 where the command knows none."""
    said = await state.look(request, *arguments)
    status = {0: 200, NOTHING: 404}.get(said.code, 409)
    document, (name, columns) = state.document(said), rows
    return pages.page(
        request,
        "told.html",
        status=status,
        title=title,
        said=said,
        facts={each: document[each] for each in facts if document.get(each) not in (None, "")},
        rows=document.get(name, []),
        columns=columns,
        resend=resend if document else "",
        typed=typed(*arguments),
    )


def _letters(console: Console, asked: str) -> tuple[dict[str, str], list[str]]:
    """Letters that name the id, of the queues that were read, and where was looked: opening a page receives none. Of a letter whose body
    was not kept only its own ids can be looked at.
    """
    found, searched, ids = dict[str, str](), list[str](), Ids(asked)
    for queue, look in [*console.inventories.looks.items()]:
        for view in look.views:
            letter = look.letters.get(view.id)
            own = " ".join((view.id, view.key, view.plan_id, *view.earlier))
            if ids.are_in(own) or (letter is not None and buried(letter, queue, ids) is not None):
                found[f"/queues/{part(queue)}/letters/{part(view.id)}"] = f"letter {view.id} in {queue}"
        bare = len(look.views) - len(look.letters)
        more = f", of {bare} their ids alone: their bodies were not kept" if bare else ""
        more += "" if look.whole else ", and not all of the queue was seen"
        searched.append(f"letters: {queue}, {len(look.views)} as read {pages.at(look.at)}{more}")
    return found, searched or ["letters: not looked at, no queue was read here"]


def _links(moments: Sequence[Mapping[str, Any]], tenant: str) -> dict[str, str]:
    """The pages of what the story names."""
    found = dict[str, str]()
    for each in moments:
        if name := each.get("session_id"):
            found[f"/sessions/{part(str(name))}"] = f"session {name}"
        if tenant and (name := each.get("reminder_id")):
            found[f"/reminders/{part(tenant)}/{part(str(name))}"] = f"reminder {name}"
        if tenant and (name := each.get("webhook_id")) and (at := each.get("endpoint")):
            found[f"/webhooks/{part(tenant)}/{part(str(at))}/{part(str(name))}"] = f"delivery {name} to {at}"
    return found


def _field(request: web.Request, name: str) -> str:
    """Raises HTTPBadRequest."""
    found = request.query.get(name, "").strip()
    if len(found) > LONGEST:
        raise web.HTTPBadRequest(text=f"{name}: write at most {LONGEST} characters")
    return found


def _path(request: web.Request) -> str:
    """The page's path as its links spell it."""
    return request.rel_url.raw_path
