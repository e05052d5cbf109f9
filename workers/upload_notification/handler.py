"""An upload's message, handled: the session moves by one conditional write, then it is announced to bus and browser."""

from __future__ import annotations

from typing import assert_never

import structlog

from shared import Contended, KeyReused, Later, Reject, Unavailable
from shared.telemetry import metrics
from shared.telemetry.drops import dropped
from workers.upload_notification import announcement, rules
from workers.upload_notification.event import Change, UploadEvents, UploadFinished
from workers.upload_notification.ports import (
    Accepted,
    Busy,
    Count,
    Forbidden,
    Gone,
    Ports,
    Posted,
    TooLarge,
)
from workers.upload_notification.rules import (
    Expire,
    Ignore,
    Move,
    Note,
    Reused,
    Session,
    TakeOver,
    Wait,
    Withdraw,
    Write,
)

log = structlog.get_logger()

WORKER = "upload-notification"
ROUNDS = 8
"""Tries at a row, or at a browser's connection, that others keep changing, before the message waits its turn."""


class WebSocketForbidden(Unavailable):
    """The WebSocket API answers 403. No message will pass before somebody mends the configuration."""


async def handle(event: UploadEvents, *, ports: Ports) -> None:
    """Handle every change of a message, whatever becomes of the others, then object if one could not be.

    Raises:
        Later: an upload is being announced by another worker, or its browser is busy.
        Reject: records could not be read, or the bus will never take an event. All others are handled by then, and
            handling them again changes nothing, so the dead letter is kept for the sake of those alone.
    """
    for each in event.ignored:
        ports.count(each.why)
        dropped(WORKER, each.why)
    failures: list[Exception] = []
    for change in event.changes:
        try:
            await _settle(change, ports)
        except Exception as failure:  # noqa: BLE001  # raised below, when the other changes have had their turn
            failures.append(failure)
    if event.unreadable:
        failures.append(Reject(f"{len(event.unreadable)} unreadable among S3 records; {event.unreadable[0]}"))
    if failures:
        raise min(failures, key=_patience)


async def _settle(change: Change, ports: Ports) -> None:
    step: Write | Wait | Ignore | Reused = rules.usual(change)
    for _ in range(ROUNDS):
        match step:
            case Wait(seconds):
                raise Contended("another worker is announcing this upload", after=seconds)
            case Reused():
                ports.count("key_reused")
                metrics.claim(worker=WORKER, outcome="reused")
                raise KeyReused("an upload with the same key and order had another size or etag")
            case Ignore(why):
                if why == "duplicate":
                    metrics.claim(worker=WORKER, outcome="absorbed")
                else:
                    dropped(WORKER, why, session_id=change.session_id, upload_id=change.id)
                return _log_change(change, why, ports.count)
            case _:
                answer = await ports.store.write(step, now=ports.now())
        if isinstance(answer, Accepted):
            if isinstance(step, (Move, TakeOver)):
                await _announce(step.upload, answer.session, ports)
            return _log_change(change, _done(step), ports.count)
        step = rules.judge(change, answer.session, now=ports.now())
    raise Later("others keep changing the session", after=2)


async def _announce(upload: UploadFinished, session: Session, ports: Ports) -> None:
    """Tell of an upload whose lease is ours. A crash anywhere here leaves the lease to run out, and the next receipt
    tells again: the bus knows the event by its id, the browser may hear twice.
    """
    try:
        # The bus goes first: its consumers know a repetition by its id, the browser does not, and a broken WebSocket API
        # should not keep webhooks waiting.
        await ports.put_event(announcement.entry(upload, session))
        await _tell_browser(upload, session, ports)
        await ports.store.announced(upload)
    except Exception:
        await ports.store.release(session)  # or every further receipt would wait for the lease to run out
        raise


async def _tell_browser(upload: UploadFinished, session: Session, ports: Ports) -> None:
    connection, data = session.connection_id, announcement.message(upload, session)
    for _ in range(ROUNDS):
        if not connection:
            return ports.count("nobody_waits")  # the row tells whoever looks
        match await ports.post(connection, data):
            case Posted():
                return None
            case Gone():
                ports.count("connection_gone")
                log.info("connection_gone", session_id=session.session_id)
                connection = await ports.store.disconnect(session.session_id, connection)
            case TooLarge():
                data = announcement.pointer(upload, session)
            case Busy():
                raise Later("the browser's connection is busy", after=5)
            case Forbidden():
                ports.count("websocket_forbidden")
                log.error("websocket_forbidden", session_id=session.session_id)
                raise WebSocketForbidden(
                    "the WebSocket API answers 403: check WS_API_ENDPOINT and execute-api:ManageConnections",
                    code="Forbidden",
                )
            case never:
                assert_never(never)
    raise Later("the browser keeps reconnecting", after=5)


def _log_change(change: Change, outcome: str, count: Count) -> None:
    count(outcome)
    about = {"session_id": change.session_id, "upload_id": change.id}
    if outcome == "orphaned":
        log.warning("upload_orphaned", **about)  # a file lies in the bucket that no session asked for
    else:
        log.info("upload_settled", outcome=outcome, **about)


def _done(step: Write) -> str:
    match step:
        case Move() | TakeOver():
            return "announced"
        case Withdraw():
            return "withdrawn"
        case Note():
            return "removal_noted"
        case Expire():
            return "expired"
        case never:
            assert_never(never)


def _patience(failure: Exception) -> int:
    """Who speaks for a message with several failures: what backs off, then who knows when, and only then the end."""
    match failure:
        case Reject():
            return 2
        case Later():
            return 1
        case _:
            return 0
