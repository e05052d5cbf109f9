"""What a message costs in AWS calls, units and bytes: each number may fall, and none may rise unseen."""

import pytest

from tests.aws import Aws
from tests.bench.units.bursts import BURSTS
from tests.bench.units.limits import most, prices, risen, table
from tests.bench.units.sizes import index_units, item_bytes, requests, write_units
from tests.bench.units.stories import AUDIT_ROW, STORIES, ground
from tests.bench.units.tally import Tally, dollars


@pytest.mark.parametrize("name", STORIES)
async def test_a_message_costs_no_more_than_before(aws: Aws, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    on = ground(aws)
    for variable, value in on.environment.items():
        monkeypatch.setenv(variable, value)
    assert risen((await STORIES[name](on)).per_message(), most()[name]) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", BURSTS)
async def test_a_burst_takes_no_more_sqs_calls_than_before(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    found: list[list[str]] = []
    for _ in range(3):  # on a busy machine a burst comes apart into more receives: what it takes at best is the code's
        on = ground(aws)
        for variable, value in on.environment.items():
            monkeypatch.setenv(variable, value)
        found.append(risen(await BURSTS[name](on), most()[name]))
        if not found[-1]:
            return
    pytest.fail(f"each of three bursts took more: {found}")


def test_what_rose_is_named_and_what_fell_is_not() -> None:
    assert risen({"base": 2, "GetItem": 1}, {"base": 1, "GetItem": 2}) == ["base: 2, 1 at most"]
    assert risen({"Scan": 1}, {}) == ["Scan: 1, 0 at most"]
    assert risen({"sent": 104}, {"sent": 100}) == []


def test_a_row_of_a_kilobyte_is_one_unit_and_one_byte_more_is_two() -> None:
    row = {"k": {"S": "v" * 1023}}
    assert item_bytes(row) == 1024
    assert write_units({}, row) == 1
    assert write_units(row, {"k": {"S": "v" * 1024}}) == 2


def test_an_index_costs_what_changes_in_it() -> None:
    key = {"GSI1PK": {"S": "a"}, "GSI1SK": {"S": "b"}}
    assert index_units({}, {"a": {"N": "1"}}) == 0
    assert index_units({}, key) == index_units(key, {}) == 1
    assert index_units(key, key | {"a": {"N": "1"}}) == 1
    assert index_units(key, key) == 0
    assert index_units(key, key | {"GSI1SK": {"S": "c"}}) == 2


def test_a_transaction_costs_twice_a_refusal_costs_its_table_and_the_ledger_has_no_archive() -> None:
    tally, row = Tally(), {"k": {"S": "v"}}
    tally.wrote("rows", "TransactWriteItems", {}, row, price=2)
    tally.refused("rows", "PutItem", row)
    tally.wrote("ledger", "PutItem", {}, row)
    assert tally.per_message() == {"base": 4, "changes": 1}
    assert [*tally.of(2).places()] == [
        "ledger, PutItem: 0.5 base",
        "rows, PutItem: 0.5 base",
        "rows, TransactWriteItems: 1 base",
        "rows, TransactWriteItems: 0.5 changes",
    ]


def test_a_large_batch_to_sqs_is_several_requests() -> None:
    assert [requests(size) for size in (0, 65_536, 65_537)] == [1, 1, 2]


def test_a_million_is_priced_by_what_each_costs() -> None:
    found = {"base": 2, "index": 1, "changes": 2, "reads": 1, "PutEvents": 1, "UpdateItem": 2}
    assert dollars(found, prices()["dollars_per_million"], audit_row=0.5) == pytest.approx(4 * 0.625 + 0.125 + 1.0)


def test_the_table_has_a_line_for_each_message() -> None:
    lines = [*table(most())]
    assert len(lines) == 3 + len(most())
    assert AUDIT_ROW in most()
