"""An upload's message, handled: the session moves by one conditional write, then it is announced to bus and browser."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

import structlog

from shared import Contended, KeyReused, Later, Reject
from shared.telemetry import metrics
from shared.telemetry.drops import dropped
from shared.telemetry.logging import customer
from workers.upload_notification import rules, scans
from workers.upload_notification.conclusion import ROUNDS, WORKER, conclude
from workers.upload_notification.event import THREATS, Change, UploadEvents, UploadFinished, UploadScanned
from workers.upload_notification.ports import (
    Accepted,
    Count,
    Ports,
)
from workers.upload_notification.rules import (
    Arrange,
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
from workers.upload_notification.scans import Record

log = structlog.get_logger()


async def handle(event: UploadEvents, *, ports: Ports) -> None:
    """Handle every change and every scan's result of a message, whatever becomes of the others, then object if one could not be.

    Raises:
        Later: an upload is being announced by another worker, or its browser is busy.
        Reject: records could not be read, or the bus will never take an event. All others are handled by then, and
            handling them again changes nothing, so the dead letter is kept for the sake of those alone.
    """
    for ignored in event.ignored:
        ports.count(ignored.why)
        dropped(WORKER, ignored.why)
    failures: list[Exception] = []
    for each in (*event.changes, *event.scans):
        try:
            await (_settle_scan(each, ports) if isinstance(each, UploadScanned) else _settle(each, ports))
        except Exception as failure:  # noqa: BLE001  # raised below, when the others have had their turn
            failures.append(failure)
    if event.unreadable:
        failures.append(Reject(f"{len(event.unreadable)} unreadable among S3 records; {event.unreadable[0]}"))
    if failures:
        raise min(failures, key=_patience)


async def _settle(change: Change, ports: Ports) -> None:
    step: Write | Wait | Ignore | Reused = rules.usual(change)
    found: Session | None = None
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
            upload = rules.to_announce(step)
            outcome = await conclude(upload, _taken(answer.session, found), ports) if upload else _done(step)
            return _log_change(change, outcome, ports.count, tenant=answer.session.tenant_id)
        found = answer.session
        step = _unless_unfinished(rules.judge(change, found, now=ports.now()), change, found, ports)
    raise Contended("others keep changing the session", after=2)


def _taken(session: Session, before: Session | None) -> Session:
    """The session whose lease was taken; `before` is its row as it was, with the lease of whoever is gone."""
    is_same = before is not None and (before.upload_key, before.order) == (session.upload_key, session.order)
    return replace(session, is_left=True) if before and is_same and before.announce_until else session


def _unless_unfinished(
    step: Write | Wait | Ignore | Reused, change: Change, session: Session | None, ports: Ports
) -> Write | Wait | Ignore | Reused:
    """A removal may have begun to announce another file of its session, whose own message was over by then: where that did not come to
    its end, whatever tells of the session once more ends it.
    """
    if not isinstance(step, Ignore) or session is None or len(session.seen) < 2:
        return step
    if session.status != rules.UPLOADED or session.announced == session.order:
        return step
    left = session.announce_until - ports.now().timestamp()
    return Wait(left) if left > 0 else TakeOver(scans.current_upload(session, change.bucket))


async def _settle_scan(scan: UploadScanned, ports: Ports) -> None:
    answer = await ports.store.write(Record(scan), now=ports.now())
    step = scans.after(scan, answer.session, now=ports.now())
    outcome = step if isinstance(step, str) else ""
    if scan.result == THREATS and not isinstance(step, TakeOver):
        await ports.quarantine(scan)  # whatever its session says: the file is there
    if isinstance(step, Expire):
        await ports.store.write(step, now=ports.now())
        outcome = "expired"
    if isinstance(step, TakeOver):
        outcome = await _conclude_scanned(scan, step, answer.session, ports)
    ports.count(outcome)
    if outcome == "threats_too_late":
        log.error("threats_too_late", session_id=scan.session_id)  # a file that was taken, and told of, is infected
    log.info("scan_settled", outcome=outcome, result=scan.result, session_id=scan.session_id)


async def _conclude_scanned(scan: UploadScanned, step: TakeOver, before: Session | None, ports: Ports) -> str:
    taken = await ports.store.write(step, now=ports.now())
    if isinstance(taken, Accepted):
        return await conclude(step.upload, _taken(taken.session, before), ports)
    if taken.session and taken.session.announce_until > ports.now().timestamp():
        raise Contended(
            "another worker is at this upload", after=taken.session.announce_until - ports.now().timestamp()
        )
    if scan.result == THREATS:
        await ports.quarantine(scan)  # the session is about something else by now, and nobody else will
    return "scan_noted"


def _log_change(change: Change, outcome: str, count: Count, *, tenant: str = "") -> None:
    count(outcome)
    about = {"session_id": change.session_id, "upload_id": change.id}
    about |= {"tenant": customer(tenant)} if tenant else {}
    if outcome == "orphaned":
        log.warning("upload_orphaned", **about)  # a file lies in the bucket that no session asked for
    elif outcome == "overwritten":
        log.warning("upload_overwritten", **about)  # what lies under the key is not what the verdict is about
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
        case Arrange():
            return _arranged(step)
        case Expire():
            return "expired"
        case never:
            assert_never(never)


def _arranged(step: Arrange) -> str:
    if step.upload:
        return "announced"
    if isinstance(step.change, UploadFinished):
        return "restored" if step.moves else "superseded"
    return "withdrawn" if step.moves else "removal_noted"


def _patience(failure: Exception) -> int:
    """Who speaks for a message with several failures: what backs off, then who knows when, and only then the end."""
    match failure:
        case Reject():
            return 2
        case Later():
            return 1
        case _:
            return 0
