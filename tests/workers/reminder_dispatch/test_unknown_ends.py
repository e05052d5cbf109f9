"""Requests and claims whose end nobody knows are counted once each, however the occurrence goes on."""

from typing import Any

import pytest

from shared.telemetry import metrics
from tests.workers.reminder_dispatch.fakes import NOON, FakeReminders, World, due, row, world
from workers.reminder_dispatch.channels.channel import Lost, Misconfigured
from workers.reminder_dispatch.table.keys import head_key


def counted() -> float:
    lines = [line for line in metrics.text().splitlines() if line.startswith("fleet_reminders_unknown")]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def lost(policy: str) -> World:
    return world(row(onUnknown=policy), answers=[Lost("no answer from Expo")])


def dead_claim(**attributes: Any) -> World:
    return world(row(status="SENDING", attempts=1, owner="gone", claimedUntil=NOON.timestamp() - 1, **attributes))


def refused_meanwhile() -> World:
    of = dead_claim()
    of.gates.heard("reminders/push", [Misconfigured("Expo: UNAUTHORIZED")])
    return of


def cancelled_meanwhile() -> World:
    of = dead_claim(revision=1)
    head = head_key("r1")
    of.store.rows |= FakeReminders({"PK": head.pk, "SK": head.sk, "status": "CANCELLED", "revision": 1}).rows
    return of


@pytest.mark.parametrize(
    ("of", "status"),
    [
        (lost("at_least_once"), "SENT"),
        (lost("at_most_once"), "UNKNOWN"),
        (dead_claim(), "SENT"),
        (dead_claim(onUnknown="at_most_once"), "UNKNOWN"),
        (dead_claim(quietHours={"from": "11:00", "until": "12:01"}), "SENT"),
        (refused_meanwhile(), "SENT"),
        (cancelled_meanwhile(), "UNKNOWN"),
        (world(row(), answers=[Misconfigured("Expo: UNAUTHORIZED")]), "SENT"),
    ],
    ids=["lost", "lost, once", "claim", "claim, once", "held", "put off", "cancelled", "refused"],
)
async def test_requests_and_claims_of_unknown_end_are_counted_as_their_rows_say(of: World, status: str) -> None:
    before = counted()
    for _ in range(4):
        await of.dispatch(due())
        of.later(minutes=2)
    found = of.store[due()]
    assert found["status"] == status
    assert counted() - before == (found.get("unknowns", 0) or (status == "UNKNOWN"))
