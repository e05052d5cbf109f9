"""Where a person's commands meet the adapters: a dead-letter queue opened, read through, watched."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from fleet.dead_letters.model.filters import Filters, matches, selected
from fleet.dead_letters.model.letter import DeadLetter, lineage_of
from fleet.dead_letters.model.plan.outgoing import Parcel
from fleet.dead_letters.model.plan.plan import Plan
from fleet.dead_letters.model.shapes import Origin, standing
from fleet.dead_letters.model.view import View, view
from fleet.dead_letters.plan_key import known_key
from fleet.dead_letters.queues import own_policy, stream_records
from fleet.dead_letters.queues.browsing import bound, browse
from fleet.dead_letters.queues.catalog import Catalog, QueueInfo
from fleet.dead_letters.queues.dead_letter_queue import Box, SqsBox, counted
from fleet.dead_letters.queues.own_policy import OwnPolicy, Spent
from fleet.dead_letters.replay.canary import Sight
from fleet.dead_letters.replay.post import SqsPost
from fleet.dead_letters.settings import ReplaySettings
from shared.clients import Clients
from shared.message import dead_letter

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_sqs import SQSClient

FEW = 500
"""Letters that are looked through at every look after a step; a fuller queue when their number has changed, and now and then."""
SILENCE = 5.0
"""Seconds beyond a long poll for which an endpoint may be silent; asked twice, it is given up within 15 seconds."""
FUNCTION_TRIES = 240.0
"""Seconds without a letter that is back, after which a function counts as done: Lambda tries again after one minute and after two
more, and only then writes a letter (https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html)."""
MOST_ASKED_FOR = 1_000
"""Letters of a step up to which the ledger is asked for each, at every look."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """What a look through a queue found. `views` match the filters, closest to expiry first; `refused`: letters that SQS did not
    give back, and `refusal` why, where it said; `faults`: why a message could not be read, by id.
    """

    views: tuple[View, ...]
    scanned: int
    expected: int
    complete: bool
    refused: int = 0
    refusal: str = ""
    faults: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Open:
    """One dead-letter queue, opened."""

    info: QueueInfo
    origin: Origin
    box: Box
    clients: Clients


@dataclass(frozen=True, slots=True)
class Desk:
    """The tools of one command; `now` is the wall clock in epoch seconds."""

    settings: ReplaySettings
    catalog: Catalog
    environment: Mapping[str, str]
    now: Callable[[], float]

    @asynccontextmanager
    async def open(self, info: QueueInfo, origin: Origin) -> AsyncIterator[Open]:
        async with Clients(self.environment, silence=self.settings.dlq_last_look_seconds + SILENCE) as clients:
            sqs = await clients.open("sqs", attempts=2)
            box = self._box(sqs, info)
            try:
                yield Open(info, origin, box, clients)
            except OwnPolicy as error:
                if error.url:
                    self.spent.note(self.catalog.queue(error.url))
                raise

    @property
    def spent(self) -> Spent:
        return Spent(self.settings.state_directory)

    async def inventory(
        self, opened: Open, filters: Filters, *, payload: bool = False, meet: Callable[[DeadLetter], None] | None = None
    ) -> Inventory:
        """Read the whole queue and give everything back; payloads are dropped unless they are asked for, so that what
        is kept of a letter does not grow with its body. `meet` sees each that matches, once, whole.
        """
        now = self.now()

        def keep(letter: DeadLetter) -> View | None:
            seen = view(letter, retention=opened.info.retention, origin=opened.origin, now=now)
            if not matches(seen, filters):
                return None
            if meet is not None:
                meet(letter)
            return seen if payload else seen.without_payload()

        found = await browse(
            opened.box, keep, visibility=hidden_for(opened.info), last_look=self.settings.dlq_last_look_seconds
        )
        views = selected(found.found.values(), filters)
        return Inventory(
            tuple(views), found.seen, found.expected, found.complete, found.refused, found.refusal, found.faults
        )

    async def post(self, opened: Open, destinations: Mapping[str, str]) -> SqsPost:
        """Sends to these ARNs, whose queues have these URLs; one attempt, for what is sent again has to be counted."""
        functions = partial(opened.clients.open, "lambda", attempts=1)
        return SqsPost(await opened.clients.open("sqs", attempts=1), urls=destinations, functions=functions)

    async def sights(self, opened: Open, plan: Plan, urls: Mapping[str, str]) -> Sights:
        """Looks after the canaries of a plan. Raises OwnPolicy where a dead-letter queue may not be looked into."""
        table = self.settings.ledger_table_name
        return Sights(
            desk=self,
            opened=opened,
            plan=plan,
            urls=urls,
            elsewhere=await self._elsewhere(opened, urls) if plan.canary else (),
            sqs=await opened.clients.open("sqs"),
            ledger=await opened.clients.open("dynamodb") if table else None,
        )

    async def _elsewhere(self, opened: Open, urls: Mapping[str, str]) -> tuple[Watched, ...]:
        """The dead-letter queues of the destinations, where what was sent dies if it was not sent home."""
        targets = {self.catalog.queue(url).redrives_to for url in urls.values()} - {"", opened.info.arn}
        infos = [self.catalog.queue(each) for each in sorted(targets)]
        for info in infos:
            self.spent.check(info)
        client = await opened.clients.open("sqs")
        return tuple(Watched(self._box(client, each), each) for each in infos)

    def _box(self, client: SQSClient, info: QueueInfo) -> SqsBox:
        allowed, key = own_policy.receives_allowed(info), known_key(self.settings)
        return SqsBox(client, url=info.url, own_policy=allowed, seal_key=key)

    def settle(self, *, functions: bool) -> float:
        """Seconds that destinations must stay empty; a function cannot be seen empty, and gets the time for its own tries."""
        if (given := self.settings.dlq_settle_seconds) is not None:
            return given
        return FUNCTION_TRIES if functions else 60.0 if ".amazonaws.com" in self.catalog.endpoint else 2.0

    async def expand(self, opened: Open, letter: DeadLetter) -> list[Parcel]:
        """The records that a pointer letter points to."""
        judged = standing(letter, now=datetime.fromtimestamp(self.now(), UTC), origin=opened.origin)
        if judged.pointer is None or not judged.replayable:
            return []
        client = await opened.clients.open("dynamodbstreams")
        return await stream_records.records(client, judged.pointer, letter_id=letter.id)


@dataclass(frozen=True, slots=True)
class Watched:
    """A dead-letter queue in which what was sent may be back."""

    box: Box
    info: QueueInfo


@dataclass(slots=True)
class Sights:
    """One look after another at what became of a step."""

    desk: Desk
    opened: Open
    plan: Plan
    urls: Mapping[str, str]
    sqs: SQSClient
    ledger: DynamoDBClient | None
    elsewhere: tuple[Watched, ...] = ()
    looks: int = 0
    letters: int = -1
    old: set[str] | None = None
    finished: set[str] = field(default_factory=set)
    seen: dict[str, int] = field(default_factory=dict)
    """Letters, by ARN, at the last look into a queue with a redrive policy of its own."""

    async def remember(self) -> None:
        """Before anything is sent: letters with the key of a planned one, which are here and did not come back. How many there
        are does not tell: a planned one may have gone. Where nothing is watched, nobody has to look.
        """
        self.old = old = set[str]()
        if not self.plan.canary and self.plan.watch <= 0:
            return
        keys, planned = {each.key for each in self.plan.letters}, {each.id for each in self.plan.letters}

        def look(letter: DeadLetter) -> None:
            if letter.key in keys and letter.id not in planned:
                old.add(letter.id)

        await self._browse(look)

    async def __call__(self, ids: frozenset[str]) -> Sight:
        done = await self._done(ids)
        quiet = await self._quiet()
        self.looks += 1
        letters = sum(await self.opened.box.count())
        looking = letters <= FEW or self.elsewhere or self.looks % 10 == 0 or (quiet and letters != self.letters)
        if not looking:  # nothing came since all of them were looked through
            return Sight(done, frozenset(), quiet)
        self.letters = letters
        return Sight(done, await self._returned(ids), quiet)

    async def _quiet(self) -> bool:
        """Whether the queues among the destinations are empty; a function has none, and `Desk.settle` waits longer for it."""
        return all([await counted(self.sqs, url) == (0, 0) for url in self.urls.values()])

    async def _returned(self, ids: frozenset[str]) -> frozenset[str]:
        by_key = {each.key: each.id for each in self.plan.letters if each.id in ids}
        planned = {each.id for each in self.plan.letters}
        back: set[str] = set()

        def look(letter: DeadLetter) -> None:
            lineage = lineage_of(letter)
            if lineage.get("plan_id") == self.plan.plan_id:
                back.add(str(lineage.get("replayed_from")))
            elif self.old is not None and not lineage and letter.key in by_key and letter.id not in planned | self.old:
                back.add(by_key[letter.key])

        await self._browse(look)
        return frozenset(back & ids)

    async def _browse(self, look: Callable[[DeadLetter], None]) -> None:
        settings = self.desk.settings
        for place in (Watched(self.opened.box, self.opened.info), *self.elsewhere):
            if (
                place.info.redrives_to
            ):  # a look is a receive that its own policy counts: only where something came or went
                letters = sum(await place.box.count())
                if self.seen.get(place.info.arn) == letters:
                    continue
                self.seen[place.info.arn] = letters
            await browse(place.box, look, visibility=hidden_for(place.info), last_look=settings.dlq_last_look_seconds)

    async def _done(self, ids: frozenset[str]) -> frozenset[str]:
        """What workers wrote down: `dead_letter.done_mark` of each letter, in the ledger. A step of very many is not asked
        for: there only the queues tell.
        """
        if self.ledger is None or len(ids) > MOST_ASKED_FOR:
            return frozenset()
        for each in sorted(ids - self.finished):
            mark = dead_letter.done_mark(self.plan.plan_id, each)
            table = self.desk.settings.ledger_table_name
            answer: Any = await self.ledger.get_item(TableName=table, Key={"key": {"S": mark}}, ConsistentRead=True)
            if answer.get("Item", {}).get("state", {}).get("S") == "DONE":
                self.finished.add(each)
        return ids & self.finished


def hidden_for(info: QueueInfo) -> int:
    """Seconds that a letter is hidden while the queue is read: the bound after a kill -9."""
    return bound(info.visible + info.in_flight)
