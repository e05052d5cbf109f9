"""How a page is written: templates in which all text is escaped, times that say how long ago, forms that are good once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from fleet.console import state
from fleet.console.guard import nonce
from fleet.dead_letters.model import expiry, redaction
from fleet.dead_letters.settings import EDIT_DISABLED
from fleet.typed import typed


def templates() -> Environment:
    """Every value is escaped, and what would speak to a reader's screen, such as a change of direction, is spelt out."""
    made = Environment(
        loader=PackageLoader("fleet.console"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_plain,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"part": part, "left": expiry.spelled, "at": at, "ago": ago, "whole": whole}
    made.globals |= {"command": typed, "query": query, "count": "{:.0f}".format, "age": lasting}
    return made


def page(request: web.Request, template: str, *, status: int = 200, **values: Any) -> web.Response:
    """One page as it is now."""
    console = state.of(request)
    written = console.templates.get_template(template).render(
        console=console,
        here=request.path,
        nonce=nonce(request),
        now=console.now(),
        form=console.forms.issue,
        why_disabled="" if console.allow_writes else state.READ_ONLY,
        edit_disabled=EDIT_DISABLED,
        **values,
    )
    return web.Response(text=written, status=status, content_type="text/html")


def see(path: str) -> web.HTTPSeeOther:
    """To be raised when a form was taken: the page that follows can be read again without sending it again."""
    return web.HTTPSeeOther(path)


def whole(text: str) -> Markup:
    """Escaped for HTML and otherwise as it is: what a person mends is sent back to the byte."""
    return escape(text)


def part(text: str) -> str:
    """A name as one part of a path."""
    return quote(text, safe="")


def query(values: Mapping[str, Any], **more: Any) -> str:
    """`?name=value`, without what is empty."""
    given = {name: value for name, value in {**values, **more}.items() if value not in (None, "", [], ())}
    return f"?{urlencode(given, doseq=True)}" if given else ""


def at(moment: float | str) -> str:
    """Epoch seconds or ISO 8601 as people read it, in UTC."""
    if isinstance(moment, str):
        return f"{moment[:10]} {moment[11:19]} UTC" if moment else ""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def ago(moment: float, now: float) -> str:
    """How long before `now`, both in epoch seconds."""
    return f"{lasting(now - moment)} ago"


def lasting(seconds: float) -> str:
    """Below two minutes in seconds."""
    whole_seconds = max(0, int(seconds))
    return f"{whole_seconds} s" if whole_seconds < 120 else expiry.spelled(whole_seconds)


def _plain(value: Any) -> Any:
    if isinstance(value, str) and not isinstance(value, Markup):
        return redaction.printable(value)
    return value
