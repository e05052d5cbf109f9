"""The end of an upload: its verdict, where its session asks for one, and who hears of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType, NoneType
from typing import Final, Literal, assert_never

import structlog

from shared import Contended, Reject, Unavailable
from shared.telemetry.drops import dropped
from workers.upload_notification import announcement, rules
from workers.upload_notification.content.gate import Complete, Rejected, Verdict, judge_size, judge_type
from workers.upload_notification.content.sniff import sniff
from workers.upload_notification.event import UploadFinished
from workers.upload_notification.ports import (
    BROWSER,
    BUS,
    Absent,
    Accepted,
    Busy,
    Forbidden,
    Gone,
    Head,
    Malformed,
    Ports,
    Posted,
    TooLarge,
)
from workers.upload_notification.rules import Session
from workers.upload_notification.scans import Await, has_threats, judge_scan, scan_mark

log = structlog.get_logger()

WORKER: Final = "upload-notification"
ROUNDS = 8
"""Tries at a row, or at a browser's connection, that others keep changing, before the message waits its turn."""


BUSY_SECONDS = 900
"""Seconds after which a browser that takes nothing is left to look at its session by itself."""


class BrowserBusy(Contended):
    """The browser's connection is full, or throttled. Its message waits, which does not count as a failure."""


class WebSocketForbidden(Unavailable):
    """The WebSocket API answers 403. No message will pass before somebody mends the configuration."""


async def conclude(upload: UploadFinished, session: Session, ports: Ports) -> str:
    """Judge an upload whose announcement's lease is ours, where its session asks for it, and tell of it; the outcome.

    A verdict follows from the bytes and their scan alone: whoever comes after a crash finds the same, so it may be told before it is
    written. Threats that are found meanwhile, in what was clean before, are told after it; once it is written they come too late.
    """
    try:
        judged = await _verdict(upload, session, ports)
        found = await _await(judged, ports) if isinstance(judged, Await) else judged
        if isinstance(found, Rejected) and found.reason == "threats_found":
            await ports.quarantine(upload)
        is_told = found is None or isinstance(found, Complete)
        session = replace(session, checksum=await ports.checksum(upload) if is_told else "")
    except Exception:
        await ports.store.release(session, informed=session.informed, busy_since=session.busy_since)
        raise
    match found:
        case Waits(why):
            return why
        case Absent(why):
            await ports.store.release(
                replace(session, is_left=False), informed=session.informed, busy_since=session.busy_since
            )
            dropped(WORKER, why, session_id=session.session_id, upload_id=upload.id)
            return why
        case None | Complete() | Rejected():
            refused = await _announce(upload, _judged(session, found), found, ports)
            if infected := _taken_back(refused, found, upload):
                # They were told while a clean result was, and nobody else has the lease that speaks of them.
                return await conclude(upload, replace(infected, informed=frozenset(), is_left=True), ports)
            return _OUTCOMES[type(found)]
        case never:
            assert_never(never)


_OUTCOMES: Final[Mapping[type, str]] = MappingProxyType(
    {NoneType: "announced", Complete: "complete", Rejected: "rejected"}
)


@dataclass(frozen=True, slots=True)
class Waits:
    """There is no verdict now: the session waits for its scan, or is about something else by now."""

    why: Literal["scanning", "superseded"]


async def _verdict(upload: UploadFinished, session: Session, ports: Ports) -> Verdict | Await | Absent | None:
    """None where it is not ours to judge: the session asks for nothing, or somebody else has concluded it."""
    if session.status not in rules.HOLDING:
        return None
    checked = (
        Complete(session.content_type) if session.status == rules.SCANNING else await _checked(upload, session, ports)
    )
    if not session.scan_required or isinstance(checked, Rejected | Absent):
        return checked
    checked = checked or Complete()
    result = session.scans.get(scan_mark(upload))
    return judge_scan(result, checked, unknown=ports.unknown_scan) if result else Await(upload, checked.type)


async def _checked(upload: UploadFinished, session: Session, ports: Ports) -> Verdict | Absent | None:
    """What the content gate says."""
    gate = session.gate
    if rejected := judge_size(upload.size, gate):
        return rejected
    if gate is None:
        return None
    if not gate.types:
        return Complete()
    match await ports.head(upload):
        case Absent() as absent:
            return absent
        case Head(data):
            return judge_type(sniff(data, size=upload.size), gate)
        case never:
            assert_never(never)


async def _await(step: Await, ports: Ports) -> Verdict | Waits:
    """Let the session wait for its scan, unless the result has come meanwhile."""
    answer = await ports.store.write(step, now=ports.now())
    if isinstance(answer, Accepted):
        return Waits("scanning")
    session = answer.session
    result = session.scans.get(scan_mark(step.upload)) if session and rules.is_about(session, step.upload) else None
    return (
        judge_scan(result, Complete(step.content_type), unknown=ports.unknown_scan) if result else Waits("superseded")
    )


