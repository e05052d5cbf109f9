"""Owners that claim, complete, release and stand still in any order, against a model of what a ledger may answer."""

import asyncio
import contextlib
import itertools
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from shared.road.ledger import AlreadyDone, Busy, Claimed, DynamoDbLedger, Ledger, Reused
from tests.aws import Aws
from tests.examples import examples
from tests.fakes_ledger import FakeLedger

Answer = TypeVar("Answer")
KEEP = 100.0

owners = st.sampled_from("abc")
keys = st.sampled_from(["k", "l"])
payloads = st.sampled_from(["f", "g"])
leases = st.sampled_from([1.0, 10.0, 60.0])
results = st.sampled_from(["", "1", '"two"'])
_numbers = itertools.count()


@dataclass
class Known:
    """What must be so of one key: who holds it or finished it, from which payload, and until when."""

    owner: str
    payload: str
    until: float
    result: str | None = None

    @property
    def is_done(self) -> bool:
        return self.result is not None


class Interleaved(RuleBasedStateMachine):
    """`now` passes in whole seconds; the keys of each run are its own."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.opened = contextlib.AsyncExitStack()
        self.now = 1_800_000_000.0
        self.known: dict[str, Known] = {}
        self.run = next(_numbers)
        self.ledger: Ledger = FakeLedger()

    async def open(self) -> Ledger:
        return self.ledger

    @initialize()
    def opens(self) -> None:
        self.ledger = self.runner.run(self.open())

    def ask(self, question: Coroutine[Any, Any, Answer]) -> Answer:
        return self.runner.run(question)

    def at(self, key: str) -> Known | None:
        """None where the key is free for everybody."""
        known = self.known.get(key)
        return known if known is not None and known.until > self.now else None

    def own(self, key: str) -> str:
        return f"{self.run}-{key}"

    @rule(key=keys, owner=owners, payload=payloads, lease=leases)
    def claims(self, key: str, owner: str, payload: str, lease: float) -> None:
        claim = self.ask(self.ledger.claim(self.own(key), owner=owner, now=self.now, lease=lease, fingerprint=payload))
        match self.at(key):
            case Known(is_done=True) as done if done.payload != payload:
                assert claim == Reused(), "another payload is never accepted under a key that is done"
            case Known(is_done=True) as done:
                assert claim == AlreadyDone(done.result or "")
            case Known() as held if held.owner != owner:
                assert claim == Busy(held.until - self.now), "never two owners at once"
            case _:
                assert claim == Claimed()
                self.known[key] = Known(owner, payload, self.now + lease)

    @rule(key=keys, owner=owners, result=results)
    def completes(self, key: str, owner: str, result: str) -> None:
        said = self.ask(self.ledger.complete(self.own(key), owner=owner, now=self.now, keep=KEEP, result=result))
        known = self.known.get(key)
        assert said == (known is not None and known.owner == owner), "whoever was replaced completes nothing"
        if known is not None and said and not known.is_done:
            self.known[key] = Known(owner, known.payload, self.now + KEEP, result)

    @rule(key=keys, owner=owners)
    def releases(self, key: str, owner: str) -> None:
        self.ask(self.ledger.release(self.own(key), owner=owner))
        if (known := self.known.get(key)) is not None and known.owner == owner and not known.is_done:
            del self.known[key]

    @rule(key=keys, payload=payloads, lease=leases)
    def race(self, key: str, payload: str, lease: float) -> None:
        """Three owners nobody has seen before, at once."""
        strangers = [f"stranger-{next(_numbers)}" for _ in range(3)]

        async def all_at_once() -> list[object]:
            claims = (
                self.ledger.claim(self.own(key), owner=each, now=self.now, lease=lease, fingerprint=payload)
                for each in strangers
            )
            return list(await asyncio.gather(*claims))

        answers = self.ask(all_at_once())
        if self.at(key) is not None:
            assert Claimed() not in answers
            return
        assert answers.count(Claimed()) == 1
        self.known[key] = Known(strangers[answers.index(Claimed())], payload, self.now + lease)

    @rule(seconds=st.sampled_from([0.0, 1.0, 9.0, 59.0, 100.0]))
    def passes(self, seconds: float) -> None:
        self.now += seconds

    def teardown(self) -> None:
        self.runner.run(self.opened.aclose())
        self.runner.close()


@pytest.mark.slow
@pytest.mark.guarantee("K7")
def test_however_owners_interleave_the_ledger_in_memory_keeps_its_rules() -> None:
    run_state_machine_as_test(Interleaved, settings=settings(max_examples=examples(150), stateful_step_count=40))


@pytest.mark.guarantee("K7")
def test_however_owners_interleave_the_table_keeps_the_same_rules(aws: Aws) -> None:
    table = aws.table("key", label="ledger")

    class InDynamoDb(Interleaved):
        async def open(self) -> Ledger:
            return DynamoDbLedger(await self.opened.enter_async_context(aws.open("dynamodb")), table=table)

    run_state_machine_as_test(
        InDynamoDb, settings=settings(max_examples=examples(16), stateful_step_count=25, derandomize=True)
    )
