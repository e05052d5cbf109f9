"""What becomes of a session that waits for a malware scan: the same, whichever of upload and result comes first."""

import itertools
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from shared.outcome import Contended
from tests.fakes import delivery
from tests.virtual_time import virtual
from tests.workers.upload_notification.content.samples import JPEG, PNG
from tests.workers.upload_notification.fakes import NOON, FakeSessions, finished, removed, row, scanned, uploaded
from tests.workers.upload_notification.world import World
from workers.upload_notification.event import (
    CLEAN,
    THREATS,
    Ignored,
    UploadEvents,
    UploadFinished,
    UploadScanned,
    decode,
)
from workers.upload_notification.ports import Accepted, Refused
from workers.upload_notification.rules import TakeOver, Write
from workers.upload_notification.scans import ScanWrite

EVENTS = Path(__file__).parents[2] / "events"
WAITING = row(wsConnectionId="browser", scanRequired=True, allowedTypes=["image/jpeg"])
PAST = int(NOON.timestamp()) - 1


def world(**fields: Any) -> World:
    return World(FakeSessions(WAITING | fields), content=JPEG)


def decoded(**details: Any) -> UploadEvents:
    body = json.loads((EVENTS / "guardduty-threats-found.json").read_text())
    body["detail"] |= details
    return decode(delivery(json.dumps(body)), bucket="fleet-uploads-dev")


def test_a_result_of_guardduty_is_read_with_the_object_that_it_is_about() -> None:
    assert decoded().scans == (
        UploadScanned(
            session_id="s1",
            bucket="fleet-uploads-dev",
            key="session-uploads/s1/a+b c%20d.jpg",
            etag="9b2cf535f27731c974343645a3985328",
            result=THREATS,
            version="096fKKXTRTtl3on89fVO.nfljtsv6qko",
        ),
    )
    assert [each.result for each in decoded(scanStatus="SKIPPED", scanResultDetails=None).scans] == ["SKIPPED"]
    assert [each.result for each in decoded(scanResultDetails={"scanResultStatus": "no word"}).scans] == ["UNKNOWN"]


