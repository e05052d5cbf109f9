"""Work with a key is done once: what its duplicates find, and what is kept for them."""

import asyncio
import errno
from typing import Any

import pytest
from structlog.testing import capture_logs

from shared.consumer import lay_road
from shared.outcome import Later, Reject
from shared.road.once import KEPT_SECONDS
from shared.road.ports import Ports
from tests.fakes import delivery
from tests.made import make_worker
from tests.shared.keyed import Stand, at_once, hangs, in_three_seconds, message
from tests.virtual_time import clock, virtual


def test_a_duplicate_of_done_work_leaves_and_runs_nothing() -> None:
    async def story() -> None:
        stand = Stand(at_once)
        road = stand.road()
        assert [await road.travel(message()) for _ in range(3)] == [True, True, True]
        assert stand.ran == ["a"]
        [row] = stand.ledger.rows.values()
        assert row.done_until == pytest.approx(clock() + KEPT_SECONDS)

    virtual(story())


def test_a_duplicate_is_given_what_the_handler_returned() -> None:
    async def story() -> None:
        duplicates: list[Any] = []

        async def again(event: dict[str, str], result: Any) -> None:
            duplicates.append((event["say"], result))

        stand = Stand(in_three_seconds)
        road = stand.road(on_duplicate=again)
        assert await road.travel(message())
        assert duplicates == [], "the first is not a duplicate"
        assert await road.travel(message())
        assert duplicates == [("a", "receipt of a")]

    virtual(story())


@pytest.mark.guarantee("K2")
@pytest.mark.parametrize(
    ("returned", "given"),
    [
        (None, None),
        ({"id": 1, "ok": [True, None]}, {"id": 1, "ok": [True, None]}),
        (("a", 2), ["a", 2]),
        ("", ""),
        (0, 0),
    ],
)
def test_a_result_comes_back_as_json_has_it(returned: object, given: object) -> None:
    async def story() -> None:
        results: list[Any] = []

        async def handle(_event: dict[str, str]) -> object:
            return returned

        async def again(_event: dict[str, str], result: Any) -> None:
            results.append(result)

        road = Stand(handle).road(on_duplicate=again)
        assert [await road.travel(message()), await road.travel(message())] == [True, True]
        assert results == [given]

    virtual(story())


@pytest.mark.guarantee("K2")
@pytest.mark.parametrize(
    ("returned", "why"),
    [
        ("ü" * 16_384, "a result of 32770 bytes is above the limit of 32768"),
        (object(), "a result of type object is not JSON"),
        ({1: "a"}, "a result of type dict is not JSON"),
        ("\ud800", "a result of type str is not JSON"),
    ],
)
def test_a_result_that_cannot_be_kept_is_told_and_costs_the_work_nothing(returned: object, why: str) -> None:
    async def story() -> None:
        async def handle(_event: dict[str, str]) -> object:
            return returned

        stand = Stand(handle)
        road = stand.road()
        with capture_logs() as lines:
            assert [await road.travel(message()), await road.travel(message())] == [True, True]
        assert stand.ran == ["a"]
        assert [each["why"] for each in lines if each["event"] == "result_not_stored"] == [why]

    virtual(story())


def test_what_fails_for_a_duplicate_is_judged_as_the_handlers_failure_would_be() -> None:
    async def story() -> None:
        async def again(_event: dict[str, str], _result: Any) -> None:
            raise Later("the receiver is away", after=77)

        async def stuck(_event: dict[str, str], _result: Any) -> None:
            await hangs()

        stand = Stand(at_once)
        assert await stand.road().travel(message())
        assert not await stand.road(on_duplicate=again).travel(message())
        assert not await stand.road(on_duplicate=stuck).travel(message())
        assert stand.hidden == [77, 4.0]
        assert stand.ran == ["a"]

    virtual(story())


def test_another_payload_under_a_used_key_is_buried_at_once_and_runs_nothing() -> None:
    async def story() -> None:
        stand = Stand(at_once)
        road = stand.road(on_duplicate=lambda _event, _result: pytest.fail("this is not a duplicate"))
        assert await road.travel(message(say="ten euros"))
        assert await road.travel(message(say="a million"))
        assert stand.ran == ["ten euros"]
        assert stand.reasons == [("KeyReused", "the idempotency key was used before with another payload")]
        assert await stand.road().travel(message(say="ten euros")), "and the entry is as it was"
        assert len(stand.letters) == 1

    virtual(story())


def test_after_a_failure_a_mended_message_may_take_the_same_key() -> None:
    async def story() -> None:
        async def handle(event: dict[str, str]) -> None:
            if event["say"] == "broken":
                raise Reject("no such session")

        stand = Stand(handle)
        road = stand.road()
        assert await road.travel(message(say="broken"))
        assert await road.travel(message(say="mended"))
        assert stand.ran == ["broken", "mended"]
        assert [kind for kind, _ in stand.reasons] == ["Reject"]

    virtual(story())


