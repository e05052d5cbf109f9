"""A heartbeat says what the health checks say, is written each minute, and costs nothing where it cannot be."""

import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest
from structlog.testing import capture_logs

from shared.container.heartbeat import (
    ENDED_KEPT,
    EVERY,
    FORGOTTEN,
    LAST_WORD,
    SOON,
    Beat,
    Heartbeats,
    beats_of,
    keep,
    leave,
    told,
)
from tests.aws import Aws
from tests.virtual_time import virtual

BEAT = Beat("host:7", 1_000_000.0, "0.1.0", 999_990.5, ("webhooks-table: it is down (Timeout)",))


def test_it_is_written_each_minute_and_takes_out_who_was_silent_for_an_hour() -> None:
    written: list[tuple[str, ...]] = []

    async def write(_worker: str, beat: Beat, *, gone: tuple[str, ...]) -> tuple[Beat, ...]:
        written.append(gone)
        old = replace(beat, process="host:1", at=beat.at - FORGOTTEN - 1)
        quiet = replace(beat, process="host:2", at=beat.at - FORGOTTEN + 1)
        ended = replace(beat, process="host:3", at=beat.at - ENDED_KEPT - 1, has_ended=True)
        return (beat, quiet, old, ended, replace(ended, process="host:4", at=beat.at - ENDED_KEPT + 1))

    async def story() -> None:
        keeping = asyncio.create_task(keep("sample", lambda: BEAT, write))
        await asyncio.sleep(SOON + 1.5 * EVERY)
        keeping.cancel()

    virtual(story())
    assert written == [(), ("host:1", "host:3"), ("host:1", "host:3")]


def test_the_second_comes_soon_since_no_queue_was_polled_at_the_first() -> None:
    moments: list[float] = []

    async def write(_worker: str, beat: Beat, *, gone: tuple[str, ...]) -> tuple[Beat, ...]:
        moments.append(asyncio.get_running_loop().time())
        return (beat, *[replace(beat, process=each) for each in gone])

    async def story() -> None:
        keeping = asyncio.create_task(keep("sample", lambda: BEAT, write))
        await asyncio.sleep(SOON + 1.5 * EVERY)
        keeping.cancel()

    virtual(story())
    assert [after - before for before, after in pairwise(moments)] == pytest.approx([SOON, EVERY])


def test_what_cannot_be_told_once_is_told_the_next_time() -> None:
    written: list[Beat] = []
    troubles = [ValueError("a check that failed")]

    def tell() -> Beat:
        if troubles:
            raise troubles.pop()
        return BEAT

    async def write(_worker: str, beat: Beat, *, gone: tuple[str, ...]) -> tuple[Beat, ...]:
        written.append(beat)
        return (beat, *[replace(beat, process=each) for each in gone])

    async def story() -> None:
        keeping = asyncio.create_task(keep("sample", tell, write))
        await asyncio.sleep(SOON + 1)
        keeping.cancel()

    virtual(story())
    assert written == [BEAT]


def test_a_leaving_process_says_that_it_ended_and_waits_for_no_table() -> None:
    written: list[Beat] = []

    async def write(_worker: str, beat: Beat) -> tuple[Beat, ...]:
        written.append(beat)
        return (beat,)

    async def hangs(_worker: str, _beat: Beat) -> tuple[Beat, ...]:
        await asyncio.Event().wait()
        return ()

    async def story() -> float:
        await leave("sample", BEAT, write)
        begun = asyncio.get_running_loop().time()
        await leave("sample", BEAT, hangs)
        return asyncio.get_running_loop().time() - begun

    assert virtual(story()) == pytest.approx(LAST_WORD)
    assert written == [replace(BEAT, faults=(), has_ended=True)]


def test_a_table_that_does_not_answer_is_one_warning_and_ends_nothing() -> None:
    async def write(_worker: str, _beat: Beat, *, gone: tuple[str, ...]) -> tuple[Beat, ...]:
        raise ConnectionError(gone)

    async def story() -> list[str]:
        with capture_logs() as lines:
            keeping = asyncio.create_task(keep("sample", lambda: BEAT, write))
            await asyncio.sleep(5.5 * EVERY)
            assert not keeping.done()
            keeping.cancel()
        return [each["log_level"] for each in lines if each["event"] == "heartbeat_not_written"]

    assert virtual(story()) == ["warning", *["debug"] * 6]


def test_its_version_is_that_of_the_resource_and_its_faults_are_short_and_few() -> None:
    environment = {"OTEL_RESOURCE_ATTRIBUTES": "team=x,service.version=2026.11.3"}
    beat = told("host:7", environment=environment, done_at=0.0, faults=("f" * 999,) * 99)
    assert beat.version == "2026.11.3"
    assert (len(beat.faults), len(beat.faults[0])) == (8, 200)
    assert told("host:7", environment={}, done_at=0.0, faults=()).version


def test_what_is_no_heartbeat_is_passed_over() -> None:
    item = {"key": {"S": "heartbeat#x"}, "process a:1": {"S": "x"}, "process a:2": {"M": {"at": {"N": "5"}}}}
    assert beats_of(item) == (Beat("a:2", 5.0, ""),)


async def test_it_is_read_as_it_was_written_the_newest_first(aws: Aws) -> None:
    async with aws.open("dynamodb") as client:
        beats = Heartbeats(client, table=aws.table("key"))
        assert await beats.read("sample") == ()
        await beats.beat("sample", BEAT)
        newer = replace(BEAT, process="host:8", at=BEAT.at + 5, faults=(), has_ended=True)
        assert await beats.beat("sample", newer) == (newer, BEAT)
        await beats.beat("sample", replace(newer, at=newer.at + 60), gone=("host:7",))
        assert [each.process for each in await beats.read("sample")] == ["host:8"]
