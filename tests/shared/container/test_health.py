"""Does it still poll, and may it be sent work?"""

import asyncio
from dataclasses import dataclass

import aiohttp
import pytest

from shared.container.health import Report, alive, ready, served
from shared.settings import SettingsError


@dataclass
class Polling:
    """A poller as health sees it."""

    queue_name: str = "uploads"
    polled_at: float = 100.0
    active_at: float = 100.0
    failure: str = ""
    has_polled: bool = True
    is_stuck: bool = False


async def ask(port: int, path: str) -> tuple[int, object]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as response:
        return response.status, await response.json()


def well() -> Report:
    return Report(())


def nothing() -> str:
    return ""


def test_a_process_that_polls_is_alive() -> None:
    assert alive([Polling()], now=100, after=60) == Report(())


def test_an_open_long_poll_does_not_count_as_stuck() -> None:
    assert alive([Polling()], now=160, after=60).faults == ()


def test_a_queue_of_which_no_poll_has_ended_for_a_minute_is_stuck_and_named() -> None:
    pollers = [Polling("reminders", active_at=161), Polling("reminder-ticks")]
    assert alive(pollers, now=161, after=60).faults == ("reminder-ticks: no poll has ended for 61 s",)


@pytest.mark.guarantee("R9")
def test_a_queue_whose_handlers_all_outlive_their_limit_needs_a_restart() -> None:
    assert alive([Polling("audit"), Polling(is_stuck=True)], now=100, after=60).faults == (
        "uploads: every handler outlives its time limit",
    )


@pytest.mark.guarantee("R9")
def test_polls_that_fail_are_not_a_reason_for_a_restart_but_for_sending_no_work() -> None:
    pollers = [
        Polling("reminders", polled_at=100, active_at=160, failure="AccessDenied"),
        Polling("audit", polled_at=160, active_at=160),
    ]
    assert alive(pollers, now=161, after=60) == Report(())
    assert ready(pollers, draining=False, now=161).faults == (
        "reminders: polls fail (AccessDenied), the last answer is 61 s old",
    )


@pytest.mark.guarantee("R9")
def test_a_dependency_that_is_down_is_named() -> None:
    down = ["dynamodb: refuses (AccessDenied)"]
    assert ready([Polling()], draining=False, now=100, down=down).faults == ("dynamodb: refuses (AccessDenied)",)


def test_every_queue_must_have_been_polled_before_work_is_sent() -> None:
    refused = Polling("audit", has_polled=False, failure="AccessDenied")
    assert ready([refused], draining=False, now=100).faults == ("audit: not polled yet, polls fail (AccessDenied)",)
    pollers = [Polling(), Polling("audit", has_polled=False)]
    assert ready(pollers, draining=False, now=100).faults == ("audit: not polled yet",)
    assert ready(pollers[:1], draining=False, now=100) == Report(())


def test_a_drain_ends_readiness() -> None:
    assert ready([Polling()], draining=True, now=100).faults == ("draining",)


def test_a_drain_does_not_end_liveness() -> None:
    assert alive([Polling()], now=110, after=60) == Report(())


async def test_what_is_well_answers_200() -> None:
    async with served(host="127.0.0.1", port=0, live=well, readiness=well, counts=nothing) as port:
        assert await ask(port, "/livez") == (200, {"ok": True, "faults": []})
        assert await ask(port, "/readyz") == (200, {"ok": True, "faults": []})


async def test_each_fault_answers_503_with_its_reason_and_is_asked_again_each_time() -> None:
    reports = [Report(("audit: stuck",)), Report(())]
    async with served(host="127.0.0.1", port=0, live=lambda: reports.pop(0), readiness=well, counts=nothing) as port:
        assert await ask(port, "/livez") == (503, {"ok": False, "faults": ["audit: stuck"]})
        assert await ask(port, "/livez") == (200, {"ok": True, "faults": []})


async def test_what_was_counted_is_told_as_prometheus_reads_it() -> None:
    async with (
        served(host="127.0.0.1", port=0, live=well, readiness=well, counts=lambda: "counted_total 3\n") as port,
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/metrics") as response,
    ):
        assert (response.status, await response.text()) == (200, "counted_total 3\n")
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"


async def test_only_the_three_are_served() -> None:
    async with (
        served(host="127.0.0.1", port=0, live=well, readiness=well, counts=nothing) as port,
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/") as response,
    ):
        assert response.status == 404


async def test_a_probe_that_keeps_its_connection_does_not_hold_up_the_end() -> None:
    async with aiohttp.ClientSession() as session:
        async with asyncio.timeout(5):
            async with served(host="127.0.0.1", port=0, live=well, readiness=well, counts=nothing) as port:
                response = await session.get(f"http://127.0.0.1:{port}/livez")
                await response.read()
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(f"http://127.0.0.1:{port}/livez")


async def test_a_port_that_is_taken_is_an_error_at_the_start() -> None:
    async with served(host="127.0.0.1", port=0, live=well, readiness=well, counts=nothing) as port:
        with pytest.raises(
            SettingsError, match=r"HEALTH_HOST, HEALTH_PORT: cannot listen there .*address already in use"
        ):
            async with served(host="127.0.0.1", port=port, live=well, readiness=well, counts=nothing):
                raise AssertionError("both were served")
