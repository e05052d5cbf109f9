"""The contract of a ledger: the fake of the tests and the table in DynamoDB keep the same one."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from shared.road.ledger import AlreadyDone, Busy, Claimed, DynamoDbLedger, Ledger, Reused
from tests.aws import Aws
from tests.fakes_ledger import FakeLedger

NOW = 1_800_000_000.0
FORTNIGHT = 15 * 86_400.0


@pytest.fixture(params=["fake", "dynamodb"])
async def ledger(request: pytest.FixtureRequest) -> AsyncIterator[Ledger]:
    if request.param == "fake":
        yield FakeLedger()
        return
    aws: Aws = request.getfixturevalue("aws")
    async with aws.open("dynamodb") as client:
        yield DynamoDbLedger(client, table=aws.table("key", label="ledger"))


async def test_a_free_key_is_claimed(ledger: Ledger) -> None:
    assert await ledger.claim("k", owner="a", now=NOW, lease=60, fingerprint="f") == Claimed()


async def test_a_claimed_key_is_busy_for_the_rest_of_the_lease(ledger: Ledger) -> None:
    await ledger.claim("k", owner="a", now=NOW, lease=60, fingerprint="f")
    assert await ledger.claim("k", owner="b", now=NOW + 20, lease=60, fingerprint="f") == Busy(seconds=40)


async def test_a_claim_repeated_by_its_owner_is_the_same_claim(ledger: Ledger) -> None:
    await ledger.claim("k", owner="a", now=NOW, lease=60, fingerprint="f")
    assert await ledger.claim("k", owner="a", now=NOW + 1, lease=60, fingerprint="f") == Claimed()
    assert await ledger.claim("k", owner="b", now=NOW + 1, lease=60, fingerprint="f") == Busy(seconds=60)


async def test_a_lease_is_over_at_the_second_it_ends(ledger: Ledger) -> None:
    await ledger.claim("k", owner="a", now=NOW, lease=60, fingerprint="f")
    assert await ledger.claim("k", owner="b", now=NOW + 60, lease=60, fingerprint="f") == Claimed()


async def test_a_lease_of_fractions_is_kept_to_the_millisecond(ledger: Ledger) -> None:
    await ledger.claim("k", owner="a", now=NOW + 0.25, lease=0.5, fingerprint="f")
    held = await ledger.claim("k", owner="b", now=NOW + 0.5, lease=60, fingerprint="f")
    assert isinstance(held, Busy)
    assert held.seconds == pytest.approx(0.25, abs=0.002)


async def test_completed_work_is_already_done_for_everybody(ledger: Ledger) -> None:
    await ledger.claim("k", owner="a", now=NOW, lease=60, fingerprint="f")
    assert await ledger.complete("k", owner="a", now=NOW + 5, keep=FORTNIGHT)
    assert await ledger.claim("k", owner="b", now=NOW + 6, lease=60, fingerprint="f") == AlreadyDone()
    assert await ledger.claim("k", owner="a", now=NOW + 600, lease=60, fingerprint="f") == AlreadyDone()


async def test_completed_work_is_forgotten_when_its_time_is_over(ledger: Ledger) -> None:
    await ledger.claim("k", owner="a", now=NOW, lease=60, fingerprint="f")
    await ledger.complete("k", owner="a", now=NOW, keep=100)
    assert await ledger.claim("k", owner="b", now=NOW + 99, lease=60, fingerprint="f") == AlreadyDone()
    assert await ledger.claim("k", owner="b", now=NOW + 101, lease=60, fingerprint="f") == Claimed()


async def test_work_completes_once_and_its_first_result_stays(ledger: Ledger) -> None:
    await ledger.claim("k", owner="a", now=NOW, lease=60, fingerprint="f")
    assert await ledger.complete("k", owner="a", now=NOW, keep=FORTNIGHT, result="1")
    assert await ledger.complete("k", owner="a", now=NOW, keep=1, result="2"), "its own mark, whose answer was lost"
    assert not await ledger.complete("k", owner="b", now=NOW, keep=FORTNIGHT, result="3")
    assert await ledger.claim("k", owner="b", now=NOW + 2, lease=60, fingerprint="f") == AlreadyDone("1")


async def test_a_result_is_given_back_to_whoever_asks_later(ledger: Ledger) -> None:
    result = '{"receipt": "ü", "filler": "' + "x" * 32_000 + '"}'
    await ledger.claim("k", owner="a", now=NOW, lease=60, fingerprint="f")
    await ledger.complete("k", owner="a", now=NOW, keep=FORTNIGHT, result=result)
    assert await ledger.claim("k", owner="a", now=NOW + 1, lease=60, fingerprint="f") == AlreadyDone(result)
    assert await ledger.claim("k", owner="b", now=NOW + 1, lease=60, fingerprint="f") == AlreadyDone(result)


async def test_completed_work_knows_another_payload_under_its_key(ledger: Ledger) -> None:
    await ledger.claim("k", owner="a", now=NOW, lease=60, fingerprint="f")
    await ledger.complete("k", owner="a", now=NOW, keep=100, result="1")
    assert await ledger.claim("k", owner="b", now=NOW + 99, lease=60, fingerprint="g") == Reused()
    assert await ledger.claim("k", owner="a", now=NOW + 99, lease=60, fingerprint="g") == Reused()
    assert await ledger.claim("k", owner="b", now=NOW + 99, lease=60, fingerprint="f") == AlreadyDone("1")


async def test_another_payload_waits_for_the_end_of_work_that_is_going_on(ledger: Ledger) -> None:
    await ledger.claim("k", owner="a", now=NOW, lease=60, fingerprint="f")
    assert await ledger.claim("k", owner="b", now=NOW + 1, lease=60, fingerprint="g") == Busy(seconds=59)
    await ledger.complete("k", owner="a", now=NOW + 2, keep=FORTNIGHT)
    assert await ledger.claim("k", owner="b", now=NOW + 3, lease=60, fingerprint="g") == Reused()


async def test_after_work_that_failed_a_mended_payload_may_be_done_under_its_key(ledger: Ledger) -> None:
    await ledger.claim("k", owner="a", now=NOW, lease=60, fingerprint="f")
    await ledger.release("k", owner="a")
    assert await ledger.claim("k", owner="b", now=NOW + 1, lease=60, fingerprint="g") == Claimed()
    assert await ledger.complete("k", owner="b", now=NOW + 2, keep=FORTNIGHT)
    assert await ledger.claim("k", owner="c", now=NOW + 3, lease=60, fingerprint="f") == Reused()


async def test_whoever_takes_over_from_a_dead_holder_brings_a_payload_of_its_own(ledger: Ledger) -> None:
    await ledger.claim("k", owner="dead", now=NOW, lease=60, fingerprint="f")
    assert await ledger.claim("k", owner="b", now=NOW + 60, lease=60, fingerprint="g") == Claimed()
    await ledger.complete("k", owner="b", now=NOW + 61, keep=FORTNIGHT)
    assert await ledger.claim("k", owner="c", now=NOW + 62, lease=60, fingerprint="f") == Reused()
    assert await ledger.claim("k", owner="c", now=NOW + 62, lease=60, fingerprint="g") == AlreadyDone()


async def test_a_forgotten_key_is_free_for_another_payload_and_has_no_result_any_more(ledger: Ledger) -> None:
    await ledger.claim("k", owner="a", now=NOW, lease=60, fingerprint="f")
    await ledger.complete("k", owner="a", now=NOW, keep=100, result="1")
    assert await ledger.claim("k", owner="b", now=NOW + 101, lease=60, fingerprint="g") == Claimed()
    await ledger.complete("k", owner="b", now=NOW + 102, keep=100)
    assert await ledger.claim("k", owner="c", now=NOW + 103, lease=60, fingerprint="g") == AlreadyDone("")


async def test_an_owner_that_was_slow_but_not_replaced_may_still_complete(ledger: Ledger) -> None:
    await ledger.claim("k", owner="a", now=NOW, lease=60, fingerprint="f")
    assert await ledger.complete("k", owner="a", now=NOW + 90, keep=FORTNIGHT)


@pytest.mark.guarantee("K7")
async def test_an_owner_that_was_replaced_cannot_complete(ledger: Ledger) -> None:
    await ledger.claim("k", owner="a", now=NOW, lease=60, fingerprint="f")
    await ledger.claim("k", owner="b", now=NOW + 61, lease=60, fingerprint="f")
    assert not await ledger.complete("k", owner="a", now=NOW + 62, keep=FORTNIGHT)
    assert await ledger.complete("k", owner="b", now=NOW + 63, keep=FORTNIGHT)


async def test_nobody_completes_what_nobody_claimed(ledger: Ledger) -> None:
    assert not await ledger.complete("k", owner="a", now=NOW, keep=FORTNIGHT)
    assert await ledger.claim("k", owner="b", now=NOW, lease=60, fingerprint="f") == Claimed()


async def test_a_released_key_is_free_at_once(ledger: Ledger) -> None:
    await ledger.claim("k", owner="a", now=NOW, lease=60, fingerprint="f")
    await ledger.release("k", owner="a")
    assert await ledger.claim("k", owner="b", now=NOW + 1, lease=60, fingerprint="f") == Claimed()


@pytest.mark.guarantee("K7")
async def test_a_release_by_the_wrong_owner_changes_nothing(ledger: Ledger) -> None:
    await ledger.claim("k", owner="a", now=NOW, lease=60, fingerprint="f")
    await ledger.release("k", owner="b")
    assert await ledger.claim("k", owner="b", now=NOW + 1, lease=60, fingerprint="f") == Busy(seconds=59)


async def test_a_release_cannot_undo_completed_work(ledger: Ledger) -> None:
    await ledger.claim("k", owner="a", now=NOW, lease=60, fingerprint="f")
    await ledger.complete("k", owner="a", now=NOW, keep=FORTNIGHT)
    await ledger.release("k", owner="a")
    assert await ledger.claim("k", owner="b", now=NOW + 1, lease=60, fingerprint="f") == AlreadyDone()


async def test_a_release_of_nothing_is_not_an_error(ledger: Ledger) -> None:
    await ledger.release("k", owner="a")
    assert await ledger.claim("k", owner="a", now=NOW, lease=60, fingerprint="f") == Claimed()


async def test_what_is_noted_as_done_is_done_for_everybody(ledger: Ledger) -> None:
    await ledger.note("k", now=1_000.0, keep=60)
    assert await ledger.claim("k", owner="a", now=1_001.0, lease=30, fingerprint="f") == AlreadyDone()
    assert await ledger.claim("k", owner="b", now=1_001.0, lease=30, fingerprint="any") == AlreadyDone()


async def test_keys_do_not_know_each_other(ledger: Ledger) -> None:
    await ledger.claim("k", owner="a", now=NOW, lease=60, fingerprint="f")
    assert await ledger.claim("k2", owner="b", now=NOW, lease=60, fingerprint="f") == Claimed()


async def test_of_concurrent_claims_exactly_one_wins(ledger: Ledger) -> None:
    owners = [f"owner-{number}" for number in range(8)]
    answers = await asyncio.gather(
        *(ledger.claim("k", owner=each, now=NOW, lease=60, fingerprint="f") for each in owners)
    )
    assert answers.count(Claimed()) == 1
    assert answers.count(Busy(seconds=60)) == len(owners) - 1


async def test_of_concurrent_takeovers_exactly_one_wins(ledger: Ledger) -> None:
    await ledger.claim("k", owner="dead", now=NOW, lease=60, fingerprint="f")
    owners = [f"owner-{number}" for number in range(8)]
    answers = await asyncio.gather(
        *(ledger.claim("k", owner=each, now=NOW + 60, lease=60, fingerprint="f") for each in owners)
    )
    assert answers.count(Claimed()) == 1


async def test_the_table_can_forget_both_claims_and_done_work_by_their_time_to_live(aws: Aws) -> None:
    table = aws.table("key", label="ledger")
    async with aws.open("dynamodb") as client:
        ledger = DynamoDbLedger(client, table=table)
        await ledger.claim("claimed", owner="a", now=NOW, lease=60, fingerprint="f")
        await ledger.claim("done", owner="a", now=NOW, lease=60, fingerprint="f")
        await ledger.complete("done", owner="a", now=NOW, keep=FORTNIGHT)
    rows = {row["key"]["S"]: row for row in aws.dynamodb.scan(TableName=table)["Items"]}
    assert {key: int(row["expiresAt"]["N"]) for key, row in rows.items()} == {
        "claimed": int(NOW) + 60 + 86_400,
        "done": int(NOW + FORTNIGHT),
    }
    assert "claimedUntil" not in rows["done"]


async def test_a_claim_that_is_released_while_we_look_is_worth_another_try_at_once(aws: Aws) -> None:
    table = aws.table("key", label="ledger")
    async with aws.open("dynamodb") as client:
        ledger = DynamoDbLedger(client, table=table)
        await ledger.claim("k", owner="a", now=NOW, lease=60, fingerprint="f")

        async def released_just_now(**_: object) -> None:
            await ledger.release("k", owner="a")

        client.meta.events.register("before-call.dynamodb.GetItem", released_just_now)
        assert await ledger.claim("k", owner="b", now=NOW, lease=60, fingerprint="f") == Busy(seconds=0)
        assert await ledger.claim("k", owner="b", now=NOW, lease=60, fingerprint="f") == Claimed()


async def test_what_was_done_before_fingerprints_were_kept_is_done_whatever_its_payload(aws: Aws) -> None:
    table = aws.table("key", label="ledger")
    row = {"key": {"S": "k"}, "owner": {"S": "a"}, "state": {"S": "DONE"}, "expiresAt": {"N": str(int(NOW) + 60)}}
    aws.dynamodb.put_item(TableName=table, Item=row)
    async with aws.open("dynamodb") as client:
        ledger = DynamoDbLedger(client, table=table)
        assert await ledger.claim("k", owner="b", now=NOW, lease=60, fingerprint="f") == AlreadyDone()


@pytest.mark.guarantee("K7")
async def test_a_completion_whose_answer_was_lost_is_found_when_it_is_repeated(aws: Aws) -> None:
    async with aws.open("dynamodb") as client:
        ledger = DynamoDbLedger(client, table=aws.table("key", label="ledger"))
        await ledger.claim("k", owner="a", now=NOW, lease=60, fingerprint="f")
        lost = [True]

        async def lose_the_first(**_: object) -> None:
            if lost and lost.pop():
                raise ConnectionError("after the write")

        client.meta.events.register("after-call.dynamodb.UpdateItem", lose_the_first)
        with pytest.raises(ConnectionError):
            await ledger.complete("k", owner="a", now=NOW, keep=FORTNIGHT, result="1")
        assert await ledger.complete("k", owner="a", now=NOW, keep=FORTNIGHT, result="1")
