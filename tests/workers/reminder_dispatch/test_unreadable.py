"""A row that cannot be read ends with a reason and its series goes on, whichever attribute it is; what no tick finds is swept up."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes import FakeSender, delivery
from tests.workers.reminder_dispatch.fakes import NOON, PUSHED, FakeReminders, daily, due, row, world
from workers.reminder_dispatch.channels.channel import Busy
from workers.reminder_dispatch.event import decode_due, due_body
from workers.reminder_dispatch.schedule.occurrence import MOST_TOKENS
from workers.reminder_dispatch.table.attributes import typed, untyped
from workers.reminder_dispatch.table.upkeep import sweep

HUGE = "1" + 38 * "0"
WRONG: dict[str, Any] = {
    "attempts": "many",
    "outages": "many",
    "unknowns": "many",
    "claimedUntil": "soon",
    "notBefore": "soon",
    "tickets": "none",
    "deadTokens": 7,
    "title": 7,
    "body": None,
    "channel": "pigeon",
    "tokens": "one",
    "data": {"number": Decimal(HUGE)},
    "maxLateness": -1,
    "onUnknown": "never",
    "project": 7,
    "status": "LOST",
    "onGap": "never",
    "onOverlap": 7,
    "occurrenceNumber": Decimal(HUGE),
    "localTime": 7,
}
NUMBERS = ("attempts", "outages", "unknowns", "claimedUntil", "notBefore", "maxLateness", "occurrenceNumber")


@pytest.mark.parametrize("number", [HUGE, "9" * 38, "1E+125", "-1"])
@pytest.mark.parametrize("status", ["PENDING", "SENDING"])
async def test_a_number_that_no_worker_wrote_ends_its_row_and_not_the_series(number: str, status: str) -> None:
    for name in NUMBERS:
        wrong: dict[str, Any] = {name: Decimal(number)}
        of = world(daily(status=status, **wrong))
        assert await of.dispatch(due()) == [None], name
        ended = of.store[due()]
        assert (ended["status"], ended["reason"].split(":")[0], "GSI1PK" in ended) == ("FAILED", name, False)
        assert of.store[due(due_at=NOON + timedelta(days=1))]["status"] == "PENDING", name


async def test_the_largest_number_that_is_read_can_be_counted_on() -> None:
    of = world(daily(attempts=2**31 - 1), answers=[Busy("busy", of="message")])
    await of.redelivered(due())
    assert of.store[due()]["status"] == "FAILED"


@pytest.mark.parametrize(("name", "status"), [("notBefore", "PENDING"), ("claimedUntil", "SENDING")])
async def test_what_is_held_for_years_is_held_by_nobody(name: str, status: str) -> None:
    held: dict[str, Any] = {name: int(NOON.timestamp()) + 10 * 365 * 86_400}
    of = world(daily(status=status, **held))
    assert await of.dispatch(due()) == [None]
    assert of.store[due()]["reason"] == f"{name}: farther away than anything is held"
    assert of.store[due(due_at=NOON + timedelta(days=1))]["status"] == "PENDING"
    held = {name: Decimal(HUGE)}
    counts, _ = await swept(row("r1", NOON - timedelta(hours=3), status=status, **held))
    assert counts["queued"] == 1


async def test_whatever_is_wrong_has_a_reason_and_the_series_goes_on() -> None:
    for name, value in WRONG.items():
        of = world(daily(**{name: value}))
        assert await of.dispatch(due()) == [None], name
        ended = of.store[due()]
        assert (ended["status"], ended["reason"].split(":")[0].split(".")[0], "GSI1PK" in ended) == (
            "FAILED",
            name,
            False,
        )
        assert of.store[due(due_at=NOON + timedelta(days=1))]["status"] == "PENDING", name


async def test_a_wrong_state_is_not_inherited() -> None:
    of = world(daily(attempts="many", tickets="none"))
    await of.dispatch(due())
    of.later(days=1)
    await of.dispatch(due(due_at=NOON + timedelta(days=1)))
    assert of.store[due(due_at=NOON + timedelta(days=1))]["status"] == "SENT"


def test_every_legal_value_is_read_and_written_back_as_it_is() -> None:
    item = {
        "text": {"S": "a"},
        "number": {"N": HUGE},
        "small": {"N": "1E-130"},
        "long": {"N": "12345678901234567890123456789012345678"},
        "flag": {"BOOL": False},
        "nothing": {"NULL": True},
        "bytes": {"B": b"\x00"},
        "map": {"M": {"list": {"L": [{"N": "1.50"}, {"S": ""}, {"M": {}}]}}},
        "numbers": {"NS": ["1.5"]},
        "texts": {"SS": ["a"]},
        "blobs": {"BS": [b"a"]},
    }
    assert typed(untyped(item)) == item
    assert untyped({"n": {"N": "7"}}) == {"n": 7}
    assert typed({"pair": ("a", 1)}) == {"pair": {"L": [{"S": "a"}, {"N": "1"}]}}
    for illegal in (1.5, set(), object()):
        with pytest.raises(TypeError):
            typed({"n": illegal})


async def swept(*rows: dict[str, Any], act: bool = True) -> tuple[dict[str, int], list[str]]:
    queue, told = FakeSender(), list[str]()
    counts = await sweep(
        FakeReminders(*rows),
        queue=queue,
        now=lambda: NOON,
        act=act,
        overdue=timedelta(minutes=15),
        tell=lambda _row, what: told.append(what),
    )
    assert len(told) == counts["queued"] + counts["odd"]
    return dict(counts), [decode_due(delivery(message.body)).reminder_id for message in queue.sent]


async def test_what_no_tick_finds_any_more_is_queued() -> None:
    old, now = NOON - timedelta(hours=3), int(NOON.timestamp())
    rows = (
        row("late", old),
        row("elsewhere", old, GSI1PK="DUE#2026-11-21T09:00#99"),
        row("dead worker", old, status="SENDING", claimedUntil=now - 60),
        row("in hand", old, status="SENDING", claimedUntil=now + 60),
        row("put off", old, notBefore=now + 60),
        row("recent", NOON - timedelta(minutes=5)),
        row("to come", NOON + timedelta(days=1)),
        row("odd", old) | {"PK": "REMINDER"},
        row("unindexed", old, GSI1PK=None, GSI1SK=None),
        row("sent", old, status="SENT"),
        {"PK": "USER#1", "SK": "AT#home", "status": "PENDING"},  # which is not ours
    )
    assert await swept(*rows) == (
        {"looked_at": 9, "queued": 4, "odd": 1},
        ["late", "elsewhere", "dead worker", "unindexed"],
    )
    counts, queued = await swept(*rows, act=False)
    assert (counts["queued"], queued) == (4, [])


@pytest.mark.parametrize("name", ["attempts", "status", "title", "notBefore", "claimedUntil"])
async def test_null_is_no_value_and_ends_its_row_too(name: str) -> None:
    of = world(daily() | {name: None})
    assert await of.dispatch(due()) == [None]
    assert (of.store[due()]["status"], of.store[due()]["reason"].split(":")[0]) == ("FAILED", name)


@pytest.mark.parametrize("revision", ["1", None, {"of": 1}])
async def test_a_revision_that_no_client_wrote_neither_stops_nor_ends_anything(revision: Any) -> None:
    later = daily(due_at=NOON + timedelta(days=1), revision=Decimal(2))
    of = world(daily() | {"revision": revision}, later)
    assert await of.dispatch(due()) == [None]
    assert of.store[due()]["status"] == "SENT"
    assert of.store[due(due_at=NOON + timedelta(days=1))] == later


async def test_more_devices_than_a_row_could_tell_of_are_refused_before_any_is_asked() -> None:
    many = [PUSHED.format(number) for number in range(MOST_TOKENS + 1)]
    of = world(daily(tokens=many))
    assert await of.dispatch(due()) == [None]
    assert (of.store[due()]["reason"], of.notes) == ("tokens: must have 1000 entries or fewer", [])


def test_an_order_is_written_in_characters_that_sqs_takes() -> None:
    body = due_body("naïve\uffff", NOON)
    assert body.isascii()
    assert decode_due(delivery(body)).reminder_id == "naïve\uffff"


async def test_a_row_whose_key_names_nothing_ends_with_the_reason_where_it_is_asked() -> None:
    odd = row("odd", NOON - timedelta(hours=3), SK="AT#noon", GSI1PK=None)
    for act, said, status in ((False, "SK: ", "PENDING"), (True, "FAILED: SK: ", "FAILED")):
        store, told = FakeReminders(odd), list[str]()
        counts = await sweep(
            store,
            queue=FakeSender(),
            now=lambda: NOON,
            act=act,
            overdue=timedelta(minutes=15),
            tell=lambda _row, what, told=told: told.append(what),  # type: ignore[misc]  # bound as it is now
        )
        assert (counts["odd"], store.statuses, told[0].startswith(said)) == (1, [status], True)