def test_a_result_is_read_out_of_whatever_wraps_it() -> None:
    body = (EVENTS / "guardduty-threats-found.json").read_text()
    in_sns = json.dumps({"Type": "Notification", "Message": body})
    in_sqs = json.dumps({"Records": [{"eventSource": "aws:sqs", "body": body}]})
    to_a_function = json.dumps({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": body}}]})
    twice = json.dumps({"Type": "Notification", "Message": in_sns})
    for wrapped in (in_sns, in_sqs, to_a_function, twice):
        assert decode(delivery(wrapped), bucket="fleet-uploads-dev") == decoded(), wrapped[:60]


def test_a_wrapped_result_that_cannot_be_read_does_not_take_the_others_along() -> None:
    body = (EVENTS / "guardduty-threats-found.json").read_text()
    other = '{"source": "shop", "detail-type": "order.placed", "detail": {}}'
    bodies = (body.replace("objectKey", "noKey"), body, other, (EVENTS / "s3-classic-2.1-put.json").read_text())
    records = [{"eventSource": "aws:sqs", "body": each} for each in bodies]
    found = decode(delivery(json.dumps({"Records": records})), bucket="fleet-uploads-dev")
    assert (len(found.changes), len(found.scans), found.ignored) == (1, 1, (Ignored("unknown_source"),))
    assert found.unreadable == ("record 1: the result of a malware scan that cannot be read",)


def test_a_result_that_is_none_of_ours_is_ignored_with_the_reason() -> None:
    elsewhere = {"bucketName": "another", "objectKey": "session-uploads/s1/a", "eTag": "e"}
    assert decoded(s3ObjectDetails=elsewhere).ignored == (Ignored("other_bucket"),)
    outside = {"bucketName": "fleet-uploads-dev", "objectKey": "a", "eTag": "e"}
    assert decoded(s3ObjectDetails=outside).ignored == (Ignored("outside_prefix"),)


async def test_a_file_waits_for_its_scan_and_nobody_is_told_before() -> None:
    here = world()
    await here.handle(finished(size=70))
    found = here.store.rows["s1"]
    assert (found["status"], found["contentType"], here.messages, here.events) == ("SCANNING", "image/jpeg", [], [])
    assert not {"announceUntil", "announcedSequencer"} & found.keys()

    await here.handle(scanned(CLEAN))
    assert (here.store.rows["s1"]["status"], len(here.heads)) == ("COMPLETE", 1)
    assert [(each["status"], each["contentType"]) for each in here.messages] == [("COMPLETE", "image/jpeg")]
    assert here.counts == {"scanning": 1, "complete": 1}


RESULTS = {
    CLEAN: ("COMPLETE", None),
    THREATS: ("REJECTED", "threats_found"),
    "UNSUPPORTED": ("REJECTED", "scan_failed"),
    "SOMETHING_NEW": ("REJECTED", "scan_failed"),
}


@pytest.mark.parametrize("result", RESULTS)
def test_upload_and_result_end_alike_in_any_order_with_duplicates(result: str) -> None:
    async def arrive() -> None:
        told: list[UploadFinished | UploadScanned] = [finished(size=70), scanned(result)]
        for arriving in itertools.permutations(told * 2):
            here = world()
            for each in arriving:
                await here.handle(each)
            found = here.store.rows["s1"]
            assert (found["status"], found.get("reason")) == RESULTS[result], arriving
            assert (len(here.messages), len({each["id"] for each in here.events})) == (1, 1), arriving
            assert {*here.quarantined} == ({finished().key} if result == THREATS else set())

    with capture_logs():
        virtual(arrive())


def test_threats_are_never_complete_whatever_comes_before_or_after() -> None:
    async def arrive() -> None:
        told: list[UploadFinished | UploadScanned] = [finished(size=70), scanned(THREATS), scanned("FAILED")]
        for arriving in itertools.permutations(told):
            here = world()
            here.unknown_scan = "complete"
            for each in arriving:
                if here.store.rows["s1"]["status"] != "COMPLETE":
                    await here.handle(each)
            late = arriving.index(scanned(THREATS)) == 2
            assert here.store.rows["s1"]["status"] == ("COMPLETE" if late else "REJECTED"), arriving

    with capture_logs():
        virtual(arrive())


async def test_threats_that_are_told_while_a_clean_result_is_announced_are_not_overwritten() -> None:
    here = world()
    await here.handle(finished(size=70))
    put_event = here.put_event

    async def and_then(entry: Any) -> None:
        await put_event(entry)
        with pytest.raises(Contended):
            await here.handle(scanned(THREATS))

    here.put_event = and_then  # type: ignore[method-assign]  # the other result comes just now
    await here.handle(scanned(CLEAN))
    assert (here.store.rows["s1"]["status"], here.store.rows["s1"]["reason"]) == ("REJECTED", "threats_found")
    assert [each["status"] for each in here.messages] == ["COMPLETE", "REJECTED"]


async def test_threats_that_are_told_while_an_upload_is_announced_whose_clean_result_came_first_are_not_lost() -> None:
    here = world()
    await here.handle(scanned(CLEAN))
    put_event = here.put_event

    async def and_then(entry: Any) -> None:
        await put_event(entry)
        here.put_event = put_event  # type: ignore[method-assign]  # once
        await here.handle(scanned(THREATS))

    here.put_event = and_then  # type: ignore[method-assign]  # the other result comes just now
    await here.handle(finished(size=70))
    assert (here.store.rows["s1"]["status"], here.store.rows["s1"]["reason"]) == ("REJECTED", "threats_found")
    assert [each["status"] for each in here.messages] == ["COMPLETE", "REJECTED"]
    assert [each["status"] for each in here.events] == ["COMPLETE", "REJECTED"]
    assert {*here.quarantined} == {finished().key}


class Overtaken(FakeSessions):
    """Another file becomes the current one before a take-over of the one before."""

    async def write(self, step: Write | ScanWrite, *, now: datetime) -> Accepted | Refused:
        if isinstance(step, TakeOver):
            self.rows["s1"] |= uploaded(finished("09", name="b.jpg"))
        return await super().write(step, now=now)


async def test_a_file_with_threats_is_quarantined_also_where_another_takes_its_place_meanwhile() -> None:
    waiting = World(Overtaken(WAITING | {}), content=JPEG)
    await waiting.handle(finished())
    await waiting.handle(scanned(THREATS))
    assert waiting.counts == {"scanning": 1, "scan_noted": 1}
    assert waiting.quarantined == [finished().key]


async def test_a_file_that_the_gate_rejects_needs_no_scan() -> None:
    here = World(FakeSessions(dict(WAITING)), content=PNG)
    await here.handle(finished(size=70), scanned(CLEAN))
    assert here.store.rows["s1"]["reason"] == "content_mismatch"


async def test_a_result_of_another_content_or_version_of_the_key_does_not_count() -> None:
    here = world()
    await here.handle(scanned(CLEAN, etag="another"), scanned(CLEAN, version="v1"), finished(size=70))
    assert here.store.rows["s1"]["status"] == "SCANNING"
    await here.handle(finished("09", size=70, version="v1"))
    assert here.store.rows["s1"]["status"] == "COMPLETE"


async def test_a_session_without_a_gate_may_wait_for_a_scan() -> None:
    here = World(FakeSessions(row(scanRequired=True)))
    await here.handle(finished(), scanned(CLEAN))
    assert here.store.rows["s1"]["status"] == "COMPLETE"


@pytest.mark.parametrize(
    ("found", "outcome", "status"),
    [
        (row(), "scan_not_asked", "AWAITING_SCAN"),
        (row(scanRequired=True), "scan_noted", "AWAITING_SCAN"),
        (row(scanRequired=True, expiresAt=PAST), "expired", "EXPIRED"),
        (uploaded(finished(), scanRequired=True, status="REJECTED"), "scan_noted", "REJECTED"),
        (uploaded(finished("06", name="b.jpg"), scanRequired=True, status="COMPLETE"), "scan_noted", "COMPLETE"),
        (uploaded(finished(), scanRequired=True, status="COMPLETE"), "threats_too_late", "COMPLETE"),
    ],
)
async def test_a_result_that_nobody_waits_for_changes_no_status(found: Any, outcome: str, status: str) -> None:
    here = World(FakeSessions(dict(found)))
    await here.handle(scanned(THREATS))
    assert (here.counts, here.store.rows["s1"]["status"], here.events) == ({outcome: 1}, status, [])
    assert here.quarantined == [finished().key], "an infected object is marked, whatever becomes of its session"
    nowhere = World(FakeSessions())
    await nowhere.handle(scanned(THREATS))
    assert (nowhere.counts, nowhere.quarantined) == ({"orphaned": 1}, [finished().key])


async def test_a_file_that_goes_while_it_is_scanned_takes_its_session_back() -> None:
    here = world()
    await here.handle(finished(size=70), removed("06"), scanned(CLEAN))
    found = here.store.rows["s1"]
    assert (found["status"], "contentType" in found, here.events) == ("AWAITING_SCAN", False, [])


async def test_a_session_whose_scan_never_ends_expires() -> None:
    here = world()
    await here.handle(finished(size=70))
    here.store.rows["s1"]["expiresAt"] = PAST
    await here.handle(scanned(CLEAN))
    assert (here.store.rows["s1"]["status"], here.messages) == ("EXPIRED", [])
