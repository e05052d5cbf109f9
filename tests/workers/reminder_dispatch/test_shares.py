"""A medication does not wait behind a flood, nor one tenant behind another's: messages in groups of a fair queue, and urgency in a batch."""

from typing import Any

import pytest

from shared import ScheduleTick
from tests.fakes import FakeSender
from tests.sqs_server.running import sqs_server
from tests.workers.reminder_dispatch.fakes import NOON, FakeReminders, daily, due, row, world
from workers.reminder_dispatch.channels.channel import Busy
from workers.reminder_dispatch.queued import due_message
from workers.reminder_dispatch.scan import look
from workers.reminder_dispatch.table.keys import share_of

FLOOD: dict[str, Any] = {"tenantId": "acme"}
MEDICATION: dict[str, Any] = {"tenantId": "acme", "priority": "high"}


def test_each_tenant_has_a_share_and_what_is_of_high_priority_another_one() -> None:
    shares = [share_of("acme", None), share_of("acme", "normal"), share_of("acme", "high"), share_of("other", "normal")]
    assert shares[0] == shares[1]
    assert len({*shares}) == 3
    assert all(share and share.replace("-", "").isalnum() and len(share) <= 128 for share in shares)
    assert share_of(None, "high") is share_of("", None) is share_of(7, None) is None


async def test_a_tick_a_retry_and_a_successor_stay_in_their_share() -> None:
    store, queue = FakeReminders(row("r1", **FLOOD), row("r2", **MEDICATION)), FakeSender()
    tick = ScheduleTick(source="scheduler", time=NOON)
    await look([tick], store=store, queue=queue, again=FakeSender(), now=lambda: NOON)
    assert {message.group for message in queue.sent} == {share_of("acme", None), share_of("acme", "high")}
    tried = world(daily(rule="FREQ=MINUTELY", **MEDICATION), answers=[Busy("429", of="us")])
    await tried.dispatch(due())
    assert [message.group for message in tried.asked_again()] == [share_of("acme", "high")] * 2


async def test_a_batch_sends_what_is_of_high_priority_first() -> None:
    one = world(row("r1", **FLOOD, maxLateness=60), row("r2", **MEDICATION))
    await one.dispatch(due("r1"), due("r2"))
    assert one.sent_to == ["ExponentPushToken[r2]", "ExponentPushToken[r1]"]


async def test_a_priority_that_nobody_knows_ends_the_row() -> None:
    wrong = world(row(priority="highest"))
    await wrong.dispatch(due())
    assert wrong.store[due()]["reason"].startswith("priority: ")


@pytest.mark.slow
def test_a_fair_queue_hands_out_a_medication_before_the_rest_of_a_flood() -> None:
    """By a server that plays AWS's rule for noisy groups: more than a tenth of what is in flight, and thirty messages at least."""
    with sqs_server() as server:
        url = server.make("reminders")

        def send(*messages: tuple[str, dict[str, str]]) -> None:
            made = [due_message(due(name), attributes) for name, attributes in messages]
            entries = [
                {"Id": str(number), "MessageBody": each.body, "MessageGroupId": str(each.group)}
                for number, each in enumerate(made)
            ]
            server.sqs.send_message_batch(QueueUrl=url, Entries=entries)  # type: ignore[arg-type]  # built by hand

        for batch in range(200):
            send(*((f"flood-{batch}-{number}", FLOOD) for number in range(10)))
        send(("medication", MEDICATION), ("neighbour", {"tenantId": "other"}))
        seen = ""
        batches = 0
        while not ("medication" in seen and "neighbour" in seen):
            found = server.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
            seen += "".join(each["Body"] for each in found["Messages"])
            batches += 1
        assert batches <= 4, "behind 30 messages that make the flood a flood, and not behind 2,000"
