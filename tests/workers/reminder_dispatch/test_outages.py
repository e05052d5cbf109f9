"""A channel's fault is not each message's: one probe, nothing counted, nothing lost, and all of it goes out when it is mended."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import count
from typing import Any

from tests.fakes import delivery
from tests.workers.reminder_dispatch.fakes import NOON, PUSHED, FakeReminders, World, due, row, world
from workers.reminder_dispatch.channels.channel import Accepted, Answer, Busy, Lost, Misconfigured, Note, Refused
from workers.reminder_dispatch.channels.gate import FIRST_PROBE, LONGEST_PROBE, OPENS_AT, Gates
from workers.reminder_dispatch.event import ReminderDue, decode_due

HOURS = 21_600
REFUSED = Misconfigured("Expo: UNAUTHORIZED")


class Ailing(World):
    """Channels that answer `fault` for as long as that is set; the queue keeps its delays."""

    fault: Answer | None = None
    refused: frozenset[str] = frozenset({"", "a"})

    def _answer(self) -> Answer:
        return self.fault or super()._answer()

    async def push(self, notes: Sequence[Note], **until: Any) -> Sequence[Answer]:
        answers = await super().push(notes, **until)
        return [
            answer if note.project in self.refused else Accepted("t")
            for note, answer in zip(notes, answers, strict=True)
        ]

    async def passes(self, *events: ReminderDue, seconds: float) -> None:
        """Deliver these, and whatever is asked for again when it comes, for so long."""
        end = self.at + timedelta(seconds=seconds)
        number = count()
        waiting = [(self.at, next(number), event) for event in events]
        while waiting and min(waiting)[0] <= end:
            self.at = max(self.at, min(waiting)[0])
            batch = [event for at, _, event in waiting if at <= self.at]
            waiting = [each for each in waiting if each[0] > self.at]
            assert await self.dispatch(*batch) == [None] * len(batch), "no receipt is spent, and no letter buried"
            for message in self.asked_again():
                event = decode_due(delivery(message.body))
                waiting.append((self.at + timedelta(seconds=message.delay), next(number), event))
        self.at = max(self.at, end)
        self.left = [event for _, _, event in sorted(waiting)]


def ailing(*rows: dict[str, Any], fault: Answer) -> Ailing:
    of = Ailing(world(*rows).store)
    of.fault = fault
    return of


async def test_hours_of_refusals_cost_a_probe_a_minute_at_most_and_no_attempt() -> None:
    names = [f"r{number}" for number in range(10)]
    of = ailing(*map(row, names), fault=REFUSED)
    await of.passes(*map(due, names), seconds=HOURS)
    assert set(of.store.statuses) == {"PENDING"}
    assert all("GSI1PK" in one and one["reason"] == REFUSED.why for one in of.store.rows.values())
    assert len(of.notes) <= len(names) + HOURS / (0.75 * LONGEST_PROBE)
    assert max(one.get("attempts", 0) - one.get("outages", 0) for one in of.store.rows.values()) == 0
    of.fault, reads = None, of.store.calls.count("load")
    assert reads < len(names) * 60, "looks become rare as the outage grows old"
    await of.passes(*of.left, seconds=1_200)
    assert set(of.store.statuses) == {"SENT"}


async def test_the_same_holds_of_mail_and_of_the_bus_and_each_fails_apart() -> None:
    of = ailing(
        row("push"),
        row("mail", channel="email", email="a@example.com"),
        row("bus", channel="webhook", tenantId="acme"),
        fault=Misconfigured("SES: AccountSuspended"),
    )
    await of.passes(due("mail"), seconds=20_000)
    assert (of.store[due("mail")]["status"], len(of.mails) < 400) == ("PENDING", True)
    of.fault = None
    await of.passes(due("push"), due("bus"), seconds=0)
    assert (of.store[due("push")]["status"], of.store[due("bus")]["status"]) == ("SENT", "SENT")


async def test_a_project_of_expo_that_is_refused_keeps_no_other_from_sending() -> None:
    of = ailing(row("r1", project="a"), row("r2", project="b"), fault=REFUSED)
    await of.passes(due("r1"), due("r2"), seconds=0)
    await of.passes(due("r1"), seconds=1)
    assert (of.store[due("r1")]["status"], of.store[due("r2")]["status"]) == ("PENDING", "SENT")


async def test_what_must_be_sent_soon_is_looked_at_before_it_is_too_late_and_goes_first() -> None:
    of = ailing(row("slow"), row("pills", maxLateness=30_000), fault=REFUSED)
    await of.passes(due("slow"), due("pills"), seconds=29_900)
    of.fault = None
    await of.passes(*of.left, seconds=99)
    assert of.store[due("pills")]["status"] == "SENT"
    both = world(row("old", NOON - timedelta(hours=1)), row("late", maxLateness=90), row("calm", maxLateness=900))
    await both.dispatch(due("calm"), due("old", NOON - timedelta(hours=1)), due("late"))
    assert both.sent_to == [PUSHED.format(name) for name in ("late", "calm", "old")]


async def test_a_row_that_another_worker_takes_meanwhile_is_left_to_it() -> None:
    of = ailing(row("r1"), row("r2"), fault=REFUSED)
    await of.dispatch(due("r1"))

    def claim(call: str) -> None:
        if call == "move to PENDING":
            of.store.rows[due("r2").key] |= {"status": "SENDING", "attempts": 1}

    of.store.before = claim
    assert await of.dispatch(due("r2")) == [None]
    assert of.store[due("r2")]["status"] == "SENDING"


class Clock:
    at = 0.0

    def __call__(self) -> float:
        return self.at


def gates() -> tuple[Gates, Clock]:
    clock = Clock()
    return Gates(now=clock, dice=lambda: 1.0), clock


def test_a_refusal_opens_a_gate_at_once_and_what_may_pass_by_itself_at_the_third() -> None:
    for fault in (Busy("429"), Lost("reset")):
        of, _ = gates()
        for _ in range(OPENS_AT):
            assert of.why_not("push") is None
            of.heard("push", [fault])
        assert (of.why_not("push"), of.why_not("mail")) == (fault.why, None)
    of, _ = gates()
    of.heard("push", [Accepted("t"), REFUSED])
    assert of.why_not("push") == REFUSED.why


def test_one_probe_goes_at_a_time_and_the_waits_between_them_grow() -> None:
    of, clock = gates()
    of.heard("push", [REFUSED])
    probes = []
    while clock.at < 600:
        clock.at += 1
        if of.why_not("push") is None:
            assert of.why_not("push") is not None
            of.heard("push", [REFUSED])
            probes.append(clock.at)
    assert probes[:4] == [FIRST_PROBE, 3 * FIRST_PROBE, 7 * FIRST_PROBE, 15 * FIRST_PROBE]
    assert probes[-1] - probes[-2] == LONGEST_PROBE


def test_any_answer_to_a_message_closes_a_gate_and_no_answer_at_all_says_nothing() -> None:
    for answer in (Accepted("t"), Refused("MessageTooBig"), Busy("slow", of="message")):
        of, _ = gates()
        of.heard("push", [REFUSED])
        of.heard("push", [])
        of.heard("push", [Busy("no turn", of="us")])
        assert of.why_not("push") == REFUSED.why
        of.heard("push", [answer])
        assert of.why_not("push") is None


def test_one_lost_request_among_answers_is_not_an_outage() -> None:
    of, _ = gates()
    for _ in range(5 * OPENS_AT):
        of.heard("push", [Accepted("t"), Lost("reset")])
    assert of.why_not("push") is None


async def test_what_expo_is_not_asked_for_neither_mends_its_channel_nor_takes_its_probes_turn() -> None:
    of = ailing(row("r1"), fault=REFUSED)
    await of.dispatch(due("r1"))
    of.later(seconds=FIRST_PROBE)
    of.store.rows |= FakeReminders(row("odd"), row("r2")).rows
    of.fault = Refused("no Expo push token", known=True)
    await of.dispatch(due("odd"))
    assert of.store[due("odd")]["status"] == "FAILED"
    of.fault = REFUSED
    await of.dispatch(due("r2"))
    assert (of.store[due("r2")]["reason"], of.store[due("r2")]["attempts"]) == (REFUSED.why, 1), "it was the probe"
    assert of.gates.why_not("reminders/push") == REFUSED.why
