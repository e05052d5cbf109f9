"""The rules' steps in DynamoDB's expression language: what each changes, and under which condition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, assert_never

from workers.upload_notification.event import UploadFinished, UploadRemoved, instant
from workers.upload_notification.rules import (
    AWAITING,
    EXPIRED,
    HOLDING,
    LEASE,
    OPEN,
    UPLOADED,
    Arrange,
    Expire,
    File,
    Move,
    Note,
    TakeOver,
    Withdraw,
    Write,
    mark,
    seen_as,
)

LIVE = "attribute_exists(sessionId) AND (attribute_not_exists(expiresAt) OR expiresAt > :now)"
NEWER = "(attribute_not_exists(#seen) OR #seen < :order)"
CURRENT = "uploadKey = :key AND sequencer = :order"
# Of the removal of one version: the row has that one, or does not say which.
SAME_VERSION = " AND (attribute_not_exists(versionId) OR versionId IN (:none, :version))"
OTHER_VERSION = " OR (attribute_exists(versionId) AND NOT versionId IN (:none, :version))"
# The row has no other file than this one, if any. Where it has several, the whole of them is compared.
ONLY_FILE = "(attribute_not_exists(uploadKey) OR attribute_not_exists(uploadedAt) OR uploadKey = :key)"
NO_OTHERS = "attribute_not_exists(otherFiles)"
FOUND = "contentType, checksumSha256"
UPLOAD = f"uploadKey, #size, etag, versionId, sequencer, uploadedAt, {FOUND}"
UNFINISHED = "announcedTo, announcedAs, busySince"
ANNOUNCEMENT = f"announceUntil, announcedSequencer, {UNFINISHED}"

# The browser has no other connection than the one that was told; what is no text is no connection.
SAME_CONNECTION = "(NOT attribute_type(wsConnectionId, :text) OR wsConnectionId IN (:none, :connection))"

# Nobody announces the session's upload now, or has told one of browser and bus of it and not the other.
NOT_BEGUN = "attribute_not_exists(announceUntil) AND attribute_not_exists(announcedTo)"
LAPSED = 1
"""The `announceUntil` of an announcement that nobody holds, and of which nobody knows whom it told: it is begun, also past its session's time."""
UNHELD = "(attribute_not_exists(announceUntil) OR announceUntil <= :now)"

Value = str | int | Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Update:
    """One UpdateItem, in DynamoDB's expression language."""

    session_id: str
    change: str
    condition: str
    names: Mapping[str, str]
    values: Mapping[str, Value]


def update_of(step: Write, now: int) -> Update:
    """The update that is accepted for exactly the rows for which the rules ask for this step; `now` in epoch seconds."""
    match step:
        case Move(upload):
            return _move(upload, now)
        case TakeOver(upload):
            return _take_over(upload, now)
        case Withdraw(removal):
            return _withdraw(removal, now)
        case Note(removal):
            return _note(removal, now)
        case Arrange():
            return _arrange(step, now)
        case Expire(session_id):
            opened, states = one_of(OPEN)
            return Update(
                session_id,
                change="SET #status = :expired",
                condition=f"expiresAt <= :now AND {opened} AND {NOT_BEGUN}",
                names={"#status": "status"},
                values={":expired": EXPIRED, ":now": now, **states},
            )
        case never:
            assert_never(never)


def _move(upload: UploadFinished, now: int) -> Update:
    opened, states = one_of(OPEN)
    gone, not_gone = _not_gone(upload)
    return Update(
        upload.session_id,
        change="SET #status = :uploaded, uploadKey = :key, #size = :size, etag = :etag, versionId = :version,"
        " sequencer = :order, uploadedAt = :at, announceUntil = :until, #seen = :order"
        f" REMOVE announcedSequencer, {UNFINISHED}, {FOUND}",
        condition=f"{LIVE} AND {opened} AND {NEWER} AND {ONLY_FILE} AND {NO_OTHERS}{not_gone}",
        names={"#status": "status", "#size": "size", "#seen": seen_as(upload), **gone},
        values={
            ":uploaded": UPLOADED,
            ":key": upload.key,
            ":size": upload.size,
            ":etag": upload.etag,
            ":version": upload.version,
            ":order": upload.order,
            ":at": instant(upload.occurred_at),
            ":until": now + LEASE,
            ":now": now,
            **states,
        },
    )


def _take_over(upload: UploadFinished, now: int) -> Update:
    return Update(
        upload.session_id,
        change="SET announceUntil = :until",
        condition=f"({LIVE} OR NOT ({NOT_BEGUN})) AND #status <> :expired AND {CURRENT}"
        " AND (attribute_not_exists(announcedSequencer) OR announcedSequencer <> :order)"
        f" AND {UNHELD}",
        names={"#status": "status"},
        values={":expired": EXPIRED, ":key": upload.key, ":order": upload.order, ":until": now + LEASE, ":now": now},
    )


def _withdraw(removal: UploadRemoved, now: int) -> Update:
    holding, states = one_of(HOLDING)
    return Update(
        removal.session_id,
        change=f"SET #status = :awaiting, #seen = :order REMOVE {UPLOAD}, {ANNOUNCEMENT}",
        condition=f"{LIVE} AND {NEWER} AND {NO_OTHERS} AND uploadKey = :key{SAME_VERSION if removal.version else ''} AND {holding}",
        names={"#status": "status", "#size": "size", "#seen": seen_as(removal)},
        values={":awaiting": AWAITING, **_of(removal), ":now": now, **states},
    )


