"""A heartbeat says what the health checks say, is written each minute, and costs nothing where it cannot be."""

import asyncio
from dataclasses import replace

from structlog.testing import capture_logs

from shared.container.heartbeat import EVERY, FORGOTTEN, Beat, Heartbeats, beats_of, keep, told
from tests.aws import Aws
from tests.virtual_time import virtual

BEAT = Beat("host:7", 1_000_000.0, "0.1.0", 999_990.5, ("webhooks-table: it is down (Timeout)",))


def test_it_is_written_each_minute_and_takes_out_who_was_silent_for_an_hour() -> None:
    written: list[tuple[str, ...]] = []

    async def write(_worker: str, beat: Beat, *, gone: tuple[str, ...]) -> tuple[Beat, ...]:
        written.append(gone)
        old = replace(beat, process="host:1", at=beat.at - FORGOTTEN - 1)
        return (beat, replace(beat, process="host:2", at=beat.at - FORGOTTEN + 1), old)

    async def story() -> None:
        keeping = asyncio.create_task(keep("sample", lambda: BEAT, write))
        await asyncio.sleep(2.5 * EVERY)
        keeping.cancel()

    virtual(story())
    assert written == [(), ("host:1",), ("host:1",)]


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

    assert virtual(story()) == ["warning", *["debug"] * 5]


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
        newer = replace(BEAT, process="host:8", at=BEAT.at + 5, faults=())
        assert await beats.beat("sample", newer) == (newer, BEAT)
        await beats.beat("sample", replace(newer, at=newer.at + 60), gone=("host:7",))
        assert [each.process for each in await beats.read("sample")] == ["host:8"]