def _judged(session: Session, verdict: Verdict | None) -> Session:
    """The session as it will be once the verdict is written."""
    match verdict:
        case None:
            return session
        case Complete(found):
            judged = replace(session, status=rules.COMPLETE, content_type=found, told_as=rules.COMPLETE)
        case Rejected(reason, found):
            told_as = f"{rules.REJECTED} {reason}"
            judged = replace(session, status=rules.REJECTED, content_type=found, reason=reason, told_as=told_as)
        case never:
            assert_never(never)
    # Whoever was told of another verdict, which its scan took back before all were, is told of this one.
    is_as_told = session.told_as in {"", judged.told_as}
    return judged if is_as_told else replace(judged, informed=frozenset(), is_left=True)


async def _announce(upload: UploadFinished, session: Session, verdict: Verdict | None, ports: Ports) -> Session | None:
    """Tell of an upload whose lease is ours; a browser that connects anew before this is written is told again, for it has asked too
    early for what it missed. Answers as the store does.
    """
    for _ in range(ROUNDS):
        session, refused = await _tell(upload, session, verdict, ports)
        if refused is None or _taken_back(refused, verdict, upload) or not _has_reconnected(refused, session):
            return refused
        session = replace(session, connection_id=refused.connection_id, informed=frozenset({BUS}))
    await ports.store.release(session, informed=session.informed, busy_since=session.busy_since)
    raise Contended("the browser keeps reconnecting", after=5)


def _taken_back(refused: Session | None, verdict: Verdict | None, upload: UploadFinished) -> Session | None:
    """The row that would not take a clean verdict because threats were found meanwhile; None where that is not why."""
    return refused if refused and isinstance(verdict, Complete) and has_threats(refused, upload) else None


def _has_reconnected(found: Session, told: Session) -> bool:
    """Whether the row that would not take an announcement is still ours to announce, and has another connection than the one that was told."""
    held = (told.upload_key, told.order, told.announce_until)
    is_ours = (found.upload_key, found.order, found.announce_until) == held
    return is_ours and found.connection_id not in {"", told.connection_id}


async def _tell(
    upload: UploadFinished, session: Session, verdict: Verdict | None, ports: Ports
) -> tuple[Session, Session | None]:
    """The session with the connection that was told, and what the store answers. A crash anywhere here leaves the lease to run out, and the
    next receipt tells again: the bus knows the event by its id, the browser may hear twice. What fails remembers who was told.
    """
    informed = session.informed
    busy_since = session.busy_since
    try:
        # A 403 ends it here, before anybody was told. Any other trouble of one browser should not keep webhooks waiting.
        told = session.connection_id if BROWSER in informed else await _told_or_trouble(upload, session, ports)
        if isinstance(told, str):
            informed |= {BROWSER}
            session = replace(session, connection_id=told)
        elif isinstance(told, BrowserBusy):
            busy_since = busy_since or ports.now().timestamp()
        if BUS not in informed:
            await ports.put_event(announcement.entry(upload, session))
            informed |= {BUS}
        if isinstance(told, Exception):
            raise told  # noqa: TRY301  # it ends as what else fails here does
        refused = await ports.store.announced(
            upload, verdict, connection=session.connection_id, checksum=session.checksum
        )
    except Exception as trouble:
        # Or every further receipt would wait for the lease to run out, and tell again whom we have told. What fails may have been told.
        session = replace(session, is_left=session.is_left or not isinstance(trouble, WebSocketForbidden | Reject))
        await ports.store.release(session, informed=informed, busy_since=busy_since)
        raise
    return session, refused


async def _told_or_trouble(upload: UploadFinished, session: Session, ports: Ports) -> str | Exception:
    """Tell the browser; its connection, "" where there is none, or what kept it from being told. Raises WebSocketForbidden."""
    try:
        return await _tell_browser(upload, session, ports)
    except WebSocketForbidden:
        raise
    except BrowserBusy as trouble:
        if ports.now().timestamp() - (session.busy_since or ports.now().timestamp()) < BUSY_SECONDS:
            return trouble
        ports.count("browser_busy")
        dropped(WORKER, "browser_busy", session_id=session.session_id, upload_id=upload.id)
    except Exception as trouble:  # noqa: BLE001  # raised when the bus has been told
        return trouble
    return session.connection_id


async def _tell_browser(upload: UploadFinished, session: Session, ports: Ports) -> str:
    connection, data = session.connection_id, announcement.message(upload, session)
    for _ in range(ROUNDS):
        if not connection:
            ports.count("nobody_waits")  # the row tells whoever looks
            return ""
        match await ports.post(connection, data):
            case Posted():
                return connection
            case Gone() | Malformed() as answer:
                outcome = "connection_gone" if isinstance(answer, Gone) else "connection_malformed"
                ports.count(outcome)
                log.info(outcome, session_id=session.session_id)
                connection = await ports.store.disconnect(session.session_id, connection)
            case TooLarge():
                smaller = announcement.pointer(upload, session)
                if data == smaller:
                    raise Unavailable("the WebSocket API answers 413 to a pointer", code="PayloadTooLarge")
                data = smaller
            case Busy():
                raise BrowserBusy("the browser's connection is busy", after=30)
            case Forbidden():
                ports.count("websocket_forbidden")
                log.error("websocket_forbidden", session_id=session.session_id)
                raise WebSocketForbidden(
                    "the WebSocket API answers 403: check WS_API_ENDPOINT and execute-api:ManageConnections",
                    code="Forbidden",
                )
            case never:
                assert_never(never)
    raise Contended("the browser keeps reconnecting", after=5)