def _note(removal: UploadRemoved, now: int) -> Update:
    holding, states = one_of(HOLDING)
    opened, more = one_of(OPEN, "open")
    return Update(
        removal.session_id,
        change="SET #seen = :order",
        # Never for the current upload: if it became that a moment ago, it is to be withdrawn.
        condition=f"{LIVE} AND #status <> :expired AND {NEWER} AND ({NO_OTHERS} OR NOT {opened})"
        f" AND (attribute_not_exists(uploadKey) OR uploadKey <> :key{OTHER_VERSION if removal.version else ''} OR NOT {holding})",
        names={"#status": "status", "#seen": seen_as(removal)},
        values={":expired": EXPIRED, **_of(removal), ":now": now, **states, **more},
    )


def _arrange(step: Arrange, now: int) -> Update:
    """The row must be as it was read in all that the arrangement was computed from, so that none is lost of two at once."""
    change, before = step.change, step.before
    is_upload = isinstance(change, UploadFinished)
    gone, not_gone = _not_gone(change) if isinstance(change, UploadFinished) else ({}, "")
    was, known = _as_it_was(before)
    is_again = is_upload and before.seen.get(seen_as(change)) == change.order
    sets, removes, values = _arrangement(step, now)
    return Update(
        before.session_id,
        change=f"SET {', '.join(('#seen = :order', *sets))}" + (f" REMOVE {', '.join(removes)}" if removes else ""),
        condition=f"{LIVE} AND {was} AND {'#seen = :order' if is_again else NEWER}{not_gone}",
        names={"#status": "status", "#seen": seen_as(change), **gone} | ({"#size": "size"} if step.moves else {}),
        values={":order": change.order, ":now": now, **known, **values},
    )


def _arrangement(step: Arrange, now: int) -> tuple[list[str], list[str], dict[str, Value]]:
    """What the row says of its files from now on: what is set, what is removed, and the values."""
    sets: list[str] = []
    removes: list[str] = []
    values: dict[str, Value] = {}
    file = step.current
    if step.others:
        sets.append("otherFiles = :others")
        values[":others"] = [image(each) for each in step.others]
    elif step.before.others:
        removes.append("otherFiles")
    if file is None:
        sets.append("#status = :status")
        values[":status"] = AWAITING
        return sets, [*removes, UPLOAD, ANNOUNCEMENT], values
    sets.append("uploadedAt = :at")
    values[":at"] = file.uploaded_at
    if not step.moves:
        return sets, removes, values
    sets.append(
        "#status = :status, uploadKey = :key, #size = :size, etag = :etag, versionId = :version, sequencer = :is"
    )
    values |= {":status": UPLOADED, ":key": file.key, ":size": file.size, ":etag": file.etag}
    values |= {":version": file.version, ":is": file.order}
    if file.announced:
        sets.append("announcedSequencer = :is")
        return sets, [*removes, f"announceUntil, {UNFINISHED}, {FOUND}"], values
    sets.append("announceUntil = :until")
    values[":until"] = now + LEASE
    return sets, [*removes, f"announcedSequencer, {UNFINISHED}, {FOUND}"], values


def _as_it_was(before: Any) -> tuple[str, dict[str, Value]]:
    held = {
        "#status": before.status,
        "uploadKey": before.upload_key,
        "sequencer": before.order,
        "uploadedAt": before.uploaded_at,
        "announcedSequencer": before.announced,
        "otherFiles": [image(each) for each in before.others],
    }
    values: dict[str, Value] = {f":was{place}": value for place, value in enumerate(held.values()) if value}
    parts = [
        f"{name} = :was{place}" if value else f"attribute_not_exists({name})"
        for place, (name, value) in enumerate(held.items())
    ]
    return " AND ".join(parts), values


def image(file: File) -> dict[str, Any]:
    """A file as the row's `otherFiles` holds it; always the same for the same file, for it is compared."""
    return {
        "key": file.key,
        "sequencer": file.order,
        "size": file.size,
        "etag": file.etag,
        "versionId": file.version,
        "uploadedAt": file.uploaded_at,
        "announced": int(file.announced),
    }


def _not_gone(upload: UploadFinished) -> tuple[dict[str, str], str]:
    """Of an upload of one version: that the removal of just this version was not seen."""
    if not upload.version:
        return {}, ""
    return {"#gone": mark(upload.key, upload.version)}, " AND attribute_not_exists(#gone)"


def _of(removal: UploadRemoved) -> dict[str, Value]:
    version: dict[str, Value] = {":version": removal.version, ":none": ""} if removal.version else {}
    return {":key": removal.key, ":order": removal.order, **version}


def connected(connection: str) -> dict[str, Value]:
    """The values of SAME_CONNECTION."""
    return {":text": "S", ":none": "", ":connection": connection}


@cache
def one_of(states: tuple[str, ...], name: str = "state") -> tuple[str, Mapping[str, Value]]:
    """The condition that the row is in one of these states, and the values it speaks of."""
    values: Mapping[str, Value] = {f":{name}{place}": state for place, state in enumerate(states)}
    return f"(#status IN ({', '.join(values)}))", values


def typed(value: Any) -> Any:
    """A value in DynamoDB's typed form."""
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int):
        return {"N": str(value)}
    if isinstance(value, Mapping):
        return {"M": {name: typed(each) for name, each in value.items()}}
    return {"L": [typed(each) for each in value]}
