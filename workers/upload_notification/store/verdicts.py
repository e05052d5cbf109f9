"""What a verdict, and the scan that it waits for, change in a row, and under which condition."""

from __future__ import annotations

from workers.upload_notification.content.gate import Complete, Rejected, Verdict
from workers.upload_notification.event import CLEAN, THREATS, UploadFinished, UploadScanned
from workers.upload_notification.rules import COMPLETE, EXPIRED, HOLDING, REJECTED, SCANNING
from workers.upload_notification.scans import Await, Record, ScanWrite, scan_mark
from workers.upload_notification.store.updates import (
    CURRENT,
    LIVE,
    NOT_BEGUN,
    SAME_CONNECTION,
    UNFINISHED,
    Update,
    Value,
    connected,
    one_of,
)


def scan_update(step: ScanWrite, now: int) -> Update:
    """The update of a row that waits for a scan, or is told its result; `now` in epoch seconds."""
    match step:
        case Await(upload, content_type):
            return _await(upload, content_type)
        case Record(scan):
            return _record(scan, now)


def announced(upload: UploadFinished, verdict: Verdict | None, connection: str, checksum: str) -> Update:
    """The end of an announcement. A verdict concludes the session, if it still is about this upload and nobody else has."""
    sets, condition = ["announcedSequencer = :order"], f"{CURRENT} AND {SAME_CONNECTION}"
    values: dict[str, Value] = {":key": upload.key, ":order": upload.order, **connected(connection)}
    names: dict[str, str] = {}
    if checksum:
        sets.append("checksumSha256 = :checksum")
        values[":checksum"] = checksum
    if verdict is not None:
        holding, states = one_of(HOLDING)
        condition += f" AND {holding}"
        sets.append("#status = :status")
        names["#status"] = "status"
        is_rejected = isinstance(verdict, Rejected)
        values |= {":status": REJECTED if is_rejected else COMPLETE, **states}
        if isinstance(verdict, Complete):
            # Of two results that contradict each other the worse one counts, also when it comes last.
            condition += " AND (attribute_not_exists(#scan) OR #scan <> :threats)"
            names["#scan"], values[":threats"] = scan_mark(upload), THREATS
        found = {"contentType": verdict.type, "reason": verdict.reason if isinstance(verdict, Rejected) else ""}
        for name, value in found.items():
            if value:
                names[f"#{name}"], values[f":{name}"] = name, value
                sets.append(f"#{name} = :{name}")
    change = f"SET {', '.join(sets)} REMOVE announceUntil, {UNFINISHED}"
    return Update(upload.session_id, change, condition, names, values)


def _await(upload: UploadFinished, content_type: str) -> Update:
    holding, states = one_of(HOLDING)
    found: dict[str, Value] = {":type": content_type} if content_type else {}
    return Update(
        upload.session_id,
        change=f"SET #status = :scanning{', contentType = :type' if found else ''} REMOVE announceUntil",
        # A result that came meanwhile is for whoever holds the lease, and that is us.
        condition=f"{CURRENT} AND {holding} AND attribute_not_exists(#scan)",
        names={"#status": "status", "#scan": scan_mark(upload)},
        values={":scanning": SCANNING, ":key": upload.key, ":order": upload.order, **found, **states},
    )


def _record(scan: UploadScanned, now: int) -> Update:
    # What tells nothing does not take the place of what is known, in whichever order they come.
    known = {":threats": THREATS} | ({} if scan.result in {THREATS, CLEAN} else {":clean": CLEAN})
    return Update(
        scan.session_id,
        change="SET #scan = :result",
        condition=f"({LIVE} OR NOT ({NOT_BEGUN})) AND #status <> :expired AND scanRequired = :yes"
        f" AND (attribute_not_exists(#scan) OR NOT #scan IN ({', '.join(known)}))",
        names={"#status": "status", "#scan": scan_mark(scan)},
        values={":result": scan.result, ":expired": EXPIRED, ":yes": True, ":now": now, **known},
    )
