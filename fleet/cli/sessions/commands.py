"""The commands of `fleet sessions`."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, ClassVar, TypeVar

import click

from fleet.cli.command import ClientCommand, Decorated, env_file_option, json_option, print_json, tell
from workers.upload_notification.client import (
    NoSuchSession,
    Opening,
    Refused,
    Sessions,
    State,
    WrongField,
    open_sessions,
)

EVERY = 1.0
"""Seconds between two looks of `watch`."""

Result = TypeVar("Result")


class SessionsCommand(ClientCommand):
    """A command of the upload sessions' client."""

    wrong = WrongField
    refused = (Refused,)
    missing: ClassVar = {NoSuchSession: "there is no session {}"}


def _shared(command: Decorated) -> Decorated:
    return json_option(env_file_option(command))


_id = click.argument("session_id", metavar="ID")


@click.command("open", cls=SessionsCommand, short_help="Open a session and print its id and secret, once.")
@click.option("--tenant", default="", help="Whose webhooks hear of it; without, none do.")
@click.option("--type", "types", multiple=True, help="What it takes, image/png or image/*; may be repeated. Else any.")
@click.option("--max-bytes", type=int, help="Larger files are rejected.")
@click.option("--min-bytes", type=int, help="Smaller files are rejected.")
@click.option("--scan", is_flag=True, help="Complete only after a malware scan that found nothing.")
@click.option("--seconds", type=int, default=900, show_default=True, help="How long it is open.")
@click.option("--id", "session_id", help="Its id; else one is made.")
@_shared
def open_(
    *,
    tenant: str,
    types: tuple[str, ...],
    max_bytes: int | None,
    min_bytes: int | None,
    scan: bool,
    seconds: int,
    session_id: str | None,
    as_json: bool,
) -> None:
    """Open a session. Its secret, which the browser's calls carry, is printed this once.

    Ends with 2 for a field that cannot be so, with 5 where the id is taken.
    """
    named = {"session_id": session_id} if session_id else {}
    wanted = Opening(tenant, types, max_bytes, min_bytes, scan, seconds, **named)
    opened = _with_client(lambda client: client.open(wanted))
    if as_json:
        known = {"session_id": opened.session_id, "secret": opened.secret, "expires_at": opened.expires_at}
        print_json(known)
    else:
        tell(f"session {opened.session_id}\nsecret  {opened.secret}")


@click.command("form", cls=SessionsCommand, short_help="A presigned POST for one file of a session.")
@_id
@click.argument("name")
@click.option("--type", "content_type", default="", help="What the browser says it is.")
@click.option(
    "--seconds", type=int, default=900, show_default=True, help="How long it is good, at most to the session's end."
)
@click.option("--sha256", default="", help="The file's SHA-256 in Base64, which S3 then checks and keeps.")
@_shared
def form(*, session_id: str, name: str, content_type: str, seconds: int, sha256: str, as_json: bool) -> None:
    """Where and with which fields a browser posts the file NAME, as multipart/form-data, the file last.

    Whoever has it may upload: it is printed whole. Ends with 3 where there is no such session, with 5 where it takes no file any more.
    """
    asked: Any = {"content_type": content_type, "sha256": sha256, "seconds": seconds}
    made = _with_client(lambda client: client.form(session_id, name, **asked))
    if as_json:
        known = {"url": made.url, "fields": dict(made.fields), "key": made.key, "expires_at": made.expires_at}
        print_json(known)
        return
    tell(f"POST {made.url}")
    for field, value in made.fields.items():
        tell(f"  {field}: {value}")


@click.command("show", cls=SessionsCommand, short_help="One session, and its file.")
@_id
@_shared
def show(*, session_id: str, as_json: bool) -> None:
    """What its row tells, without a secret. Ends with 3 where there is no such session."""
    _print(_with_client(lambda client: client.show(session_id)), as_json=as_json)


@click.command("watch", cls=SessionsCommand, short_help="Each state of a session, until the last.")
@_id
@_shared
def watch(*, session_id: str, as_json: bool) -> None:
    """A line for each change, until it is COMPLETE, REJECTED or EXPIRED. Ends with 3 where there is no such session."""

    async def work(client: Sessions) -> None:
        async for state in client.watch(session_id, pause=partial(asyncio.sleep, EVERY)):
            if as_json:
                _print(state, as_json=True)
            else:
                tell(_line(state))
            sys.stdout.flush()

    _with_client(work)


@click.command("close", cls=SessionsCommand, short_help="Let it take no file any more.")
@_id
@_shared
def close(*, session_id: str, as_json: bool) -> None:
    """It becomes EXPIRED, `reason` closed; one that has its verdict keeps it. Ends with 3 where there is no such session, with 5 while its file is announced."""
    state = _with_client(lambda client: client.close(session_id))
    if as_json:
        _print(state, as_json=True)
    else:
        tell(_line(state))


def _with_client(work: Callable[[Sessions], Awaitable[Result]]) -> Result:
    async def run() -> Result:
        async with open_sessions(os.environ) as client:
            return await work(client)

    return asyncio.run(run())


def _print(state: State, *, as_json: bool) -> None:
    document = {**state.document, "connected": state.is_connected}
    if as_json:
        print_json(document)
        return
    for name, value in document.items():
        tell(f"{name:<14} {' '.join(value) if isinstance(value, list) else value}")


def _line(state: State) -> str:
    file, reason = state.document.get("uploadKey", ""), state.document.get("reason", "")
    return " ".join(each for each in (state.session_id, state.status, reason, file) if each)
