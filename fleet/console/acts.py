"""What a form asks for: a queue read, a letter revealed, a plan made, checked and carried out, each by the command line's own command."""

from __future__ import annotations

import asyncio

from aiohttp import web
from multidict import MultiMapping

from fleet.console import pages, state
from fleet.console.plans import Kept, words_of
from fleet.console.state import Check
from fleet.dead_letters.audit.home import log_of
from fleet.dead_letters.audit.log import Entry
from fleet.dead_letters.model.letter import sha256
from fleet.typed import typed

PATIENCE = 3.0
"""Seconds for which a reading is waited for; then its page says that it goes on."""
MOMENT = 0.5
"""Seconds for which a command that outlives the console is looked after."""
OPTIONS = (
    "error",
    "worker",
    "fingerprint",
    "tenant",
    "shape",
    "since",
    "until",
    "body",
    "limit",
    "to",
    "rate",
    "canary",
    "watch",
)
"""Fields of the form of a plan, each the option of that name."""

Form = MultiMapping[str | bytes | bytearray | web.FileField]


async def read(request: web.Request) -> web.Response:
    """Read one queue, as `fleet dlq groups` does: every letter is given back."""
    await sent(request, request.path)
    name = request.match_info["queue"]
    await state.of(request).inventories.read(name, wait=PATIENCE)
    raise pages.see(f"/queues/{pages.part(name)}")


async def read_all(request: web.Request) -> web.Response:
    await sent(request, request.path)
    inventories = state.of(request).inventories
    for info in (await inventories.overview()).dead:
        if info.visible + info.in_flight:
            await inventories.read(info.name, wait=PATIENCE)
    raise pages.see("/")


async def reveal(request: web.Request) -> web.Response:
    """Body and attributes as they are: with a reason, and a record in the audit log."""
    form = await sent(request, request.path)
    console, queue, name = state.of(request), request.match_info["queue"], request.match_info["letter"]
    arguments = ("dlq", "show", "--reveal", f"--reason={reason(form)}", "--json", "--", queue, name)
    said = await console.commands.ask(*arguments)
    if not said.documents:
        return pages.page(request, "said.html", status=409, title="Not revealed", said=said, typed=typed(*arguments))
    look = console.inventories.looks.get(queue)
    whole = state.document(said)
    return pages.page(
        request,
        "letter.html",
        queue=queue,
        look=look,
        reading=False,
        fault="",
        letter=whole,
        shown=whole,
        id=name,
        revealed=said,
    )


async def check_edit(request: web.Request) -> web.Response:
    """A dry run of a mended body."""
    console, queue, name = state.of(request), request.match_info["queue"], request.match_info["letter"]
    may_write(request, "edit", queue)
    body = _body(await sent(request, request.path))
    said = await console.commands.ask("dlq", "edit", "--body-file=-", "--json", "--", queue, name, stdin=body)
    if said.code or not said.documents:
        following = typed("dlq", "edit", "--body-file", "FILE", queue, name)
        return pages.page(request, "said.html", status=409, title="Not to be mended so", said=said, typed=following)
    purpose = f"{request.path}/send {sha256(body)}"
    dry = state.document(said)
    return pages.page(request, "edit.html", queue=queue, id=name, body=body, dry=dry, said=said, purpose=purpose)


async def edit(request: web.Request) -> web.Response:
    """Send the body that the dry run was about, and no other; the original is archived first."""
    console, queue, name = state.of(request), request.match_info["queue"], request.match_info["letter"]
    may_write(request, "edit", queue)
    body = _body(await _posted(request))
    form = await sent(request, f"{request.path} {sha256(body)}")
    arguments = ("dlq", "edit", "--body-file=-", "--yes", f"--reason={reason(form)}", "--json", "--", queue, name)
    said = await console.commands.ask(*arguments, stdin=body)
    title = "Not mended" if said.code else "A mended copy was sent"
    status = 409 if said.code else 200
    return pages.page(request, "said.html", status=status, title=title, said=said, typed=typed("dlq", "groups", queue))


async def make_plan(request: web.Request) -> web.Response:
    """Freeze a selection in a file; sends nothing."""
    form = await sent(request, request.path)
    console, queue = state.of(request), request.match_info["queue"]
    file = console.plans.fresh(queue, now=console.now())
    options = [f"--{name}={value}" for name in OPTIONS if (value := text(form, name))]
    options += ["--keep"] if text(form, "keep") else []
    ids = [str(each) for each in form.getall("ids", [])]
    selected = ["--ids=-"] if ids else []
    behind = ("-o", str(file), "--json", "--", queue)
    said = await console.commands.ask("dlq", "plan", *options, *selected, *behind, stdin="\n".join(ids))
    if not file.is_file():
        selected = [f"--ids={','.join(ids)}"] if ids else []
        following = typed("dlq", "plan", *options, *selected, *behind)
        return pages.page(request, "said.html", status=409, title="No plan was made", said=said, typed=following)
    console.planned[file.name] = said
    raise pages.see(f"/plans/{pages.part(file.name)}")


