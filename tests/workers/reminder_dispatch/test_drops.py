"""No occurrence ends in silence: what is not sent is counted and logged with its reason."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from shared.telemetry.logging import customer
from tests.workers.reminder_dispatch.fakes import NOON, daily, due, row, world
from workers.reminder_dispatch.channels.channel import Refused

TOMORROW = NOON + timedelta(days=1)


def reasons(logged: Sequence[Mapping[str, Any]]) -> list[str]:
    return [line["reason"] for line in logged if line["event"] == "event_dropped"]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ((), ["reminder_gone"]),
        ((row(maxLateness=0),), ["late"]),
        ((row(channel="email", email="nobody"),), ["email"]),
        ((row(status="SENT"),), []),
        ((row(),), []),
    ],
)
async def test_an_occurrence_that_is_not_sent_is_dropped_with_a_reason(
    rows: Sequence[Mapping[str, Any]], reason: list[str]
) -> None:
    of = world(*rows)
    of.later(seconds=1)
    with capture_logs() as logged:
        assert await of.dispatch(due()) == [None]
    assert reasons(logged) == reason


async def test_a_message_that_comes_long_before_its_time_is_told() -> None:
    of = world(row(due_at=NOON + timedelta(hours=2)))
    with capture_logs() as logged:
        await of.dispatch(due(due_at=NOON + timedelta(hours=2)))
    assert reasons(logged) == ["not_due_for_long"]


async def test_a_refusal_of_the_channel_is_a_drop_with_the_channel_s_code() -> None:
    of = world(row(), answers=[Refused("DeviceNotRegistered", dead=True)])
    with capture_logs() as logged:
        await of.dispatch(due())
    assert reasons(logged) == ["DeviceNotRegistered"]


async def test_another_tenant_s_row_in_the_place_of_the_next_occurrence_is_told_and_stays_as_it_is() -> None:
    theirs = daily(due_at=TOMORROW, tenantId="bolt")
    of = world(daily(tenantId="acme"), theirs)
    with capture_logs() as logged:
        await of.dispatch(due())
    assert reasons(logged) == ["occurrence_of_another_tenant"]
    assert of.store[due(due_at=TOMORROW)] == theirs
    assert of.store[due()]["status"] == "SENT"


async def test_the_same_tenant_s_next_occurrence_that_exists_is_not_a_drop() -> None:
    of = world(daily(tenantId="acme"), daily(due_at=TOMORROW, tenantId="acme", title="Edited"))
    with capture_logs() as logged:
        await of.dispatch(due())
    assert reasons(logged) == []


async def test_the_line_of_an_end_names_the_customer_by_its_hash() -> None:
    of = world(row(tenantId="acme"))
    with capture_logs() as logged:
        await of.dispatch(due())
    [settled] = [line for line in logged if line["event"] == "reminder_settled"]
    assert settled["tenant"] == customer("acme")
