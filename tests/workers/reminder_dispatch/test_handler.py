"""Due reminders are sent once, whatever is delivered twice, in parallel, too early, too late or not at all."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.message.envelope import ScheduleTick
from shared.outcome import Later
from tests.fakes import FakeSender, delivery
from tests.workers.reminder_dispatch.fakes import NOON, PUSHED, FakeReminders, World, due, row, world
from workers.reminder_dispatch.channels.channel import Accepted, Busy, Lost, Refused
from workers.reminder_dispatch.event import decode_due
from workers.reminder_dispatch.scan import look
from workers.reminder_dispatch.schedule.occurrence import Move
from workers.reminder_dispatch.table.keys import due_text, key_of

DEAD = Refused("DeviceNotRegistered", dead=True)


async def test_from_the_tick_to_the_ticket() -> None:
    at = datetime(2026, 3, 8, 13, tzinfo=UTC)
    of, queue = world(row(due_at=at)), FakeSender()
    of.at, of.store.minute = at, at
    await look([ScheduleTick(source="scheduler", time=at)], store=of.store, queue=queue, again=queue, now=lambda: at)
    [message] = queue.sent
    assert await of.dispatch(decode_due(delivery(message.body))) == [None]
    assert (of.requests, of.sent_to) == ([1], [PUSHED.format("r1")])
    sent = of.store[due(due_at=at)]
    assert (sent["status"], sent["tickets"]) == ("SENT", [{"token": PUSHED.format("r1"), "id": "ticket-1"}])
    moves = [call for call in of.store.calls if call.startswith("move")]
    assert moves == ["move to SENDING", "move to SENT"]


async def test_one_reminder_delivered_three_times_to_four_workers_at_once_is_sent_once() -> None:
    of = world(row(), row("r2"))
    results = await asyncio.gather(*(of.dispatch(due(), due("r2"), due()) for _ in range(4)))
    assert sorted(of.sent_to) == [PUSHED.format("r1"), PUSHED.format("r2")]
    assert of.store.statuses == ["SENT", "SENT"]
    assert all(end is None or isinstance(end, Later) for result in results for end in result)
    assert await of.dispatch(due(), due("r2")) == [None, None]
    assert len(of.sent_to) == 2


async def test_all_pushes_of_a_batch_share_their_requests() -> None:
    of = world(*(row(f"r{number}") for number in range(100)))
    await of.dispatch(*(due(f"r{number}") for number in range(100)))
    assert of.requests == [100]
    assert all(one["tickets"][0]["token"] == one["tokens"][0] for one in of.store.rows.values())


async def test_every_answer_goes_back_to_its_own_reminder() -> None:
    tokens = [PUSHED.format(name) for name in "abc"]
    mixed = [
        row("r1", tokens=tokens[:2]),
        row("r2", channel="email", email="a@example.com"),
        row("r3", tokens=tokens[2:]),
    ]
    of = world(*mixed, answers=[Accepted("the mail"), DEAD, DEAD, Accepted("the third device")])
    assert await of.dispatch(due("r1"), due("r2"), due("r3")) == [None] * 3
    assert [of.store[due(name)]["status"] for name in ("r1", "r2", "r3")] == ["FAILED", "SENT", "SENT"]
    assert of.store[due("r1")]["deadTokens"] == sorted(tokens[:2])


async def test_a_dead_device_fails_its_reminder_and_not_its_neighbour() -> None:
    of = world(row("r1"), row("r2"), answers=[DEAD])
    assert await of.dispatch(due("r1"), due("r2")) == [None, None]
    assert of.store.statuses == ["FAILED", "SENT"]
    assert of.store[due("r1")]["deadTokens"] == [PUSHED.format("r1")]


async def test_an_email_and_a_bus_event_go_their_ways() -> None:
    of = world(
        row("mail", channel="email", email="anna@example.com"),
        row("hook", channel="webhook", tenantId="t-1", data={"n": 1}),
    )
    assert await of.dispatch(due("mail"), due("hook")) == [None, None]
    assert [content.email for content in of.mails] == ["anna@example.com"]
    assert [(detail["tenantId"], detail["reminderId"], detail["data"]) for detail in of.details] == [
        ("t-1", "hook", {"n": 1})
    ]
    assert of.store.statuses == ["SENT", "SENT"]


async def test_too_many_requests_twice_is_one_delivery_after_growing_waits() -> None:
    of = world(row(), answers=[Busy("TOO_MANY_REQUESTS"), Busy("TOO_MANY_REQUESTS")])
    waits = []
    for _ in range(2):
        assert await of.dispatch(due()) == [None]
        [message] = of.asked_again()
        waits.append(message.delay)
        assert of.store[due()]["status"] == "PENDING"
        of.later(seconds=message.delay)
    assert await of.dispatch(due()) == [None]
    assert waits[0] < waits[1]
    assert (of.store[due()]["status"], of.store[due()]["attempts"]) == ("SENT", 3)
    assert "reason" not in of.store[due()]


async def test_a_duplicate_does_not_jump_the_wait() -> None:
    of = world(row(), answers=[Busy("TOO_MANY_REQUESTS")])
    await of.dispatch(due())
    of.later(seconds=2)
    assert await of.dispatch(due()) == [None]
    assert of.requests == [1]
    assert [message.delay for message in of.asked_again()] == [5, 3], "each asks for the same instant"


@pytest.mark.parametrize(
    ("policy", "requests", "status"), [("at_most_once", 1, "UNKNOWN"), ("at_least_once", 2, "SENT")]
)
async def test_a_lost_request_follows_the_policy_for_unknown_ends(policy: str, requests: int, status: str) -> None:
    of = world(row(onUnknown=policy), answers=[Lost("reset")])
    await of.redelivered(due())
    assert (len(of.requests), of.store[due()]["status"], of.store[due()]["unknowns"]) == (requests, status, 1)


async def test_a_request_lost_twice_ends_unknown() -> None:
    of = world(row(), answers=[Lost("reset"), Lost("reset")])
    await of.redelivered(due())
    assert (len(of.requests), of.store[due()]["status"], of.store[due()]["unknowns"]) == (2, "UNKNOWN", 2)


async def test_a_reminder_deleted_before_its_message_came_is_not_sent() -> None:
    of = world()
    assert await of.dispatch(due()) == [None]
    assert of.requests == []


async def test_a_reminder_deleted_between_reading_and_claiming_is_not_sent() -> None:
    of = world(row())

    def delete(call: str) -> None:
        if call == "move to SENDING":
            of.store.rows.clear()

    of.store.before = delete
    assert await of.dispatch(due()) == [None]
    assert of.requests == []


async def test_a_row_that_keeps_changing_is_looked_at_again_later() -> None:
    of = world(row())

    def edit(call: str) -> None:
        if call == "move to SENDING":
            of.store[due()]["attempts"] = of.store[due()].get("attempts", 0) + 1

    of.store.before = edit
    [end] = await of.dispatch(due())
    assert isinstance(end, Later)
    assert of.requests == []


async def test_before_its_time_a_reminder_waits() -> None:
    of = world(row())
    of.later(seconds=-3)
    assert await of.dispatch(due()) == [None]
    assert [message.delay for message in of.asked_again()] == [3]
    assert (of.requests, of.store[due()]["status"]) == ([], "PENDING")


async def test_an_error_in_one_channel_is_not_the_others_error() -> None:
    of = world(row("push"), row("mail", channel="email", email="a@example.com"))

    def broken() -> None:
        raise ZeroDivisionError

    of.before_push = broken
    push, mail = await of.dispatch(due("push"), due("mail"))
    assert isinstance(push, ZeroDivisionError)
    assert mail is None
    assert [of.store[due(name)]["status"] for name in ("push", "mail")] == ["SENDING", "SENT"]
    of.before_push = lambda: None
    of.later(minutes=2)
    await of.redelivered(due("push"))
    assert (of.store[due("push")]["status"], of.store[due("push")]["unknowns"]) == ("SENT", 1)


async def test_a_push_is_recorded_while_an_email_is_still_on_its_way() -> None:
    of = world(row("push"), row("mail", channel="email", email="a@example.com"))
    arrived, recorded = asyncio.Event(), asyncio.Event()

    def after(call: str) -> None:
        if call == "move to SENT":
            recorded.set()

    async def slow(*_: Any) -> Accepted:
        await recorded.wait()
        arrived.set()
        return Accepted("ses-1")

    of.store.after = after
    of.mail = slow  # type: ignore[method-assign, assignment]  # this world's post is slow
    async with asyncio.timeout(5):
        assert await of.dispatch(due("push"), due("mail")) == [None, None]
    assert arrived.is_set()


async def test_who_wakes_after_its_lease_ran_out_does_not_touch_what_another_worker_did() -> None:
    of = world(row(), answers=[Lost("reset")])

    def another_worker_sends_it() -> None:
        of.store[due()].update(owner="other", status="SENT", tickets=[{"id": "other"}])

    of.after_push = another_worker_sends_it
    assert await of.dispatch(due()) == [None]
    assert of.store[due()]["tickets"] == [{"id": "other"}]
    assert of.asked_again() == []


async def test_the_end_of_an_occurrence_is_recorded_by_one_worker_only() -> None:
    of = world(row(maxLateness=0))
    of.later(seconds=1)
    await asyncio.gather(*(of.dispatch(due()) for _ in range(4)))
    assert of.store[due()]["reason"] == "late"


async def test_a_store_that_fails_for_one_reminder_does_not_fail_the_batch() -> None:
    class Failing(FakeReminders):
        async def move(self, key: Any, move: Move) -> bool:
            if key == key_of("bad", NOON):
                raise TimeoutError
            return await super().move(key, move)

    of = World(Failing(row("good"), row("bad")))
    good, bad = await of.dispatch(due("good"), due("bad"))
    assert good is None
    assert isinstance(bad, TimeoutError)
    assert of.sent_to == [PUSHED.format("good")]
    assert due_text(NOON) == "2026-11-21T12:00:00Z"