def test_a_worker_says_itself_what_must_not_change_under_one_key() -> None:
    async def story() -> None:
        stand = Stand(at_once)
        road = stand.road(fingerprint=lambda event: event["say"])
        assert await road.travel(message(say="a", note="first"))
        assert await road.travel(message(say="a", note="second"))
        assert stand.letters == []
        assert await road.travel(message(say="b", note="first"))
        assert [kind for kind, _ in stand.reasons] == ["KeyReused"]

    virtual(story())


@pytest.mark.parametrize("key", ["", None, 7])
def test_an_event_without_a_key_is_buried_and_not_taken_for_every_other_such_event(key: Any) -> None:
    async def story() -> None:
        stand = Stand(at_once)
        assert await stand.road().travel(message(key=key))
        assert stand.reasons == [("Reject", "the event has no idempotency key")]
        assert stand.ledger.rows == {}

    virtual(story())


def test_a_key_that_cannot_be_read_is_as_permanent_as_a_body_that_cannot() -> None:
    async def story() -> None:
        stand = Stand(at_once)
        assert await stand.road().travel(delivery('{"say": "a"}'))
        assert stand.reasons == [("Reject", "the event's idempotency key cannot be read: KeyError")]
        assert stand.ran == []

    virtual(story())


@pytest.mark.guarantee("R1")
def test_a_key_that_cannot_be_read_for_want_of_a_descriptor_is_read_again() -> None:
    def key(event: dict[str, str]) -> str:
        raise OSError(errno.EMFILE, "Too many open files")

    async def story() -> None:
        stand = Stand(at_once)
        assert not await stand.road(key=key).travel(message())
        assert (stand.letters, stand.ran, stand.ledger.rows) == ([], [], {})

    virtual(story())


def test_a_long_key_becomes_one_that_dynamodb_takes() -> None:
    async def story() -> None:
        stand = Stand(at_once)
        road = stand.road()
        for key in ("ü" * 600, "ü" * 601, "ü" * 600, "\N{SNOWFLAKE}" * 1_000):
            assert await road.travel(message(key=key))
        assert stand.ran == ["a", "a", "a"]
        assert all(len(key.encode()) < 2_048 for key in stand.ledger.rows)

    virtual(story())


def test_keys_that_have_no_bytes_are_claimed_each_for_itself() -> None:
    async def story() -> None:
        stand = Stand(at_once)
        road = stand.road()
        for key in ("a\ud800", "a\ud801", "a\ud800"):
            assert await road.travel(message(key=key))
        assert stand.ran == ["a", "a"]
        assert all(key.encode() for key in stand.ledger.rows), "DynamoDB takes them"

    virtual(story())


def test_a_refused_duplicate_is_looked_at_again_later_and_then_leaves() -> None:
    async def story() -> None:
        stand = Stand(in_three_seconds)
        road = stand.road()
        first = asyncio.create_task(road.travel(message()))
        await asyncio.sleep(1)
        assert not await road.travel(message())
        assert stand.hidden == [1.0]
        assert await first
        assert await road.travel(message(attempt=2))
        assert stand.ran == ["a"]

    virtual(story())


@pytest.mark.guarantee("K5")
def test_another_payload_that_comes_during_the_work_is_refused_and_buried_when_the_work_is_done() -> None:
    async def story() -> None:
        stand = Stand(in_three_seconds)
        road = stand.road(duplicates="wait")
        first = asyncio.create_task(road.travel(message(say="a")))
        await asyncio.sleep(1)
        assert await road.travel(message(say="forged"))
        assert await first
        assert stand.ran == ["a"]
        assert [kind for kind, _ in stand.reasons] == ["KeyReused"]

    virtual(story())


@pytest.mark.parametrize("name", ["audit", "control", "replay", "a#b"])
def test_no_worker_takes_keys_that_are_others_in_the_table(name: str) -> None:
    with pytest.raises(ValueError, match=r"^Worker\.name is .* choose a name without #"):
        make_worker(name=name, queue="uploads", decode=str, handle=at_once, key=str)


def test_a_worker_whose_events_have_keys_does_not_go_without_a_ledger() -> None:
    worker = make_worker(decode=str, handle=at_once, key=str)
    with pytest.raises(ValueError, match="needs a ledger"):
        lay_road(worker, Ports(hide=Stand(at_once)._hide, bury=Stand(at_once)._bury))


def test_work_that_takes_too_long_is_cut_and_its_key_is_free_at_once() -> None:
    async def story() -> None:
        async def handle(_event: dict[str, str]) -> None:
            if len(stand.ran) == 1:
                await hangs()

        stand = Stand(handle)
        started = clock()
        assert not await stand.road(timeout=10).travel(message())
        assert clock() - started == pytest.approx(10)
        assert await stand.road(timeout=10).travel(message(attempt=2))
        assert stand.ran == ["a", "a"]

    virtual(story())
