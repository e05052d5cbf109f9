"""A duplicate that waits for the first, and receipts that overlap in every way."""

import asyncio
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from tests.shared.keyed import FAULTS, Fault, FaultyLedger, Stand, at_once, in_three_seconds, message
from tests.virtual_time import clock, virtual


def test_a_duplicate_that_waits_leaves_soon_after_the_first_is_done_and_learns_its_result() -> None:
    async def story() -> None:
        results: list[object] = []

        async def again(_event: dict[str, str], result: object) -> None:
            results.append(result)

        stand = Stand(in_three_seconds)
        road = stand.road(duplicates="wait", on_duplicate=again)
        started = clock()
        assert await asyncio.gather(*(road.travel(message()) for _ in range(4))) == [True] * 4
        assert 3.0 <= clock() - started <= 5.0
        assert (stand.ran, results, stand.hidden) == (["a"], ["receipt of a"] * 3, [])
        assert stand.ledger.calls.count("claim") <= 4 * 8, "with growing pauses"

    virtual(story())


@pytest.mark.guarantee("K4")
def test_a_duplicate_that_waits_takes_over_when_the_first_fails_and_has_a_whole_timeout_for_it() -> None:
    async def story() -> None:
        async def handle(_event: dict[str, str]) -> None:
            await asyncio.sleep(9)
            if len(stand.ran) == 1:
                raise ConnectionError

        stand = Stand(handle)
        road = stand.road(timeout=10, duplicates="wait")
        assert [*await asyncio.gather(road.travel(message()), road.travel(message()))] == [False, True]
        assert stand.ran == ["a", "a"]
        assert stand.ran_at[1] - stand.ran_at[0] <= 11

    virtual(story())


def test_a_duplicate_that_waits_takes_over_when_the_lease_of_a_dead_holder_ends() -> None:
    async def story() -> None:
        stand = Stand(at_once)
        await stand.ledger.claim("sample#k", owner="dead", now=clock(), lease=6, fingerprint="f")
        started = clock()
        assert await stand.road(timeout=10, duplicates="wait").travel(message())
        assert 6.0 <= clock() - started <= 6.2

    virtual(story())


@pytest.mark.guarantee("K4")
def test_a_duplicate_waits_for_one_timeout_and_then_is_hidden() -> None:
    async def story() -> None:
        stand = Stand(at_once)
        await stand.ledger.claim("sample#k", owner="dead", now=clock(), lease=60, fingerprint="f")
        started = clock()
        road = stand.road(timeout=10, duplicates="wait")
        assert not await road.travel(message())
        assert clock() - started == pytest.approx(10)
        assert not await road.travel(message(attempt=4))
        assert stand.hidden == [1.0, 27.0]
        assert stand.ran == []

    virtual(story())


def test_a_duplicate_that_waits_can_be_cut() -> None:
    async def story() -> None:
        stand = Stand(at_once)
        await stand.ledger.claim("sample#k", owner="dead", now=clock(), lease=60, fingerprint="f")
        task = asyncio.create_task(stand.road(duplicates="wait").travel(message()))
        await asyncio.sleep(1)
        task.cancel("cut")
        await asyncio.wait({task})
        assert task.cancelled()
        assert stand.ledger.rows["sample#k"].owner == "dead"

    virtual(story())


receipts = st.tuples(
    st.floats(0, 30),  # when it comes
    st.floats(0, 12),  # how long its work would take
    st.booleans(),  # whether that would fail
    st.sampled_from(["a", "forged"]),
    st.sampled_from(["refuse", "wait"]),
)


@pytest.mark.guarantee("K7")
@given(
    coming=st.lists(receipts, min_size=2, max_size=8),
    seconds=st.sampled_from([0.0, 0.02, 0.5]),
    lost=st.dictionaries(  # of three that hang, the third is not made up for any more: at least once, after that
        st.sampled_from(["claim", "complete", "release"]), st.lists(st.sampled_from([*FAULTS.values()]), max_size=2)
    ),
    where=st.sampled_from(["before", "after"]),
)
def test_however_receipts_of_one_key_overlap_its_work_never_does_and_is_done_once(
    coming: list[tuple[float, float, bool, str, str]], seconds: float, lost: dict[str, list[Fault]], where: str
) -> None:
    async def story() -> None:
        running, done, most = Counter[str](), list[str](), [0]

        async def handle(event: dict[str, str]) -> str:
            running["now"] += 1
            most[0] = max(most[0], running["now"])
            try:
                await asyncio.sleep(float(event["seconds"]))
                if event["fails"]:
                    raise ConnectionError
            finally:
                running["now"] -= 1
            done.append(event["say"])
            return event["say"]

        stand = Stand(handle, ledger=FaultyLedger(seconds=seconds))
        getattr(stand.ledger, where).update({name: [*faults] for name, faults in lost.items()})

        async def comes(at: float, work: float, fails: bool, say: str, duplicates: str) -> bool:  # noqa: FBT001  # as drawn
            await asyncio.sleep(at)
            road = stand.road(timeout=10, duplicates=duplicates, fingerprint=lambda event: event["say"])
            return await road.travel(message(say=say, seconds=str(work), fails=fails))

        left = await asyncio.gather(*(comes(*each) for each in coming))
        assert most[0] <= 1, "never two at once"
        assert len(done) <= 1, "never twice"
        buried = [kind for kind, _ in stand.reasons]
        assert set(buried) <= {"KeyReused"}
        assert left.count(True) == 0 or done, "nothing leaves before the work is done"
        forged = [say for (_, _, _, say, _), leaves in zip(coming, left, strict=True) if leaves and say not in done]
        assert len(buried) == len(forged), "whatever left with another payload than the one done was buried"

    with capture_logs():
        virtual(story())
