"""Who was told of one verdict hears of the one that takes it back, and results of scans end alike in any order."""

import itertools
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.workers.upload_notification.content.samples import JPEG
from tests.workers.upload_notification.fakes import NOON, FakeSessions, finished, row, scanned, uploaded
from tests.workers.upload_notification.world import World
from workers.upload_notification.conclusion import BrowserBusy
from workers.upload_notification.event import CLEAN, THREATS, UploadEvents
from workers.upload_notification.handler import handle
from workers.upload_notification.ports import Answer, Busy, Posted

WAITING = row(wsConnectionId="browser", scanRequired=True, allowedTypes=["image/jpeg"])
PAST = int(NOON.timestamp()) - 1


def world() -> World:
    return World(FakeSessions(WAITING | {}), content=JPEG)


def full(found: list[Any]) -> Answer:
    return found.pop() if found else Posted()


async def test_whoever_was_told_of_a_clean_file_is_told_of_its_threats_too_when_the_browser_takes_something() -> None:
    answers: list[Any] = [Busy()]
    here = World(FakeSessions(WAITING | {}), content=JPEG, answers=lambda _connection: full(answers))
    await here.handle(finished(size=70))
    with pytest.raises(BrowserBusy):
        await here.handle(scanned(CLEAN))
    assert ([each["status"] for each in here.events], here.messages) == (["COMPLETE"], [])

    await here.handle(scanned(THREATS))
    await here.handle(scanned(CLEAN))
    assert [each["status"] for each in here.events] == ["COMPLETE", "REJECTED"], (
        "webhooks do not stay with a clean file"
    )
    assert [each["status"] for each in here.messages] == ["REJECTED"]
    assert not {"announcedTo", "announcedAs"} & here.store.rows["s1"].keys()


@pytest.mark.parametrize("first", [CLEAN, "FAILED"])
async def test_a_browser_that_was_told_of_one_verdict_is_told_of_the_one_that_takes_it_back(first: str) -> None:
    here = world()
    await here.handle(finished(size=70))
    with pytest.raises(BusDown):
        await handle(UploadEvents(scans=(scanned(first),)), ports=replace(here.ports(), put_event=down))
    await here.handle(scanned(THREATS))
    assert here.messages[-1]["reason"] == "threats_found"
    assert [each["reason"] for each in here.events] == ["threats_found"]


async def test_whoever_was_told_of_the_verdict_that_stands_is_not_told_again() -> None:
    here = world()
    await here.handle(finished(size=70))
    for _ in range(2):
        with pytest.raises(BusDown):
            await handle(UploadEvents(scans=(scanned(THREATS),)), ports=replace(here.ports(), put_event=down))
    await here.handle(scanned(THREATS))
    assert (len(here.messages), len(here.events)) == (1, 1)


class BusDown(Exception):
    pass


async def down(_entry: object) -> None:
    raise BusDown


@pytest.mark.parametrize("results", [*itertools.permutations((CLEAN, "FAILED", "SKIPPED"))])
async def test_a_result_that_tells_nothing_does_not_take_back_one_that_does(results: tuple[str, ...]) -> None:
    here = world()
    for each in map(scanned, results):
        await here.handle(each)
    await here.handle(finished(size=70))
    assert here.store.rows["s1"]["status"] == "COMPLETE"


async def test_threats_in_a_file_that_was_taken_call_for_a_person_also_after_its_sessions_time() -> None:
    here = World(FakeSessions(uploaded(finished(), scanRequired=True, status="COMPLETE", expiresAt=PAST)))
    with capture_logs() as lines:
        await here.handle(scanned(THREATS))
    assert here.counts == {"threats_too_late": 1}
    assert [line["log_level"] for line in lines if line["event"] == "threats_too_late"] == ["error"]


async def test_a_scans_verdict_that_the_bus_was_told_in_time_is_written_after_it() -> None:
    answers: list[Any] = [Busy()]
    here = World(FakeSessions(WAITING | {}), content=JPEG, answers=lambda _connection: full(answers))
    await here.handle(finished(size=70))
    with pytest.raises(BrowserBusy):
        await here.handle(scanned(CLEAN))
    here.store.rows["s1"]["expiresAt"] = PAST
    await here.handle(finished("09", name="late.jpg"), scanned(CLEAN, name="late.jpg"))
    assert here.counts["expired"] == 2, "nothing else comes into it"
    await here.handle(scanned(CLEAN))
    assert (here.store.rows["s1"]["status"], len(here.messages), len(here.events)) == ("COMPLETE", 1, 1)


async def test_threats_that_are_found_after_the_sessions_time_take_back_what_only_one_was_told() -> None:
    answers: list[Any] = [Busy()]
    here = World(FakeSessions(WAITING | {}), content=JPEG, answers=lambda _connection: full(answers))
    await here.handle(finished(size=70))
    with pytest.raises(BrowserBusy):
        await here.handle(scanned(CLEAN))
    here.store.rows["s1"]["expiresAt"] = PAST
    await here.handle(scanned(THREATS))
    await here.handle(scanned(CLEAN))
    assert here.store.rows["s1"]["reason"] == "threats_found"
    assert [each["status"] for each in here.events] == ["COMPLETE", "REJECTED"]
    assert [each["status"] for each in here.messages] == ["REJECTED"]
    assert here.quarantined == [finished().key]