async def check(request: web.Request) -> web.Response:
    """A dry run of what comes next with this plan."""
    await sent(request, request.path)
    console, kept = state.of(request), _kept(request)
    if kept.act not in ("replay", "resume") or console.is_starting(kept):
        raise web.HTTPConflict(text=f"this plan is {kept.status['state']}: there is nothing to check")
    said = await console.commands.ask("dlq", kept.act, f"--plan-id={kept.plan.plan_id}", "--json", "--", str(kept.file))
    console.checks[kept.name] = Check(said, kept.digest, kept.act, console.now())
    raise pages.see(f"/plans/{pages.part(kept.name)}/confirm")


async def carry_out(request: web.Request) -> web.Response:
    """`replay` or `resume`: begun by the form of the page that showed this very plan and its dry run, and of no other."""
    console, kept = state.of(request), _kept(request)
    act = request.match_info["act"]
    may_write(request, act, kept.plan.place.queue, kept.plan.plan_id)
    form = await sent(request, f"{request.path} {kept.digest}")
    checked = console.checks.pop(kept.name, None)
    if (
        kept.act != act
        or console.is_starting(kept)
        or checked is None
        or (checked.digest, checked.act) != (kept.digest, act)
    ):
        raise web.HTTPConflict(
            text=f"this plan is {kept.status['state']} now, or was not checked: look at it once more"
        )
    only = (
        f"--plan-id={kept.plan.plan_id}"  # what was confirmed, should the file be another's before the command reads it
    )
    arguments = ("dlq", act, only, "--yes", f"--reason={reason(form)}", "--json", "--", str(kept.file))
    console.begun[kept.name] = begun = await console.commands.start(*arguments, words=words_of(kept.file))
    await asyncio.wait([begun], timeout=MOMENT)  # what is refused at once is told by the page that follows
    raise pages.see(f"/plans/{pages.part(kept.name)}")


async def cancel(request: web.Request) -> web.Response:
    """Stop a replay, whoever began it."""
    console, kept = state.of(request), _kept(request)
    may_write(request, "cancel", kept.plan.place.queue, kept.plan.plan_id)
    form = await sent(request, request.path)
    arguments = ("dlq", "cancel", "--yes", f"--reason={reason(form)}", "--json", "--", str(kept.file))
    said = await console.commands.ask(*arguments)
    if said.code:
        return pages.page(request, "said.html", status=409, title="Not cancelled", said=said, typed=typed(*arguments))
    raise pages.see(f"/plans/{pages.part(kept.name)}")


def _kept(request: web.Request) -> Kept:
    return state.of(request).plans.read(request.match_info["plan"])


def may_write(request: web.Request, act: str, queue: str, plan_id: str = "") -> None:
    """Raises HTTPForbidden where this console only looks; the log has who tried."""
    console = state.of(request)
    if console.allow_writes:
        return
    settings = console.settings
    tried = Entry(act, queue, "", "refused", settings.actor, plan_id=plan_id, note=state.READ_ONLY)
    log_of(settings).append(tried)
    raise web.HTTPForbidden(text=state.READ_ONLY)


async def sent(request: web.Request, purpose: str) -> Form:
    """The form, which is good once. Raises HTTPForbidden, HTTPConflict."""
    form = await _posted(request)
    match state.of(request).forms.spend(text(form, "form"), purpose):
        case "fresh":
            return form
        case "sent already":
            raise web.HTTPConflict(
                text="this form was sent already, and what it asks for is done once: open the page again"
            )
        case "unknown":
            raise web.HTTPForbidden(text="this form is not of this console, or too old: open its page again")


async def _posted(request: web.Request) -> Form:
    """Raises HTTPBadRequest where what was sent is not in the character set that it names, or in one that nobody knows."""
    try:
        return await request.post()
    except (LookupError, UnicodeError) as error:
        raise web.HTTPBadRequest(text="this form is not in the characters that it says") from error


def reason(form: Form) -> str:
    """Raises HTTPBadRequest."""
    if given := " ".join(text(form, "reason").split()):
        return given
    raise web.HTTPBadRequest(text="a reason is required: it goes to the audit log")


def _body(form: Form) -> str:
    """A form sends each line end as CR LF; a body that holds a CR is not offered to be mended here."""
    value = form.get("body", "")
    return value.replace("\r\n", "\n") if isinstance(value, str) else ""


def text(form: Form, name: str) -> str:
    value = form.get(name, "")
    return value.strip() if isinstance(value, str) else ""
