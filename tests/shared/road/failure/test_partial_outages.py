"""A dependency that answers some calls and fails others: writes of one table, a ledger with another key, entries of a batch."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from structlog.testing import capture_logs

from shared.backoff import Backoff
from shared.road.failure.breakers import LONGEST_PROBE, OPENS_AT, Breakers
from shared.road.ledger import LEDGER, DynamoDbLedger
from shared.sqs.sender import NotSent
from tests.fakes_ledger import FakeLedger
from tests.shared.rig import Rig
from tests.virtual_time import clock, virtual

READ, WRITE = "GetItem rows", "PutItem rows"
HOUR = 3_600.0


def answered(code: str, status: int = 400) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "PutItem")  # type: ignore[typeddict-item]  # the rest is not looked at


class Table:
    """Reads succeed; writes fail while `fails`. It tells the breakers what came of each call, as a client does."""

    def __init__(self, breakers: Breakers) -> None:
        self.breakers = breakers
        self.fails = True
        self.writes = 0

    async def read(self) -> None:
        self.breakers.succeeded("dynamodb", call=READ)

    async def write(self) -> None:
        self.writes += 1
        if self.fails:
            self.breakers.failed("dynamodb", code="ThrottlingException", call=WRITE)
            raise answered("ThrottlingException")
        self.breakers.succeeded("dynamodb", call=WRITE)


async def writes(table: Table) -> None:
    await table.write()


async def reads_and_writes(table: Table) -> None:
    await table.read()
    await table.write()


@pytest.mark.guarantee("R1")
@pytest.mark.guarantee("R9")
@pytest.mark.parametrize("work", [writes, reads_and_writes])
def test_writes_that_fail_beside_reads_that_succeed_are_an_outage_like_any_other(
    work: Callable[[Table], Awaitable[None]],
) -> None:
    async def story() -> None:
        breakers = Breakers(clock=clock, dice=lambda: 0.5)
        table = Table(breakers)
        rig = Rig(lambda _body: work(table), breakers=breakers, ledger=FakeLedger())
        stored = rig.queue.put(*(f"b{number}" for number in range(200)))
        with capture_logs() as lines:
            await rig.runs_for(6)
            reading = asyncio.create_task(looks_every_five_seconds(table))
            await asyncio.sleep(HOUR)
        told = [each["event"] for each in lines]
        assert (told.count("dependency_down"), told.count("dependency_back")) in {(1, 0), (2, 1)}, "it is not back"
        assert rig.poller.missing == ["dynamodb: throttles (ThrottlingException)"]
        assert (rig.queue.letters, rig.ended) == ([], [])
        assert sum(each.receipts for each in stored) <= 20, "what is in hand waits there, the rest in the queue"
        assert table.writes <= HOUR / LONGEST_PROBE * 1.5 + 100, "one probe at a time"
        table.fails = False
        await asyncio.sleep(LONGEST_PROBE + 5)
        assert len(rig.ended) == 200
        assert rig.poller.missing == []
        reading.cancel()
        await rig.drains()

    virtual(story())


async def looks_every_five_seconds(table: Table) -> None:
    while True:
        await table.read()
        await asyncio.sleep(5)


def test_calls_of_many_kinds_that_fail_now_and_then_open_no_breaker() -> None:
    breakers = Breakers(clock=lambda: 0.0)
    for number in range(10 * OPENS_AT):
        breakers.failed("dynamodb", code="InternalServerError", call=f"call {number}")
        breakers.succeeded("dynamodb", call=READ)
    assert not breakers.open


def test_what_nobody_tries_any_more_keeps_no_breaker_open() -> None:
    now = 0.0
    breakers = Breakers(clock=lambda: now)
    for _ in range(OPENS_AT):
        breakers.failed("dynamodb", code="InternalServerError", call=WRITE)
        breakers.succeeded("dynamodb", call=READ)
    assert breakers.open
    now = 2 * LONGEST_PROBE + 1
    breakers.succeeded("dynamodb", call=READ)
    assert not breakers.open


class Refusing:
    """A DynamoDB client whose calls are all said to be wrong, while `refuses`."""

    class exceptions:  # noqa: N801  # as botocore spells it
        class ConditionalCheckFailedException(Exception):
            """Never raised."""

    def __init__(self) -> None:
        self.refuses = True

    def __getattr__(self, _name: str) -> Any:
        async def call(**_asked: Any) -> dict[str, Any]:
            if self.refuses:
                raise answered("ValidationException")
            return {"Attributes": {"runs": {"N": "1"}}}

        return call


@pytest.mark.guarantee("R1")
@pytest.mark.guarantee("K8")
def test_a_ledger_that_says_of_every_call_that_it_is_wrong_is_an_outage_and_no_fault_of_the_messages() -> None:
    async def story() -> None:
        breakers = Breakers(clock=clock, dice=lambda: 0.5)
        client: Any = Refusing()
        ledger = DynamoDbLedger(
            client,
            table="ledger",
            refused=lambda code: breakers.failed("dynamodb", code=code, call=LEDGER),
            answered=lambda: breakers.succeeded("dynamodb", call=LEDGER),
        )
        rig = Rig(at_once, breakers=breakers, ledger=ledger, key=lambda body: body)
        stored = rig.queue.put(*(f"b{number}" for number in range(100)))
        await rig.runs_for(1)
        for _ in range(120):  # its calls are answered, all the same
            breakers.succeeded("dynamodb", call=READ)
            await asyncio.sleep(5)
        assert rig.poller.missing == ["dynamodb: refuses (ValidationException)"]
        assert (rig.queue.letters, rig.started) == ([], [])
        assert sum(each.receipts for each in stored) <= 10
        client.refuses = False
        await asyncio.sleep(LONGEST_PROBE + 5)
        assert len(rig.ended) == 100
        await rig.drains()

    virtual(story())


async def at_once(_body: str) -> None:
    """Work that takes no time."""


class Down(FakeLedger):
    async def count(self, key: str, *, by: int, now: float, keep: float) -> int:
        raise ConnectionError


@pytest.mark.guarantee("R2")
def test_a_message_that_fails_while_its_runs_cannot_be_counted_is_hidden_longer_each_time_all_the_same() -> None:
    async def story() -> None:
        async def failing(_body: str) -> None:
            raise LookupError

        rig = Rig(failing, ledger=Down(), backoff=Backoff())
        [stored] = rig.queue.put("a")
        await rig.runs_for(2 * HOUR)
        assert rig.queue.letters == []
        assert stored.receipts <= 15, "a network that is gone, the ledger with it, must not use up a hundred receipts"
        await rig.drains()

    virtual(story())


@pytest.mark.parametrize(
    ("codes", "letters"), [(["RequestThrottled"], 0), (["InternalError"], 0), (["InvalidMessageContents"], 1)]
)
def test_messages_that_a_queue_refuses_inside_a_success_are_the_queues_trouble_unless_they_are_at_fault(
    codes: list[str], letters: int
) -> None:
    async def story() -> None:
        async def sending(_body: str) -> None:
            raise NotSent("orders", codes)

        rig = Rig(sending, ledger=FakeLedger(), backoff=Backoff(base=1, factor=1))
        rig.queue.put("a")
        await rig.runs_for(600)
        assert len(rig.queue.letters) == letters
        await rig.drains()

    virtual(story())


@pytest.mark.parametrize(
    ("code", "refused"),
    [("AccessDenied", 2), ("AccessDenied", 12), ("KMS.DisabledException", 1), ("KMS.DisabledException", 12)],
)
def test_objects_that_are_refused_do_not_keep_others_from_being_the_probe(code: str, refused: int) -> None:
    breakers = Breakers(clock=clock, dice=lambda: 0.5)

    async def read(body: str) -> None:
        if body.startswith("secret"):
            breakers.failed("s3", code=code, call="GetObject")
            raise answered(code, 403)
        breakers.succeeded("s3", call="GetObject")

    async def story() -> None:
        rig = Rig(read, breakers=breakers, ledger=FakeLedger(), concurrency=10)
        rig.queue.put(*(f"secret {number}" for number in range(refused)))
        await rig.runs_for(60)
        rig.queue.put("open", "open too")
        await rig.runs_for(200)
        assert sorted(rig.ended) == ["open", "open too"]
        assert rig.queue.letters == [], "a dead letter cannot mend a permission"
        await rig.drains()

    virtual(story())
