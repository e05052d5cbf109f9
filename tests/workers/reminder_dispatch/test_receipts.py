"""Receipts: asked for in hundreds from 15 minutes to a day after the push, noted on the row, and nothing to a dead token after that."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from shared import Message, NotSent, Reject
from tests.fakes import FakeSender, delivery
from tests.workers.reminder_dispatch.fakes import NOON, PUSHED, FakeReminders, World, daily, due, row, world
from workers.reminder_dispatch.app import DISPATCH_TIMEOUT
from workers.reminder_dispatch.channels.channel import Accepted, Busy, Refused
from workers.reminder_dispatch.receipts.event import Asked, ReceiptsDue, Ticket, decode_receipts
from workers.reminder_dispatch.receipts.handler import GIVE_UP, Ports, look_up
from workers.reminder_dispatch.receipts.queued import messages
from workers.reminder_dispatch.receipts.receipt import Receipt, Unanswered
from workers.reminder_dispatch.table.keys import device_key


class Expo:
    """Says what a test says of each ticket; counts requests."""

    def __init__(self, said: Mapping[str, Receipt] | None = None) -> None:
        self.said = dict(said or {})
        self.requests: list[int] = []
        self.is_down = False

    async def __call__(self, ids: Sequence[str]) -> Mapping[str, Receipt]:
        self.requests.append(len(ids))
        if self.is_down:
            raise Unanswered("Expo: 503")
        return {name: self.said[name] for name in ids if name in self.said}


def question(body: str) -> ReceiptsDue:
    found = decode_receipts(delivery(body))
    assert isinstance(found, ReceiptsDue)
    return found


def asked_of(name: str, ticket: str = "") -> Asked:
    tickets = (Ticket(id=ticket or f"t-{name}", token="x"),)
    return Asked.model_construct(reminder_id=name, due_at=NOON, tickets=tickets)


async def looked(sent: World, expo: Expo, *events: ReceiptsDue) -> list[ReceiptsDue]:
    """One look; what is to be looked at again."""
    again = FakeSender()
    assert await look_up(events, ports=Ports(sent.store, expo, again, lambda: sent.at)) == [None] * len(events)
    assert {message.delay for message in again.sent} <= {900}
    return [question(message.body) for message in again.sent]


async def pushed(*rows: Mapping[str, Any], answers: Sequence[Any] = ()) -> tuple[World, list[ReceiptsDue]]:
    """Rows that were dispatched, and the questions that are due 15 minutes later."""
    sent = world(*rows, answers=answers)
    await sent.dispatch(*(due(one["reminderId"]) for one in rows))
    assert {message.delay for message in sent.receipts.sent} <= {900}
    sent.later(seconds=900)
    return sent, [question(message.body) for message in sent.receipts.sent]


async def test_a_dead_device_is_noted_and_no_later_reminder_goes_to_it() -> None:
    sent, questions = await pushed(daily(), answers=[Accepted("t1")])
    assert await looked(sent, Expo({"t1": Receipt("DeviceNotRegistered")}), *questions) == []
    told = sent.store[due()]
    assert (told["status"], told["receipt"], told["receiptReason"]) == ("SENT", "RECEIPT_FAILED", "DeviceNotRegistered")
    sent.at = NOON + timedelta(days=1)
    await sent.dispatch(due("r1", sent.at))
    assert len(sent.notes) == 1
    assert "receipt" not in sent.store[due("r1", sent.at)], "the next occurrence inherits none"


async def test_a_device_that_was_registered_anew_before_its_receipt_came_is_not_gone() -> None:
    sent, questions = await pushed(daily(), answers=[Accepted("t1")])
    assert not await sent.store.revive(device_key(PUSHED.format("r1")), at=sent.at, forget_at=1)
    sent.later(seconds=60)
    assert await looked(sent, Expo({"t1": Receipt("DeviceNotRegistered")}), *questions) == []
    sent.at = NOON + timedelta(days=1)
    await sent.dispatch(due("r1", sent.at))
    assert sent.store[due("r1", sent.at)]["status"] == "SENT"


async def test_what_was_refused_or_is_no_push_is_not_asked_for() -> None:
    _, questions = await pushed(row("r1"), row("r2"), answers=[Refused("MessageTooBig")])
    assert (await pushed(row(channel="webhook", tenantId="acme")))[1] == []
    assert [each.reminder_id for question in questions for each in question.occurrences] == ["r2"]


async def test_a_late_receipt_is_told_from_one_that_is_missing() -> None:
    sent, questions = await pushed(row("r1"), row("r2"), answers=[Accepted("t1"), Accepted("t2")])
    expo = Expo()
    for _ in range(3):
        questions = await looked(sent, expo, *questions)
        sent.later(seconds=900)
    expo.said = {"t1": Receipt()}
    questions = await looked(sent, expo, *questions)
    assert [[each.reminder_id for each in question.occurrences] for question in questions] == [["r2"]]
    assert sent.store[due("r1")]["receipt"] == "DELIVERED"
    sent.at = NOON + GIVE_UP
    assert await looked(sent, expo, *questions) == []
    assert sent.store[due("r2")]["receipt"] == "RECEIPT_MISSING"


async def test_one_of_several_devices_is_enough_and_each_is_heard() -> None:
    tokens = [PUSHED.format(name) for name in ("phone", "tablet")]
    sent, questions = await pushed(row(tokens=tokens), answers=[Accepted("t1"), Accepted("t2")])
    questions = await looked(sent, Expo({"t1": Receipt("DeviceNotRegistered")}), *questions)
    assert "receipt" not in sent.store[due()]
    assert await looked(sent, Expo({"t2": Receipt()}), *questions) == []
    told = sent.store[due()]
    assert (told["receipt"], told["receiptReason"]) == ("DELIVERED", "DeviceNotRegistered")
    assert await sent.store.dead([device_key(token) for token in tokens]) == {device_key(tokens[0])}


@pytest.mark.parametrize("first", ["t1", "t2"])
async def test_a_device_that_was_reached_counts_whatever_another_attempts_ticket_says(first: str) -> None:
    tokens = [PUSHED.format(name) for name in ("phone", "tablet")]
    sent = world(row(tokens=tokens), answers=[Accepted("t1"), Busy("busy", of="message"), Accepted("t2")])
    await sent.redelivered(due())
    questions = [question(message.body) for message in sent.receipts.sent]
    questions.sort(key=lambda each: each.occurrences[0].tickets[0].id != first)
    expo = Expo({"t1": Receipt(), "t2": Receipt("MismatchSenderId")})
    for each in questions:
        assert await looked(sent, expo, each) == []
    assert sent.store[due()]["receipt"] == "DELIVERED"


async def test_a_device_that_was_not_reached_says_more_than_one_of_which_nothing_is_known() -> None:
    of = world(row(status="SENT"))
    for name in ("silent", "refused", "silent"):
        event = ReceiptsDue(sentAt=NOON, occurrences=(asked_of("r1", name),))
        of.at = NOON + GIVE_UP
        assert await looked(of, Expo({"refused": Receipt("MismatchSenderId")}), event) == []
    assert of.store[due()]["receipt"] == "RECEIPT_FAILED"


async def test_what_expo_took_without_an_id_is_sent_and_not_asked_for() -> None:
    sent = world(row(), answers=[Accepted("")])
    assert await sent.dispatch(due()) == [None]
    assert (sent.store.statuses, sent.receipts.sent, sent.asked_again()) == (["SENT"], [], [])


async def test_what_expo_does_not_answer_is_asked_again_and_fails_no_message() -> None:
    sent, questions = await pushed(row(), answers=[Accepted("t1")])
    expo = Expo({"t1": Receipt()})
    expo.is_down = True
    again = await looked(sent, expo, *questions)
    assert [each.looks for each in again] == [1]
    expo.is_down = False
    for _ in range(2):  # and a message that comes twice
        assert await looked(sent, expo, *again) == []
    assert sent.store[due()]["receipt"] == "DELIVERED"


async def test_2300_tickets_are_three_requests() -> None:
    asked = [
        Asked.model_construct(reminder_id=f"r{number}", due_at=NOON, tickets=(Ticket(id=f"t{number}", token="x"),))
        for number in range(2_300)
    ]
    events = [question(each.body) for each in messages(asked, sent_at=NOON)]
    assert max(len(json.dumps(event.model_dump(mode="json"))) for event in events) < 200_000
    expo = Expo()
    await looked(World(FakeReminders()), expo, *events)
    assert expo.requests == [1_000, 1_000, 300]


async def test_a_silent_expo_costs_no_batch_its_time() -> None:
    """Of occurrences with a thousand devices, ten messages are ten requests."""
    of, again = World(FakeReminders()), FakeSender()
    tickets = tuple(Ticket(id=f"t{number}", token="x") for number in range(5_000))
    asked = [tickets[start : start + 1_000] for start in range(0, 5_000, 1_000)]
    events = [
        ReceiptsDue(sentAt=NOON, occurrences=(Asked.model_construct(reminder_id="r1", due_at=NOON, tickets=each),))
        for each in asked
    ]

    async def silent(_ids: Sequence[str]) -> Mapping[str, Receipt]:
        of.later(seconds=10)
        raise Unanswered("no answer from Expo")

    assert await look_up(events, ports=Ports(of.store, silent, again, lambda: of.at)) == [None] * 5
    assert of.at < NOON + timedelta(seconds=DISPATCH_TIMEOUT - 5)
    assert len(again.sent) == 5, "each is asked for later"


@pytest.mark.parametrize(
    "fault",
    [
        EndpointConnectionError(endpoint_url="http://127.0.0.1:1"),
        NotSent("reminder-receipts", ["InternalError"]),
        Reject("body has too many bytes"),
    ],
)
async def test_a_push_is_recorded_where_its_question_cannot_be_queued(fault: Exception) -> None:
    def fail() -> None:
        raise fault

    sent = world(row())
    sent.receipts.fail = fail
    assert await sent.dispatch(due()) == [None]
    assert sent.store.statuses == ["SENT"]


async def test_a_fault_at_one_row_asks_for_no_other_message_twice() -> None:
    events = [ReceiptsDue(sentAt=NOON, occurrences=(asked_of(name),)) for name in ("waits", "fails", "waits-too")]
    of = World(FakeReminders(row("fails")))
    again = FakeSender()

    def fail(call: str) -> None:
        if call.startswith("move"):
            raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")

    of.store.before = fail
    expo = Expo({"t-fails": Receipt()})
    ports = Ports(of.store, expo, again, lambda: of.at)
    ends = await look_up(events, ports=ports)
    assert [type(end) for end in ends] == [type(None), EndpointConnectionError, type(None)]
    of.store.before = lambda _call: None
    assert await look_up([events[1]], ports=ports) == [None]
    assert of.store[due("fails")]["receipt"] == "DELIVERED"
    asked = [question(message.body) for message in again.sent]
    assert [each.reminder_id for one in asked for each in one.occurrences] == ["waits", "waits-too"]


async def test_a_push_is_recorded_while_its_question_gets_no_answer() -> None:
    answered = asyncio.Event()

    async def silent(_messages: Sequence[Message]) -> None:
        await answered.wait()

    sent = world(row())
    sent.receipts = silent  # type: ignore[assignment]  # it is only ever called
    sending = asyncio.ensure_future(sent.dispatch(due()))
    for _ in range(50):
        await asyncio.sleep(0)
    assert sent.store.statuses == ["SENT"]
    answered.set()
    assert await sending == [None]
