"""The reminders table in memory, channels that answer what a test says, and rows to fill them with."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from shared.outcome import Later
from shared.sqs.sender import Message
from shared.worker import BatchResult
from tests.fakes import FakeSender, delivery
from workers.reminder_dispatch.channels.channel import TOO_LATE, Accepted, Answer, Note
from workers.reminder_dispatch.channels.gate import Gates
from workers.reminder_dispatch.channels.push.rate import RECIPIENTS, Room
from workers.reminder_dispatch.event import ReminderDue, decode_due
from workers.reminder_dispatch.handler import dispatch
from workers.reminder_dispatch.receipts.asking import ask_later
from workers.reminder_dispatch.schedule.occurrence import MOVED, Content, Move, Row, may_be_waiting, row_key
from workers.reminder_dispatch.sending.ports import Ports
from workers.reminder_dispatch.sending.withdrawal import in_place_of
from workers.reminder_dispatch.table.keys import Key, bucket, due_text, index_keys, key_of
from workers.reminder_dispatch.table.store import Reminders

Result = TypeVar("Result")

OF_A_TICK = ("PK", "SK", "status", "claimedUntil", "notBefore", "tenantId", "priority")
"""What a tick sees of a row."""
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PUSHED = "ExponentPushToken[{}]"


def row(reminder_id: str = "r1", due_at: datetime = NOON, **attributes: Any) -> dict[str, Any]:
    """A push reminder that waits to be sent; an attribute given as None is left out."""
    key = key_of(reminder_id, due_at)
    full = {
        "PK": key.pk,
        "SK": key.sk,
        "entity": "occurrence",
        "reminderId": reminder_id,
        "dueAt": due_text(due_at),
        "status": "PENDING",
        "channel": "push",
        "tokens": [PUSHED.format(reminder_id)],
        "title": "Tea",
        "body": "It is time.",
        "timeZone": "UTC",
        "localTime": due_at.replace(tzinfo=None).isoformat(),
        **index_keys(reminder_id, due_at),
        **attributes,
    }
    return {name: value for name, value in full.items() if value is not None}


def daily(reminder_id: str = "r1", due_at: datetime = NOON, **attributes: Any) -> dict[str, Any]:
    """A push reminder that comes again each day at the same time, UTC."""
    rule = {"rule": "FREQ=DAILY", "ruleStart": due_at.replace(tzinfo=None).isoformat()}
    return row(reminder_id, due_at, **{**rule, **attributes})


def due(reminder_id: str = "r1", due_at: datetime = NOON) -> ReminderDue:
    return ReminderDue.model_validate({"reminderId": reminder_id, "dueAt": due_text(due_at)})


class FakeReminders(Reminders):
    """As strict as the table: `calls` names what was asked, each call yields to others before and after its effect."""

    def __init__(self, *rows: Mapping[str, Any]) -> None:
        self.rows = {Key(one["PK"], one["SK"]): dict(one) for one in rows}
        self.minute: datetime | None = None
        self.marked: dict[tuple[datetime, int], set[str]] = {}
        self.registered: dict[Key, str] = {}
        self.calls: list[str] = []
        self.page = 100
        self.before: Callable[[str], None] = lambda _call: None
        self.after: Callable[[str], None] = lambda _call: None

    def __getitem__(self, event: ReminderDue) -> dict[str, Any]:
        return self.rows[event.key]

    @property
    def statuses(self) -> list[str]:
        return [str(one.get("status")) for key, one in self.rows.items() if key.sk != "DEAD"]

    async def cursor(self) -> datetime | None:
        await self._enter("cursor")
        return self.minute

    async def advance(self, minute: datetime) -> None:
        await self._enter("advance")
        if self.minute is None or self.minute < minute:
            self.minute = minute
        self.after("advance")

    async def pages(self, minute: datetime, shard: int) -> AsyncIterator[Sequence[Row]]:
        await self._enter("pages")
        wanted = bucket(minute, shard)
        found = [dict(one) for one in self.rows.values() if one.get("GSI1PK") == wanted and "GSI1SK" in one]
        for start in range(0, len(found), self.page):
            await asyncio.sleep(0)
            yield [{name: one[name] for name in OF_A_TICK if name in one} for one in found[start : start + self.page]]

    async def waiting(self) -> AsyncIterator[Sequence[Row]]:
        await self._enter("waiting")
        found = [dict(one) for one in self.rows.values() if may_be_waiting(one)]
        for start in range(0, len(found), self.page):
            yield found[start : start + self.page]

    async def marks(self, first: datetime, last: datetime) -> Mapping[tuple[datetime, int], Collection[str]]:
        await self._enter("marks")
        return {place: frozenset(queued) for place, queued in self.marked.items() if first <= place[0] <= last}

    async def mark(self, minute: datetime, shard: int, queued: Sequence[str], *, forget_at: int) -> None:
        await self._enter("mark")
        self.marked.setdefault((minute, shard), set()).update(queued)

    async def dead(self, recipients: Collection[Key]) -> Collection[Key]:
        await self._enter("dead")
        found = {each: self.rows[each]["deadSince"] for each in recipients if each in self.rows}
        return {each for each, since in found.items() if since > self.registered.get(each, "")}

    async def entomb(self, recipient: Key, *, why: str, at: datetime, forget_at: int) -> None:
        await self._enter("entomb")
        key = {"PK": recipient.pk, "SK": recipient.sk}
        self.rows[recipient] = {**key, "status": "DEAD", "reason": why, "deadSince": due_text(at), "TTL": forget_at}

    async def revive(self, recipient: Key, *, at: datetime, forget_at: int) -> bool:
        await self._enter("revive")
        self.registered[recipient] = due_text(at)
        return self.rows.pop(recipient, None) is not None

    async def load(self, key: Key) -> Row | None:
        await self._enter("load")
        found = dict(self.rows[key]) if key in self.rows else None
        self.after("load")
        return found

    async def move(self, key: Key, move: Move) -> bool:
        await self._enter(call := f"move to {move.put.get('status', 'the same')}")
        moved = self._move(key, move)
        self.after(call)
        return moved

    def _move(self, key: Key, move: Move) -> bool:
        found = self.rows.get(key)
        if found is None or any(found.get(name) != value for name, value in move.expect.items()):
            return False
        found.update(move.put)
        for name in move.drop:
            found.pop(name, None)
        return True

    async def record(self, key: Key, move: Move, *, within: float) -> bool:
        return await self.move(key, move)

    async def replace(self, key: Key, move: Move, row: Row) -> bool:
        await self._enter("replace")
        moved = self._move(key, move)
        if moved:
            key = row_key(row)
            self.rows[key] = dict(row) if _gives_way(self.rows.get(key), row) else self.rows[key]
        return moved

    async def add(self, row: Row) -> bool:
        await self._enter("add")
        if added := (key := row_key(row)) not in self.rows:
            self.rows[key] = dict(row)
        self.after("add")
        return added

    async def _enter(self, call: str) -> None:
        await asyncio.sleep(0)
        self.before(call)
        self.calls.append(call)


@dataclass
class World:
    """Everything a dispatch touches; the clock stands until a test moves it.

    `answers` are given out one for each recipient, in order; when there are no more, everything is accepted.
    """

    store: FakeReminders
    at: datetime = NOON
    answers: deque[Answer] = field(default_factory=deque)
    notes: list[Note] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)
    mails: list[Content] = field(default_factory=list)
    details: list[Mapping[str, Any]] = field(default_factory=list)
    queue: FakeSender = field(default_factory=FakeSender)
    receipts: FakeSender = field(default_factory=FakeSender)
    claims: int = 0
    computed: int = 0
    gates: Gates = field(init=False)
    before_room: Callable[[], None] = lambda: None
    before_push: Callable[[], None] = lambda: None
    after_push: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.gates = Gates(now=self.seconds, dice=lambda: 0.5)

    async def dispatch(self, *events: ReminderDue) -> BatchResult:
        ports = Ports(
            store=self.store,
            room=self.room,
            request_size=RECIPIENTS,
            push=self.push,
            mail=self.mail,
            announce=self.announce,
            queue=self.queue,
            ask_later=partial(ask_later, send=self.receipts),
            now=lambda: self.at,
            sign=self.sign,
            dice=lambda: 0.5,
            aside=self.aside,
            gates=self.gates,
        )
        return await dispatch(events, ports=ports)

    async def redelivered(self, *events: ReminderDue) -> None:
        """Deliver until nothing is asked for later: each message again after its delay or its visibility."""
        waiting = list(events)
        while waiting:
            results = await self.dispatch(*waiting)
            objections = [result for result in results if isinstance(result, Later)]
            assert all(result is None or isinstance(result, Later) for result in results)
            again = self.asked_again()
            waiting = [event for event, result in zip(waiting, results, strict=True) if result is not None]
            waiting += [decode_due(delivery(message.body)) for message in again]
            self.later(
                seconds=max([message.delay for message in again] + [each.after for each in objections], default=0)
            )

    async def aside(self, compute: Callable[[], Result]) -> Result:
        await asyncio.sleep(0)
        self.computed += 1
        return compute()

    @asynccontextmanager
    async def room(self, _project: str, count: int, *, until: datetime) -> AsyncIterator[Room | None]:
        await asyncio.sleep(0)
        self.before_room()
        yield Room(count) if self.at < until else None

    async def push(self, notes: Sequence[Note], *, until: datetime, room: Room | None) -> Sequence[Answer]:
        assert room is not None, "nobody waits between claim and request"
        if not notes:
            return []
        if self.at >= until:
            return [TOO_LATE] * len(notes)
        await asyncio.sleep(0)
        self.before_push()
        self.notes += notes
        self.requests.append(len(notes))
        self.after_push()
        return [self._answer() for _ in notes]

    async def mail(self, content: Content, _event: ReminderDue) -> Answer:
        await asyncio.sleep(0)
        self.mails.append(content)
        return self._answer()

    async def announce(self, detail: Mapping[str, Any]) -> Answer:
        await asyncio.sleep(0)
        self.details.append(detail)
        return self._answer()

    def sign(self) -> str:
        self.claims += 1
        return f"owner-{self.claims}"

    def seconds(self) -> float:
        return self.at.timestamp()

    def later(self, **by: float) -> None:
        self.at += timedelta(**by)

    @property
    def sent_to(self) -> list[str]:
        return [note.token for note in self.notes]

    def asked_again(self) -> list[Message]:
        """Take out what was put on the reminders queue."""
        taken, self.queue.sent = self.queue.sent, []
        return taken

    def _answer(self) -> Answer:
        return self.answers.popleft() if self.answers else Accepted(f"ticket-{len(self.notes)}")


def _gives_way(older: Row | None, row: Row) -> bool:
    return older is None or older.get("reason") == MOVED or in_place_of(older, row) is not None


def world(*rows: Mapping[str, Any], answers: Sequence[Answer] = ()) -> World:
    return World(FakeReminders(*rows), answers=deque(answers))
