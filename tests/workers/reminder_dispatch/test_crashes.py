"""A worker killed between any two steps: no reminder is lost, no series ends, and doubles happen only where they may."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from shared.outcome import Later
from tests.fakes import delivery
from tests.workers.reminder_dispatch.fakes import NOON, World, daily, due, world
from workers.reminder_dispatch.channels.channel import Busy
from workers.reminder_dispatch.event import decode_due
from workers.reminder_dispatch.rules import LEASE_SECONDS

TOMORROW = NOON + timedelta(days=1)
STEPS = ("load", "add", "queue", "move to SENDING", "push", "move to SENT")
MOMENTS = [(step, moment) for step in STEPS for moment in ("before", "after") if (step, moment) != ("queue", "after")]
AFTER_THE_REQUEST = {("push", "after"), ("move to SENT", "before")}


class Killed(BaseException):
    """The process is gone: nothing of it runs any more, no `except Exception` either."""


def mortal(of: World, step: str, moment: str) -> None:
    """Let the world kill its worker at a step, once."""

    def kill(call: str) -> None:
        if call == step:
            of.store.before = of.store.after = lambda _: None
            of.before_push = of.after_push = of.queue.fail = lambda: None
            raise Killed

    if step == "push":
        hooks = {"before_push" if moment == "before" else "after_push": lambda: kill("push")}
        vars(of).update(hooks)
    elif step == "queue":
        of.queue.fail = lambda: kill("queue")
    elif moment == "before":
        of.store.before = kill
    else:
        of.store.after = kill


async def lived_on(of: World, *events: Any) -> None:
    """What the queue does after a crash: the message again, later, and whatever was sent to it."""
    waiting = list(events)
    for _ in range(20):
        of.later(seconds=LEASE_SECONDS)
        results = await of.dispatch(*waiting)
        assert all(result is None or isinstance(result, Later) for result in results)
        waiting = [event for event, result in zip(waiting, results, strict=True) if result is not None]
        waiting += [decode_due(delivery(message.body)) for message in of.asked_again()]
        waiting = [event for event in waiting if event.due_at <= of.at]
        if not waiting:
            return
    raise AssertionError("the messages never came to an end")


async def crashed(policy: str, step: str, moment: str) -> World:
    of = world(daily(onUnknown=policy))
    if step == "queue":  # only what is late already is queued by the dispatch itself
        of.later(days=1, seconds=-30)
    mortal(of, step, moment)
    with pytest.raises(Killed):
        await of.dispatch(due())
    await lived_on(of, due())
    return of


@pytest.mark.parametrize(("step", "moment"), MOMENTS)
async def test_killed_at_any_step_the_reminder_is_sent_and_the_series_goes_on(step: str, moment: str) -> None:
    of = await crashed("at_least_once", step, moment)
    assert of.store[due()]["status"] == "SENT"
    assert due(due_at=TOMORROW).key in of.store.rows
    today = len(of.notes) - (of.store[due(due_at=TOMORROW)]["status"] == "SENT")
    assert today == (2 if (step, moment) in AFTER_THE_REQUEST else 1)


@pytest.mark.parametrize(("step", "moment"), MOMENTS)
async def test_killed_at_any_step_at_most_once_is_never_twice_and_the_doubt_is_recorded(step: str, moment: str) -> None:
    of = await crashed("at_most_once", step, moment)
    in_doubt = (step, moment) in AFTER_THE_REQUEST | {("move to SENDING", "after"), ("push", "before")}
    assert of.store[due()]["status"] == ("UNKNOWN" if in_doubt else "SENT")
    assert due(due_at=TOMORROW).key in of.store.rows
    today = len(of.notes) - (of.store[due(due_at=TOMORROW)]["status"] == "SENT")
    assert today <= 1


async def test_a_next_occurrence_that_was_written_but_never_queued_is_queued_by_the_next_receipt() -> None:
    of = world(daily())
    of.later(days=2)
    mortal(of, "queue", "before")
    with pytest.raises(Killed):
        await of.dispatch(due())
    assert of.store.statuses == ["PENDING", "PENDING"]
    assert await of.dispatch(due()) == [None]
    [message] = of.asked_again()
    assert decode_due(delivery(message.body)) == due(due_at=TOMORROW)


async def test_a_crash_between_releasing_and_asking_again_loses_nothing() -> None:
    of = world(daily())
    of.answers.append(Busy("TOO_MANY_REQUESTS"))
    mortal(of, "queue", "before")
    with pytest.raises(Killed):
        await of.dispatch(due())
    assert of.store[due()]["status"] == "PENDING"
    await lived_on(of, due())
    assert of.store[due()]["status"] == "SENT"


async def test_four_workers_of_which_three_are_killed_send_each_reminder() -> None:
    of = world(*(daily(f"r{number}") for number in range(20)))
    events = [due(f"r{number}") for number in range(20)]
    batches = [asyncio.ensure_future(of.dispatch(*events)) for _ in range(4)]
    for turns, batch in enumerate(batches[:3], start=2):
        for _ in range(turns):
            await asyncio.sleep(0)
        batch.cancel()
    await asyncio.gather(*batches, return_exceptions=True)
    of.later(seconds=LEASE_SECONDS)
    await lived_on(of, *events)
    assert [of.store[event]["status"] for event in events] == ["SENT"] * 20
    assert len(of.store.rows) == 40


async def test_killed_while_it_waits_for_room_in_the_rate_a_worker_holds_no_claim() -> None:
    names = [f"r{number}" for number in range(100)]
    of = world(*(daily(name, onUnknown="at_most_once") for name in names))

    def kill() -> None:
        of.before_room = lambda: None
        raise Killed

    of.before_room = kill
    with pytest.raises(Killed):
        await of.dispatch(*map(due, names))
    assert {of.store[due(name)]["status"] for name in names} == {"PENDING"}
    await lived_on(of, *map(due, names))
    assert [of.store[due(name)]["status"] for name in names] == ["SENT"] * 100
    assert len(of.notes) == 100


async def test_what_is_cancelled_while_it_waits_for_room_is_not_sent() -> None:
    of = world(daily(onUnknown="at_most_once"))
    of.before_room = lambda: of.store.rows[due().key].update(status="FAILED", reason="cancelled")
    assert await of.dispatch(due()) == [None]
    assert (of.notes, of.store[due()]["reason"]) == ([], "cancelled")
