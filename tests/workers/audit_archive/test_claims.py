"""Claims by page, in memory and on the emulator, at the same tests: an event's claim stands in one place, whatever races."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.aws import Aws
from tests.examples import examples
from tests.workers.audit_archive.fakes import NOON, FakeItems
from workers.audit_archive.rules import object_key
from workers.audit_archive.store.claims import KEPT_SECONDS, LEASE, Claim, Claims, PagedClaims
from workers.audit_archive.store.full import FullItems
from workers.audit_archive.store.items import DynamoDbItems

Result = TypeVar("Result")

PAGE = "111122223333/eu-central-1/fleet-sessions-dev#1795262400"
FOLDER = "table=fleet-sessions-dev/year=2026/month=11/day=21/hour=12"


def claim(token: int, content: bytes = b"abcdef") -> Claim:
    at = NOON + timedelta(milliseconds=token)
    return Claim(object_key(FOLDER, at=at, token=f"{token:016x}"), at.timestamp() + LEASE, content)


def of(*identities: str, token: int = 1) -> dict[str, Claim]:
    return {identity: claim(token) for identity in identities}


def objects(claims: Mapping[str, Claim]) -> dict[str, str]:
    return {identity: each.object for identity, each in claims.items()}


@pytest.fixture(params=["memory", "emulator"])
async def claims(request: pytest.FixtureRequest) -> AsyncIterator[Claims]:
    if request.param == "memory":
        yield PagedClaims(FakeItems(), at_once=2)
        return
    aws: Aws = request.getfixturevalue("aws")
    async with aws.open("dynamodb") as client:
        yield PagedClaims(DynamoDbItems(client, table=aws.table_like("ledger"), full=3), at_once=2)


async def test_the_first_claim_of_an_event_stands_as_it_was_made(claims: Claims) -> None:
    assert objects(await claims.put(of("e1", "e2"), page=PAGE)) == objects(of("e1", "e2"))
    found = await claims.put(of("e1", "e3", token=2), page=PAGE)
    assert objects(found) == objects(of("e1") | of("e3", token=2))
    assert found["e1"].until == claim(1).until
    assert found["e1"].content == b"abcdef"


async def test_a_page_that_is_full_goes_on_and_an_event_has_its_place_in_one_item_of_it(claims: Claims) -> None:
    names = [f"e{number}" for number in range(11)]
    first = await claims.put(of(*names), page=PAGE)
    assert len({each.place for each in first.values()}) > 2
    again = await claims.put(of(*reversed(names), "e11", token=2), page=PAGE)
    assert {name: each.place for name, each in again.items() if name != "e11"} == {
        name: each.place for name, each in first.items()
    }
    assert objects(again) == objects(of(*names) | of("e11", token=2))


async def test_a_full_item_is_asked_again_only_for_the_events_that_it_holds() -> None:
    asked: list[str] = []

    async def counted(call: str, key: str, effect: Callable[[], Result]) -> Result:
        asked.append(key.rpartition("#")[2])
        return effect()

    claims = PagedClaims(FakeItems().over(counted), at_once=2)
    first = await claims.put(of(*(f"e{number}" for number in range(40))), page=PAGE)
    asked.clear()
    await claims.put(of("e40", token=2), page=PAGE)
    assert len(asked) <= 2  # of fourteen items
    asked.clear()
    again = await claims.put(of("e3", "e20", token=3), page=PAGE)
    assert objects(again) == objects(of("e3", "e20"))
    assert [f"audit-page#{PAGE}#{number}" for number in asked] == [first["e3"].place, first["e20"].place]


def test_full_items_are_forgotten_by_page_and_a_page_without_room_is_not_begun() -> None:
    full = FullItems(most=4)
    full.learn("a", 0, ["a1", "a2", "a3"])
    full.learn("a", 1, ["a4", "a5"])
    assert (full.first("a", "a2"), full.first("a", "a4"), full.first("a", "a9")) == (0, 1, 1)
    full.learn("b", 1, ["b1"])  # the one before it was not met
    full.learn("c", 0, ["c1", "c2", "c3", "c4", "c5"])
    assert (full.first("b", "b1"), full.first("c", "c9")) == (0, 0)
    full.learn("b", 0, ["b1", "b2"])
    assert (full.first("a", "a9"), full.first("b", "b9")) == (0, 1)


async def test_an_event_of_another_page_is_another_event(claims: Claims) -> None:
    await claims.put(of("e1"), page=PAGE)
    assert objects(await claims.put(of("e1", token=2), page="gap#ab")) == objects(of("e1", token=2))


async def test_of_many_claims_at_once_one_stands(claims: Claims) -> None:
    said = await asyncio.gather(*(claims.put(of("e1", "e2", token=number), page=PAGE) for number in range(8)))
    assert len({tuple(sorted(objects(each).items())) for each in said}) == 1


async def test_claims_are_taken_over_only_from_the_objects_they_name(claims: Claims) -> None:
    first = await claims.put(of("e1", "e2"), page=PAGE)
    (place,) = {each.place for each in first.values()}
    second = await claims.replace(of("e1", token=2), instead_of=first, place=place)
    assert objects(second) == objects(of("e1", token=2))
    third = await claims.replace(of("e1", "e2", token=3), instead_of=first, place=place)
    assert objects(third) == objects(of("e1", token=2) | of("e2", token=3))
    assert objects(await claims.put(of("e1", "e2", token=4), page=PAGE)) == objects(third)


async def test_a_claim_that_is_gone_cannot_be_taken_over(claims: Claims) -> None:
    with pytest.raises(LookupError):
        await claims.replace(of("e1", token=2), instead_of=of("e1"), place=f"audit-page#{PAGE}#0")


async def test_a_hundred_events_are_claimed_by_one_call_of_four_units_and_forget_themselves(aws: Aws) -> None:
    table = aws.table_like("ledger")
    names = [f"111122223333/eu-central-1/fleet-sessions-dev#{number}#{'e' * 32}" for number in range(100)]
    async with aws.open("dynamodb") as client:
        calls: list[int] = []
        client.meta.events.register("before-call.dynamodb.*", lambda **_event: calls.append(1))
        await PagedClaims(DynamoDbItems(client, table=table)).put(of(*names), page=PAGE)
    assert len(calls) == 1
    item = aws.dynamodb.get_item(TableName=table, Key={"key": {"S": f"audit-page#{PAGE}#0"}})["Item"]
    assert item["expiresAt"] == {"N": str(int(claim(1).until) + KEPT_SECONDS)}
    assert item["filled"] == {"N": "100"}
    assert _bytes(item) <= 4096  # 0.04 units for each


def _bytes(item: Mapping[str, Mapping[str, Any]]) -> int:
    """As DynamoDB counts: names and values. https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html"""
    return sum(len(name) + len(next(iter(value.values()))) for name, value in item.items())


@settings(max_examples=examples(300), deadline=None)
@given(st.data())
def test_no_event_has_two_claims_however_calls_cross(data: st.DataObject) -> None:
    """Several callers' calls to the ledger in any order; each hears of one and the same claim for an event, whoever made it."""

    async def run() -> None:
        order: list[asyncio.Event] = []
        items = FakeItems(full=data.draw(st.integers(1, 4)))

        async def held_up(call: str, key: str, effect: Callable[[], Result]) -> Result:
            turn = asyncio.Event()
            order.append(turn)
            await turn.wait()
            return effect()

        names = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=6, unique=True)
        callers = [
            asyncio.create_task(
                PagedClaims(items.over(held_up), at_once=2).put(of(*data.draw(names), token=number), page=PAGE)
            )
            for number in range(1, 4)
        ]
        while not all(each.done() for each in callers):
            await asyncio.sleep(0)
            if order:
                order.pop(data.draw(st.integers(0, len(order) - 1))).set()
                for _ in range(3):
                    await asyncio.sleep(0)
        said: dict[str, set[str]] = {}
        for caller in callers:
            for name, each in caller.result().items():
                said.setdefault(name, set()).add(each.object)
        assert all(len(every) == 1 for every in said.values())
        entries = [name for held, _ in items.held.values() for name in held]
        assert len(entries) == len(set(entries)) == len(said)

    asyncio.run(run())
