"""Settlements that fail and handlers that do not end: told once, and in the health checks for as long as it lasts."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from shared.consumer import Pace
from shared.outcome import Reject
from shared.telemetry.troubles import LASTS, OVERDUE, QUIET, QUIET_BURIALS, Troubles
from tests.fakes_ledger import FakeLedger
from tests.shared.rig import Rig
from tests.virtual_time import virtual


@pytest.mark.guarantee("R9")
@pytest.mark.parametrize("call", ["delete", "extend"])
def test_a_kind_of_settlement_that_always_fails_is_told_once_and_named_until_it_succeeds(call: str) -> None:
    async def story() -> None:
        async def work(_body: str) -> None:
            await asyncio.sleep(0 if call == "delete" else 100)

        rig = Rig(work, pace=Pace(visibility=60))
        refusing = True
        rig.queue.refuse = lambda name, _each: "AccessDenied" if refusing and name == call else ""
        rig.queue.put(*(f"b{number}" for number in range(25)))
        with capture_logs() as lines:
            await rig.runs_for(55)
            assert rig.poller.missing == [f"uploads: no {call} succeeds (AccessDenied)"]
            refusing = False
            rig.queue.put("last")
            await rig.runs_for(60)
        assert rig.poller.missing == []
        told = [each["event"] for each in lines if each["event"] in {"settlement_refused", "lease_extension_failed"}]
        assert told == ["settlement_refused" if call == "delete" else "lease_extension_failed"]
        await rig.drains()

    virtual(story())


@pytest.mark.guarantee("R9")
def test_burials_that_fail_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async def work(_body: str) -> None:
            raise Reject("no")

        def fails() -> None:
            raise ConnectionError

        rig = Rig(work)
        monkeypatch.setattr(rig.queue, "fail_bury", fails)
        rig.queue.put("a")
        with capture_logs() as lines:
            await rig.runs_for(10)
        assert rig.poller.missing == ["uploads: no bury succeeds (ConnectionError)"]
        assert len([line for line in lines if line["event"] == "burial_refused"]) == 1
        monkeypatch.undo()
        await rig.runs_for(1_000)
        assert rig.poller.missing == []
        assert len(rig.queue.letters) == 1
        await rig.drains()

    virtual(story())


@pytest.mark.guarantee("R9")
@pytest.mark.parametrize("is_keyed", [False, True])
def test_handlers_that_outlive_their_limit_are_told_and_a_restart_asked_for_when_no_slot_is_left(
    is_keyed: bool,  # noqa: FBT001  # as listed
) -> None:
    async def story() -> None:
        released = asyncio.Event()

        async def work(body: str) -> None:
            while body.startswith("wild") and not released.is_set():
                try:
                    await released.wait()
                except asyncio.CancelledError:
                    continue

        keyed: dict[str, Any] = {"key": lambda body: body, "ledger": FakeLedger()} if is_keyed else {}
        rig = Rig(work, concurrency=2, timeout=5.0, **keyed)
        rig.queue.put("wild one")
        with capture_logs() as lines:
            await rig.runs_for(5 + OVERDUE + 2)
            assert rig.poller.missing == ["uploads: 1 handlers outlive their time limit"]
            stuck = [rig.poller.is_stuck]
            rig.queue.put("wild two")
            await rig.runs_for(5 + OVERDUE + 2)
            stuck.append(rig.poller.is_stuck)
        assert stuck == [False, True]
        told = [line for line in lines if line["event"] == "handler_overdue"]
        assert [line["place"].split(":")[1] for line in told] == ["work", "work"], "its own place, and not asyncio's"
        released.set()
        await rig.runs_for(5)
        assert (rig.poller.missing, rig.poller.is_stuck) == ([], False)
        await rig.drains()

    virtual(story())


def test_a_handler_that_ends_when_it_is_cut_is_no_trouble() -> None:
    async def story() -> None:
        async def work(_body: str) -> None:
            await asyncio.sleep(100)

        rig = Rig(work, timeout=5.0)
        rig.queue.put("slow")
        await rig.runs_for(5 + OVERDUE + 2)
        assert rig.poller.missing == []
        await rig.drains()

    virtual(story())


@pytest.mark.guarantee("R9")
@pytest.mark.parametrize(("kind", "lasts"), [("extend", QUIET), ("bury", QUIET_BURIALS)])
def test_a_kind_of_settlement_that_nobody_tries_any_more_keeps_nobody_unready(kind: str, lasts: float) -> None:
    async def story() -> None:
        troubles = Troubles("uploads")
        for call in range(LASTS):
            assert troubles.failed(kind, ["NonExistentQueue"]) == (call == 0)
        await asyncio.sleep(lasts - 1)
        assert troubles.reports == [f"uploads: no {kind} succeeds (NonExistentQueue)"]
        await asyncio.sleep(2)
        assert troubles.reports == []
        assert troubles.failed(kind, ["NonExistentQueue"]), "a new period is news"

    virtual(story())
